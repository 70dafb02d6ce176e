import { type Command, Option } from 'commander'
import { parseAddress } from '../address.js'
import { cliError } from '../errors.js'
import { listenForInterruption } from '../interruption.js'
import { createOutput, type Output } from '../output.js'
import { formatTable } from '../table.js'
import { parseDuration } from '../units.js'
import { addIdentityFlag, type IdentityFlag, identityDirectory } from './identity-flag.js'
import { readText, writeText } from './text-files.js'

interface Flags extends IdentityFlag {
  readonly json?: boolean
}

interface RightsFlags extends Flags {
  readonly role: readonly string[]
  readonly domain?: 'trusted' | 'untrusted'
  readonly lifetime?: number
}

export function addTrustCommand(program: Command): void {
  const trust = program
    .command('trust')
    .summary('whom this node trusts: admit, invite, list, revoke')
    .description(
      'The cluster’s authority and the trust store. A node is let in once its key is admitted, and no longer once it is revoked.',
    )
  withCommon(trust.command('init'))
    .description('Makes a new cluster here: its authority, a trust store, and this node as its first member.')
    .requiredOption('--cluster <name>', 'the lasting name of the cluster')
    .option('--node-id <name>', 'of this node (default: made from its key)')
    .action(init)
  withRights(withCommon(trust.command('invite')))
    .description('Prints a one-time token: whoever brings it first, within its time, is admitted.')
    .option('--node-id <name>', 'only a node of that name')
    .addOption(lifetime('how long the token holds', { least: '1s', most: '24h', usual: '10min' }))
    .action(invite)
  withCommon(trust.command('join'))
    .description('Makes this node a member, by a token and a server of the cluster that was started with "dwcp serve --invite".')
    .argument('<token>', 'what was printed there or by "dwcp trust invite", or - for standard input')
    .argument('<host:port>', 'where that server listens')
    .option('--node-id <name>', 'the lasting name of a new identity (default: made from its key)')
    .action(joinByToken)
  withRights(withCommon(trust.command('add')))
    .description('Admits a node by its request and prints what it has to install; or takes over statements that the authority has signed.')
    .argument('<file>', 'what "dwcp identity request" or "dwcp trust export" wrote, or - for standard input')
    .addOption(lifetime('of the certificate', { least: '1min', most: '366d', usual: '7d' }))
    .option('-o, --output <file>', 'where to write the bundle (default: standard output)')
    .action(add)
  withCommon(trust.command('list')).description('Lists members, open invitations and what was revoked.').action(list)
  withCommon(trust.command('revoke'))
    .description(
      'Ends a member for good. Nodes that use this directory refuse it at once; for others, take the statements that are printed to their "dwcp trust add".',
    )
    .argument('<node>', 'its name or key id')
    .action(revoke)
  withCommon(trust.command('rotate'))
    .description(
      'Gives the cluster’s authority a new key. Certificates in use hold until they expire; leave their lifetime between two rotations.',
    )
    .action(rotate)
  withCommon(trust.command('export'))
    .description('Prints who is admitted and revoked, signed by the authority, for "dwcp trust add" elsewhere.')
    .action(exportStatements)
}

async function init({
  cluster,
  nodeId,
  json = false,
  ...flag
}: Flags & { readonly cluster: string; readonly nodeId?: string }): Promise<void> {
  const { foundCluster, openIdentity } = await import('@dwcp/core')
  const output = outputFor(json)
  const directory = identityDirectory(flag, process.env)
  const { notAfterMs } = await foundCluster(directory, { cluster, ...(nodeId === undefined ? {} : { nodeId }) })
  using identity = await openIdentity(directory)
  output.line(`cluster ${output.palette.bold(cluster)}: its authority is in ${directory}; keep that safe, and back it up`)
  output.line(`${identity.nodeId} is its first member, with a certificate until ${new Date(notAfterMs).toISOString()}`)
  output.record({ directory, cluster, nodeId: identity.nodeId, keyId: identity.keyId, notAfterMs })
}

async function invite({
  nodeId,
  role,
  domain,
  lifetime: lifetimeMs,
  json = false,
  ...flag
}: RightsFlags & { readonly nodeId?: string }): Promise<void> {
  const { openTrustStore } = await import('@dwcp/core')
  const output = outputFor(json)
  using trust = await openTrustStore(identityDirectory(flag, process.env))
  const { token, expiresAtMs } = await trust.invite({
    roles: role,
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(domain === undefined ? {} : { domain }),
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
  })
  output.line(token)
  process.stderr.write(json ? '' : `for one node, until ${new Date(expiresAtMs).toISOString()}: dwcp identity request --token -\n`)
  output.record({ token, expiresAtMs })
}

async function joinByToken(
  given: string,
  address: string,
  { nodeId, json = false, ...flag }: Flags & { readonly nodeId?: string },
): Promise<void> {
  const { joinCluster } = await import('@dwcp/core')
  const output = outputFor(json)
  const to = parseAddress(address, '<host:port>')
  const token = given === '-' ? (await readText('-', '<token>')).trim() : given
  using interruption = listenForInterruption()
  const joined = await joinCluster(identityDirectory(flag, process.env), token, to, {
    signal: interruption.signal,
    ...(nodeId === undefined ? {} : { nodeId }),
  })
  const until = new Date(joined.notAfterMs).toISOString()
  output.line(`${output.palette.bold(joined.nodeId)} is a member of cluster ${joined.cluster}, with a certificate until ${until}`)
  output.record({ nodeId: joined.nodeId, cluster: joined.cluster, notAfterMs: joined.notAfterMs })
}

async function add(
  source: string,
  { role, domain, lifetime: lifetimeMs, output: path, json = false, ...flag }: RightsFlags & { readonly output?: string },
): Promise<void> {
  const { enroll, isStatement, openTrustStore } = await import('@dwcp/core')
  const output = outputFor(json)
  const directory = identityDirectory(flag, process.env)
  const text = await readText(source, '<file>')
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  if (lines.length > 0 && lines.every(isStatement)) {
    using trust = await openTrustStore(directory)
    const refused = await trust.accept(lines)
    output.line(`${lines.length - refused.length} statements are in force`)
    for (const { message } of refused) output.line(`left out: ${message}`)
    output.record({ statements: lines.length, refused: refused.map(({ code, message }) => ({ code, message })) })
    return
  }
  const { member, notAfterMs, bundle } = await enroll(directory, text, {
    ...(role.length === 0 ? {} : { roles: role }),
    ...(domain === undefined ? {} : { domain }),
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
  })
  await writeText(bundle, path, output)
  output.record({ member, notAfterMs, ...(path === undefined ? { bundle } : { output: path }) })
}

async function list({ json = false, ...flag }: Flags): Promise<void> {
  const { openTrustStore } = await import('@dwcp/core')
  const output = outputFor(json)
  using trust = await openTrustStore(identityDirectory(flag, process.env))
  const known = trust.list()
  output.record({ cluster: trust.cluster, ...known })
  output.line(`cluster ${output.palette.bold(trust.cluster)}`)
  table(
    output,
    ['member', 'domain', 'roles', 'key'],
    known.members.map(({ nodeId, domain, roles, keyId }) => [nodeId, domain, roles.join(' '), keyId]),
  )
  table(
    output,
    ['invitation', 'until'],
    known.invitations.map(({ nodeId, expiresAtMs, usedBy }) => [
      `${nodeId ?? 'any name'}${usedBy === undefined ? '' : `, used by ${usedBy}`}`,
      new Date(expiresAtMs).toISOString(),
    ]),
  )
  table(
    output,
    ['revoked', 'since', 'key'],
    known.revoked.map(({ nodeId, serial, revokedAtMs, keyId }) => [
      serial === undefined ? nodeId : `${nodeId}, certificate ${serial}`,
      new Date(revokedAtMs).toISOString(),
      keyId,
    ]),
  )
}

async function revoke(who: string, { json = false, ...flag }: Flags): Promise<void> {
  const { revokeMember } = await import('@dwcp/core')
  const output = outputFor(json)
  const statements = await revokeMember(identityDirectory(flag, process.env), who)
  process.stderr.write(json ? '' : `${who} is revoked\n`)
  for (const statement of statements) output.line(statement)
  output.record({ revoked: who, statements })
}

async function rotate({ json = false, ...flag }: Flags): Promise<void> {
  const { rotateAuthority } = await import('@dwcp/core')
  const output = outputFor(json)
  const statements = await rotateAuthority(identityDirectory(flag, process.env))
  for (const statement of statements) output.line(statement)
  output.record({ statements })
}

async function exportStatements({ json = false, ...flag }: Flags): Promise<void> {
  const { openTrustStore } = await import('@dwcp/core')
  const output = outputFor(json)
  using trust = await openTrustStore(identityDirectory(flag, process.env))
  for (const statement of trust.statements()) output.line(statement)
  output.record({ statements: trust.statements() })
}

function withCommon(command: Command): Command {
  return addIdentityFlag(command).option('--json', 'one JSON object')
}

function withRights(command: Command): Command {
  const collect = (role: string, before: readonly string[]): readonly string[] => [...before, role]
  return command
    .option('--role <name>', 'what it may do; may be repeated', collect, [])
    .addOption(new Option('--domain <domain>', 'whether it is of the trusted domain').choices(['trusted', 'untrusted']))
}

interface Bounds {
  readonly least: string
  readonly most: string
  readonly usual: string
}

function lifetime(says: string, { least, most, usual }: Bounds): Option {
  const [leastMs, mostMs] = [parseDuration(least, '--lifetime'), parseDuration(most, '--lifetime')]
  return new Option('--lifetime <duration>', `${says}, ${least} to ${most} (default: ${usual})`).argParser((text) => {
    const ms = parseDuration(text, '--lifetime')
    if (ms >= leastMs && ms <= mostMs) return ms
    throw cliError('ERR_CLI_USAGE', `--lifetime ${text}: write ${least} to ${most}`)
  })
}

function table(output: Output, titles: readonly string[], rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return
  output.line()
  for (const line of formatTable(
    titles.map((title) => ({ title })),
    rows,
  ))
    output.line(line)
}

const outputFor = (json: boolean): Output => createOutput({ json, screen: process.stdout, env: process.env })
