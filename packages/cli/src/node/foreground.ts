import { once } from 'node:events'
import type { DwcpNode } from '@dwcp/core'
import type { Address, NetworkMode } from '@dwcp/interface'
import { formatAddress } from '../address.js'
import { openControlSocket, refuseLiveNode } from '../control/control-socket.js'
import type { Output } from '../output.js'
import { loadProgram } from '../program-source.js'
import { invitationRecord, invitationText, type OpenInvitation } from '../security/open-invitation.js'
import type { Security } from '../security-flags.js'
import { nodeOperations } from './operations.js'
import { inWords } from './workload-text.js'

export interface ForegroundOptions {
  readonly id: string
  readonly directory: string
  /** Absent: 127.0.0.1 and `preferredPort` unless that is taken. */
  readonly listen?: Address
  readonly preferredPort: number
  readonly peers: Readonly<Record<string, string>>
  readonly mode: NetworkMode | 'auto'
  readonly flags?: string
  readonly security: Security
  /** The directory of its identity and trust store. */
  readonly membership?: string
  readonly invitation?: OpenInvitation
  readonly program?: { readonly source: string; readonly id?: string; readonly seed?: number }
  readonly output: Output
  /** Ends the node. */
  readonly signal: AbortSignal
}

/** Runs a node until `signal`: listens, answers other shells, says what arrives and leaves. */
export async function runForeground(options: ForegroundOptions): Promise<void> {
  const { output, signal, directory, program } = options
  const { palette } = output
  // Before anything listens: what is wrong with the order itself is said first.
  await refuseLiveNode(directory)
  const loaded = program === undefined ? undefined : await loadProgram(program.source)
  await using node = await listenSomewhere(options)
  const operations = nodeOperations(node)
  await using _control = await openControlSocket(directory, operations)
  const following = follow(node, output, signal)
  output.line(`${palette.bold(node.id)} listens on ${palette.cyan(formatAddress(node.address))}, state in ${directory}`)
  if (options.invitation) output.line(invitationText(options.invitation))
  output.record({
    event: 'listening',
    id: node.id,
    address: node.address,
    directory,
    pid: process.pid,
    ...invitationRecord(options.invitation),
  })
  if (loaded !== undefined && program !== undefined) {
    await node.run(loaded.module, { id: program.id ?? loaded.name, ...(program.seed === undefined ? {} : { seed: program.seed }) })
  }
  if (!signal.aborted) await once(signal, 'abort')
  await following
  const lost = node.workloads().filter(({ state }) => state === 'running' || state === 'leaving')
  if (lost.length > 0) output.line(`${palette.yellow('ending')} with this node: ${lost.map(({ id }) => id).join(', ')}`)
  output.record({ event: 'closing', ends: lost.map(({ id }) => id) })
}

async function listenSomewhere(options: ForegroundOptions): Promise<DwcpNode> {
  const { startNode } = await import('@dwcp/core')
  const { id, directory, flags, invitation, listen, membership, mode, peers, preferredPort, security } = options
  const start = (address: Address): Promise<DwcpNode> =>
    startNode({
      id,
      dataDirectory: directory,
      listen: { ...address, ...(invitation === undefined ? {} : { enroll: invitation.enroll }) },
      peers,
      mode,
      ...(flags === undefined ? {} : { flags }),
      ...(membership === undefined ? {} : { membership }),
      ...security,
    })
  if (listen !== undefined) return start(listen)
  try {
    return await start({ host: '127.0.0.1', port: preferredPort })
  } catch (error) {
    if (preferredPort === 0 || !isAddressInUse(error)) throw error
    return start({ host: '127.0.0.1', port: 0 })
  }
}

function isAddressInUse(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === 'EADDRINUSE') || isAddressInUse(error.cause)
}

/** Prints what becomes of workloads and links, each state once. */
async function follow(node: DwcpNode, output: Output, signal: AbortSignal): Promise<void> {
  const seen = new Map<string, string>()
  const tell = (key: string, text: string, record: object): void => {
    if (seen.get(key) === text) return
    seen.set(key, text)
    output.line(`${output.palette.dim(new Date().toISOString().slice(11, 23))}  ${text}`)
    output.record(record)
  }
  try {
    for await (const change of node.changes({ signal })) {
      if (change.kind === 'workload') {
        const status = node.workloads().find(({ id }) => id === change.workload)
        if (status !== undefined) tell(`workload ${status.id}`, inWords(status), { event: 'workload', ...status })
      } else if (change.kind === 'link') {
        const link = node.links().find(({ peer }) => peer === change.peer)
        // A client that asks once is a link too, and no news.
        if (link !== undefined && (link.samples > 0 || seen.has(`link ${link.peer}`)))
          tell(`link ${link.peer}`, `link to ${link.peer}: ${link.up ? link.mode : 'down'}`, { event: 'link', ...link })
      } else {
        tell('flags', `flags: ${change.status.error ?? 'read anew'}`, { event: 'flags', ...change.status })
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
