import { randomUUID } from 'node:crypto'
import { connect, createTransport } from '@dwcp/amst'
import {
  type Address,
  type Clock,
  type CredentialSource,
  DwcpError,
  type Logger,
  type NodeId,
  type PeerTrust,
  silentLogger,
  systemClock,
  type TlsCredentials,
  type WorkloadId,
} from '@dwcp/interface'
import { createPeerList, parseAddress } from './peers.js'
import { encodeMessage, parseReply, WORKLOAD_CHANNEL, type WorkloadReply } from './workload-message.js'

/** Where to look for workloads, and as whom. */
export interface ClientOptions {
  /** Where a workload may run, as `host:port`; a node that it moved to is learned on the way. */
  readonly nodes: readonly string[]
  /** Requests are told apart by it: two clients must not share one. With `tls`, the certificate's name. @defaultValue a random one */
  readonly id?: string
  readonly tls?: TlsCredentials | CredentialSource
  readonly trust?: PeerTrust
  readonly plaintext?: boolean | 'trusted-network'
  readonly clock?: Clock
  readonly logger?: Logger
  /** How long a lost request or answer costs. @defaultValue 100 */
  readonly resendMs?: number
}

/** What a workload answered, and what it took to hear it. */
export interface WorkloadAnswer {
  readonly payload: Uint8Array
  /** Who answered. */
  readonly node: NodeId
  /** How often the request was sent, to whomever; it was done once. */
  readonly sends: number
  readonly ms: number
}

/** Talks to workloads wherever they run. One request at a time; each is done exactly once, also across migrations. */
export interface WorkloadClient extends AsyncDisposable {
  /**
   * @throws `ERR_CORE_NO_ANSWER` (retryable; it may have been done), the workload's own `ERR_WORKLOAD_*`, `signal.reason`.
   */
  request(
    workload: WorkloadId,
    payload: Uint8Array,
    options?: { readonly signal?: AbortSignal /** @defaultValue 30000 */; readonly timeoutMs?: number },
  ): Promise<WorkloadAnswer>
  close(): Promise<void>
}

/** Resends without a word from a node before the next one is asked. */
const PATIENCE = 3

/**
 * Talks to workloads wherever they run; nodes that are down are looked for again.
 *
 * @throws `ERR_CORE_ADDRESS`, `ERR_AMST_PLAINTEXT_REFUSED`.
 */
export async function connectClient(options: ClientOptions): Promise<WorkloadClient> {
  const { clock = systemClock, logger = silentLogger, resendMs = 100, id = `client-${randomUUID()}` } = options
  const addresses: Address[] = options.nodes.map(parseAddress)
  const security = {
    ...(options.tls ? { tls: options.tls } : {}),
    ...(options.trust ? { trust: options.trust } : {}),
    ...(options.plaintext === undefined ? {} : { plaintext: options.plaintext }),
  }
  const peers = createPeerList()
  const transport = await createTransport({ self: id, directory: peers, streams: () => 1, clock, logger, ...security })
  const homes = new Map<WorkloadId, { readonly node: NodeId; readonly epoch: number }>()
  const unresolved = new Set(addresses)
  let onReply: ((from: NodeId, reply: WorkloadReply) => void) | undefined
  let sequence = 0
  let tail: Promise<unknown> = Promise.resolve()
  transport.receive(WORKLOAD_CHANNEL, (from, bytes) => {
    const reply = parseReply(bytes)
    if (reply !== undefined) onReply?.(from.nodeId, reply)
  })

  /** The names behind the addresses that were given; a node that is down now is looked up again later. */
  const resolve = async (signal: AbortSignal): Promise<void> => {
    await Promise.allSettled(
      [...unresolved].map(async (address) => {
        const session = await connect(address, { nodeId: id, streams: 1, signal, timeoutMs: 1000, ...security })
        peers.set(session.peer.nodeId, address)
        unresolved.delete(address)
        await session.close()
      }),
    )
  }

  const ask = async (workload: WorkloadId, payload: Uint8Array, signal: AbortSignal): Promise<WorkloadAnswer> => {
    const startedMs = clock.monotonicMs()
    const message = encodeMessage({ kind: 'ask', workload, sequence: ++sequence, payload })
    const mine = sequence
    let sends = 0
    let turn = 0
    // Ends when the request is answered, or with its signal, which has a deadline.
    for (;;) {
      signal.throwIfAborted()
      if (peers.nodes().length === 0) await resolve(signal)
      const known = peers.nodes()
      const node = homes.get(workload)?.node ?? known[turn % Math.max(1, known.length)]
      if (node === undefined) {
        await nextReply(() => undefined, resendMs, signal)
        continue
      }
      let silent = 0
      let heir: NodeId | undefined
      let due = true
      while (silent < PATIENCE) {
        if (due) {
          sends++
          transport.send(node, WORKLOAD_CHANNEL, message, { class: 'sync' })
          if (heir !== undefined) transport.send(heir, WORKLOAD_CHANNEL, message, { class: 'sync' })
        }
        const reply = await nextReply(
          (from, each) => (each.workload === workload && (each.kind === 'moved' || each.sequence === mine) ? { from, each } : undefined),
          resendMs,
          signal,
        )
        due = reply === undefined
        if (reply === undefined) {
          silent++
          continue
        }
        silent = 0
        const { from, each } = reply
        if (each.kind === 'answer') {
          homes.set(workload, { node: from, epoch: homes.get(workload)?.epoch ?? 0 })
          return { payload: new Uint8Array(each.payload), node: from, sends, ms: clock.monotonicMs() - startedMs }
        }
        if (each.kind === 'refused') throw new DwcpError(each.code, each.message, { details: { node: from, workload } })
        if (each.kind === 'wait' && each.toward !== undefined && heir === undefined) {
          heir = each.toward
          if (each.address) peers.set(heir, each.address)
          transport.send(heir, WORKLOAD_CHANNEL, message, { class: 'sync' })
        }
        if (each.kind === 'moved') {
          if (each.address) peers.set(each.owner, each.address)
          if (each.epoch >= (homes.get(workload)?.epoch ?? 0)) homes.set(workload, { node: each.owner, epoch: each.epoch })
          break
        }
        // The heir may not know of it yet; the node that was asked first is who counts.
        if (each.kind === 'unknown' && from === node) {
          silent = PATIENCE
          await nextReply(() => undefined, resendMs / 10, signal)
        }
      }
      if (silent >= PATIENCE) {
        homes.delete(workload)
        turn++
        if (unresolved.size > 0) await resolve(signal)
      }
    }
  }

  /** The first reply that `pick` takes, or undefined after `timeoutMs`. */
  const nextReply = <T>(
    pick: (from: NodeId, reply: WorkloadReply) => T | undefined,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<T | undefined> =>
    new Promise((done, reject) => {
      const settle = (finish: () => void): void => {
        onReply = undefined
        timer[Symbol.dispose]()
        signal.removeEventListener('abort', onAbort)
        finish()
      }
      const onAbort = (): void => settle(() => reject(signal.reason))
      const timer = clock.after(timeoutMs, () => settle(() => done(undefined)))
      signal.addEventListener('abort', onAbort, { once: true })
      onReply = (from, reply) => {
        const picked = pick(from, reply)
        if (picked !== undefined) settle(() => done(picked))
      }
    })

  return {
    request(workload, payload, { signal, timeoutMs = 30_000 } = {}) {
      const run = async (): Promise<WorkloadAnswer> => {
        const ending = new AbortController()
        const onAbort = (): void => ending.abort(signal?.reason)
        if (signal?.aborted) onAbort()
        signal?.addEventListener('abort', onAbort)
        // Timers of the clock keep no process alive; a request that is waited for must.
        const hold = setInterval(() => undefined, 2 ** 30)
        const timer = clock.after(timeoutMs, () =>
          ending.abort(
            new DwcpError(
              'ERR_CORE_NO_ANSWER',
              `no node answered for ${workload} within ${timeoutMs} ms; asked ${peers.nodes().join(', ') || options.nodes.join(', ')}`,
              { retryable: true },
            ),
          ),
        )
        try {
          return await ask(workload, payload, ending.signal)
        } finally {
          signal?.removeEventListener('abort', onAbort)
          timer[Symbol.dispose]()
          clearInterval(hold)
        }
      }
      const answer = tail.then(run)
      tail = answer.catch(() => undefined)
      return answer
    },
    close: () => transport.close(),
    [Symbol.asyncDispose]: () => transport.close(),
  }
}
