import { isIP } from 'node:net'
import type { ServedTree, Session } from '@dwcp/core/transfer'
import { formatAddress } from '../address.js'
import { cliError, errorRecord } from '../errors.js'
import { listenForInterruption } from '../interruption.js'
import { createOutput, type Output } from '../output.js'
import { invitationRecord, invitationText, openInvitation } from '../security/open-invitation.js'
import { parseBytes } from '../units.js'
import { serveV1 } from './serve-v1.js'
import { readIdentity, type StoreFlags, type TransferFlags } from './transfer-flags.js'
import { reportText } from './transfer-text.js'

/** A caller that loses its connection comes back with another session, which compares what is there: nothing waits for the former. */
const LIMITS = { reconnectMs: 1 } as const

export interface ServeFlags extends TransferFlags, StoreFlags {
  readonly dir: string
  readonly readOnly?: boolean
  readonly invite?: boolean
  readonly host: string
  readonly port: number
  readonly address?: readonly string[]
  /** With a port, or the usual one. */
  readonly v1?: boolean | number
  readonly v1From?: readonly string[]
  readonly maxEntries?: number
  readonly maxSize?: string
}

/** Until it is interrupted. */
export async function serveDirectory(flags: ServeFlags): Promise<void> {
  const { address: addresses, dir, host, port, links, maxEntries, maxSize, rate, readOnly: isReadOnly = false } = flags
  const wrong = addresses?.find((address) => isIP(address) === 0)
  if (wrong !== undefined) throw cliError('ERR_CLI_USAGE', `--address ${wrong}: write an IP address`)
  using interruption = listenForInterruption()
  const identity = await readIdentity(flags)
  const output = createOutput({ json: flags.json ?? false, screen: process.stdout, env: process.env })
  const { listen, openTreeDirectory } = await import('@dwcp/core/transfer')
  const limits = {
    ...(maxEntries === undefined ? {} : { entries: maxEntries }),
    ...(maxSize === undefined ? {} : { bytes: parseBytes(maxSize, '--max-size') }),
  }
  await using trees = await openTreeDirectory(dir, { isReadOnly, allowsLinksOut: links === 'all', limits })
  const invitation = flags.invite === true ? await openInvitation(flags.identity, output) : undefined
  const shared = rate === undefined ? {} : { rateBytesPerSecond: rate }
  await using server = await listen({
    ...identity,
    ...shared,
    host,
    port,
    limits: LIMITS,
    ...(addresses === undefined ? {} : { addresses }),
    ...(invitation === undefined ? {} : { enroll: invitation.enroll }),
  })
  const { signal } = interruption
  signal.addEventListener('abort', () => void server.close(), { once: true })
  if (signal.aborted) return
  output.line(
    `${output.palette.bold(dir)} is served on ${output.palette.cyan(formatAddress(server.address))}${isReadOnly ? ', read only' : ''}`,
  )
  if (invitation) output.line(invitationText(invitation))
  output.record({
    event: 'listening',
    id: identity.nodeId,
    address: server.address,
    directory: dir,
    readOnly: isReadOnly,
    pid: process.pid,
    ...invitationRecord(invitation),
  })
  await using v1 = flags.v1 === undefined ? undefined : await serveV1(flags, output)
  signal.addEventListener('abort', () => void v1?.close(), { once: true })
  for await (const session of server) void trees.serve(session, (tree) => void tell(output, session, tree))
  output.record({ event: 'closing' })
}

async function tell(output: Output, session: Session, { direction, path, report }: ServedTree): Promise<void> {
  const peer = session.peer.nodeId
  const title = `${direction === 'in' ? 'from' : 'to'} ${peer}: ${path === '' ? '/' : path}`
  const startedMs = performance.now()
  output.record({ event: 'begins', peer, direction, path })
  try {
    const done = await report
    const totalMs = performance.now() - startedMs
    output.line(`${title}: ${reportText(done, totalMs)}`)
    output.record({ event: 'done', peer, direction, path, totalMs, ...done })
  } catch (error) {
    const record = errorRecord(error)
    output.line(`${title}: ${output.palette.red('broke off')}, ${record.code}: ${record.message}`)
    output.record({ event: 'broke-off', peer, direction, path, error: record })
  }
}
