import type { Command } from 'commander'
import { cliError } from '../errors.js'
import { createOutput, type Output } from '../output.js'
import { addIdentityFlag, type IdentityFlag, identityDirectory } from './identity-flag.js'
import { readText, writeText } from './text-files.js'

interface ShowFlags extends IdentityFlag {
  readonly json?: boolean
}

interface RequestFlags extends ShowFlags {
  readonly nodeId?: string
  readonly token?: string
  readonly output?: string
}

const JSON_FLAG = ['--json', 'one JSON object'] as const

export function addIdentityCommand(program: Command): void {
  const identity = program
    .command('identity')
    .summary('who this node is: key, certificate request, certificate')
    .description(
      'The Ed25519 key of a node, which is made here and never leaves, and the certificate that the cluster’s authority gives it.',
    )
  addIdentityFlag(identity.command('show'))
    .description('Shows name, key id and certificate of a node.')
    .option(...JSON_FLAG)
    .action(show)
  addIdentityFlag(identity.command('request'))
    .description(
      'Prints what the operator of the cluster needs to admit and certify this node; makes its key the first time. Nothing in it is secret.',
    )
    .option('--node-id <name>', 'the lasting name of a new identity (default: made from its key)')
    .option('--token <token>', 'the join token of an invitation, or - to read it from standard input')
    .option('-o, --output <file>', 'where to write it (default: standard output)')
    .option(...JSON_FLAG)
    .action(request)
  addIdentityFlag(identity.command('install'))
    .description('Installs what the operator sent back: the certificate, the authorities, and who else is admitted.')
    .argument('<bundle>', 'what "dwcp trust add" wrote, or - for standard input')
    .option('--token <token>', 'believe it only if it is from whom this token names; - for standard input')
    .option(...JSON_FLAG)
    .action(install)
}

async function show({ json = false, ...flag }: ShowFlags): Promise<void> {
  const { hasIdentity, openIdentity } = await import('@dwcp/core')
  const output = outputFor(json)
  const directory = identityDirectory(flag, process.env)
  if (!hasIdentity(directory)) {
    output.line(`no identity in ${directory}: "dwcp identity request" makes one`)
    output.record({ directory })
    return
  }
  using identity = await openIdentity(directory)
  const installed = identity.certificate()
  const { nodeId, keyId } = identity
  output.line(`${output.palette.bold(nodeId)}  ${keyId}  ${output.palette.dim(directory)}`)
  if (installed === undefined) output.line('no certificate: take "dwcp identity request" to the operator of the cluster')
  else {
    const { cluster, serial, notAfterMs, renewAtMs } = installed
    const until = new Date(notAfterMs).toISOString()
    output.line(`certificate ${serial} of cluster ${cluster}, until ${until}${Date.now() > notAfterMs ? ', out of date' : ''}`)
    if (Date.now() > renewAtMs) output.line('renew it: "dwcp identity request", "dwcp trust add" at the operator, "dwcp identity install"')
  }
  output.record({ directory, nodeId, keyId, ...(installed === undefined ? {} : { certificate: installed }) })
}

async function request({ json = false, nodeId, token, output: path, ...flag }: RequestFlags): Promise<void> {
  const { openIdentity } = await import('@dwcp/core')
  const output = outputFor(json)
  const given = await readToken(token)
  using identity = await openIdentity(identityDirectory(flag, process.env), nodeId === undefined ? {} : { nodeId })
  const text = given === undefined ? await identity.request() : `${await identity.joinRequest(given)}\n`
  await writeText(text, path, output)
  output.record({ nodeId: identity.nodeId, keyId: identity.keyId, ...(path === undefined ? { request: text } : { output: path }) })
}

async function install(source: string, { json = false, token, ...flag }: Pick<RequestFlags, 'json' | 'token' | 'identity'>): Promise<void> {
  const { installBundle } = await import('@dwcp/core')
  const output = outputFor(json)
  if (source === '-' && token === '-') throw cliError('ERR_CLI_USAGE', '<bundle> and --token cannot both be read from standard input')
  const [text, given] = [await readText(source, '<bundle>'), await readToken(token)]
  const { nodeId, cluster, notAfterMs, refused } = await installBundle(
    identityDirectory(flag, process.env),
    text,
    given === undefined ? {} : { token: given },
  )
  output.line(
    `${output.palette.bold(nodeId)} is a member of cluster ${cluster}, with a certificate until ${new Date(notAfterMs).toISOString()}`,
  )
  for (const { message } of refused) output.line(`left out: ${message}`)
  output.record({ nodeId, cluster, notAfterMs, refused: refused.map(({ code, message }) => ({ code, message })) })
}

async function readToken(token: string | undefined): Promise<string | undefined> {
  return token === '-' ? (await readText('-', '--token')).trim() : token
}

const outputFor = (json: boolean): Output => createOutput({ json, screen: process.stdout, env: process.env })
