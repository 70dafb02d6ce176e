import { type Address, isDwcpError, type MessageTransport, type NodeId, type WorkloadId } from '@dwcp/interface'
import type { WasmWorkload } from '@dwcp/migration'
import { encodeMessage, parseAsk, WORKLOAD_CHANNEL, type WorkloadAsk, type WorkloadReply } from './workload-message.js'

export interface Whereabouts {
  readonly owner: NodeId
  readonly epoch: number
  readonly address?: Address
}

/** Where clients reach the workloads of this node. */
export interface WorkloadPort extends Disposable {
  /** Tells those who wait for `workload` where it went. */
  moved(workload: WorkloadId): void
}

/** Clients told of a move; those past it find out when they ask again. */
const MAX_WAITING = 4096

export function openWorkloadPort(parts: {
  readonly transport: MessageTransport
  readonly find: (workload: WorkloadId) => Pick<WasmWorkload, 'request'> | undefined
  readonly whereabouts: (workload: WorkloadId) => Whereabouts | undefined
  /** Settles when a workload that is arriving runs here, or will not; undefined where none is. */
  readonly arrival: (workload: WorkloadId) => Promise<void> | undefined
  /** Where a workload that is leaving is going to. */
  readonly toward: (workload: WorkloadId) => NodeId | undefined
  readonly address: (node: NodeId) => Address | undefined
}): WorkloadPort {
  const { transport, find, whereabouts, arrival, toward, address } = parts
  let held = 0
  const waiting = new Map<WorkloadId, Set<NodeId>>()
  const reply = (to: NodeId, message: WorkloadReply): boolean =>
    transport.send(to, WORKLOAD_CHANNEL, encodeMessage(message), { class: 'sync' })

  const answer = async (client: NodeId, ask: WorkloadAsk): Promise<void> => {
    const { workload, sequence, payload } = ask
    const local = find(workload)
    if (local === undefined) {
      const arriving = arrival(workload)
      // Its state, and with it what this client was answered last, is on its way: it can be asked the moment it runs.
      if (arriving !== undefined && held < MAX_WAITING) {
        held++
        await arriving.finally(() => held--)
        return answer(client, ask)
      }
      const there = whereabouts(workload)
      reply(client, there === undefined ? { kind: 'unknown', workload, sequence } : { kind: 'moved', workload, ...there })
      return
    }
    try {
      reply(client, { kind: 'answer', workload, sequence, payload: await local.request({ client, sequence, payload }) })
    } catch (error) {
      if (isDwcpError(error, 'ERR_WORKLOAD_MOVED')) return answer(client, ask)
      if (isDwcpError(error, 'ERR_WORKLOAD_STOPPED')) {
        const clients = waiting.get(workload) ?? new Set()
        waiting.set(workload, clients)
        if (clients.size < MAX_WAITING) clients.add(client)
        const next = toward(workload)
        const nextAddress = next === undefined ? undefined : address(next)
        reply(client, {
          kind: 'wait',
          workload,
          sequence,
          ...(next === undefined ? {} : { toward: next }),
          ...(nextAddress === undefined ? {} : { address: nextAddress }),
        })
        return
      }
      const code = isDwcpError(error) ? error.code : 'ERR_WORKLOAD_FAILED'
      reply(client, {
        kind: 'refused',
        workload,
        sequence,
        code,
        message: error instanceof Error ? error.message.slice(0, 4096) : String(error),
      })
    }
  }

  const receiver = transport.receive(WORKLOAD_CHANNEL, (from, bytes) => {
    const ask = parseAsk(bytes)
    if (ask !== undefined) void answer(from.nodeId, ask)
  })
  return {
    moved(workload) {
      const there = whereabouts(workload)
      for (const client of waiting.get(workload) ?? []) {
        if (there !== undefined) reply(client, { kind: 'moved', workload, ...there })
      }
      waiting.delete(workload)
    },
    [Symbol.dispose]: () => receiver[Symbol.dispose](),
  }
}
