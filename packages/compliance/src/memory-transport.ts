import {
  type ByteSource,
  type Clock,
  DwcpError,
  type IncomingObject,
  type MessageTransport,
  type NodeId,
  type ObjectProgress,
  type ObjectReceipt,
  type PeerChange,
  type Principal,
  type TrafficClass,
  type TrustDomain,
} from '@dwcp/interface'
import { PeerFeed } from './memory-feed.js'
import { Passage } from './memory-passage.js'

/** What a transport needs of the network it is on. */
export interface MemorySettings {
  readonly clock: Clock
  readonly maxMessageBytes: number
  readonly queueMessages: number
  readonly domainOf: (node: NodeId) => TrustDomain
  /** The node `to`, where a message from `from` would get there now. */
  readonly reach: (from: NodeId, to: NodeId) => MemoryTransport | undefined
  readonly left: (id: NodeId) => void
}

interface Waiting {
  readonly channel: string
  readonly payload: Uint8Array
  readonly expiresAtMs: number
}

/** An open link to one peer, as one side sees it. */
interface Line {
  readonly remote: MemoryTransport
  readonly queue: Waiting[]
  readonly passages: Set<Passage>
}

type OnMessage = (from: Principal, payload: Uint8Array, atMs: number) => void
type OnObject = (from: Principal, object: IncomingObject) => Promise<void>

/** One node of a {@link createMemoryNetwork}. */
export class MemoryTransport implements MessageTransport, AsyncDisposable {
  readonly self: NodeId
  readonly maxMessageBytes: number
  readonly maxDatagramBytes = 0
  readonly #settings: MemorySettings
  readonly #lines = new Map<NodeId, Line>()
  readonly #known = new Set<NodeId>()
  readonly #onMessage = new Map<string, OnMessage>()
  readonly #onObject = new Map<string, OnObject>()
  readonly #feeds = new Set<PeerFeed>()
  #closed = false

  constructor(self: NodeId, settings: MemorySettings) {
    this.self = self
    this.maxMessageBytes = settings.maxMessageBytes
    this.#settings = settings
  }

  send(to: NodeId, channel: string, payload: Uint8Array, options: { readonly expiresAtMs?: number } = {}): boolean {
    if (payload.byteLength > this.maxMessageBytes) {
      throw new RangeError(`a message of ${payload.byteLength} bytes is past ${this.maxMessageBytes}: send it as an object`)
    }
    const line = this.#line(to)
    if (!line || line.queue.length >= this.#settings.queueMessages) return false
    // A copy for each receiver: a payload sent to several is each one's to keep.
    line.queue.push({ channel, payload: payload.slice(), expiresAtMs: options.expiresAtMs ?? Number.POSITIVE_INFINITY })
    if (line.queue.length === 1) setImmediate(() => this.#flush(line))
    return true
  }

  receive(channel: string, on: OnMessage): Disposable {
    return claim(this.#onMessage, channel, on)
  }

  async sendObject(
    to: NodeId,
    channel: string,
    object: ByteSource,
    options: { readonly class: TrafficClass; readonly signal?: AbortSignal; readonly onProgress?: (progress: ObjectProgress) => void },
  ): Promise<ObjectReceipt> {
    options.signal?.throwIfAborted()
    const line = this.#line(to)
    if (!line) throw peerLost(to, 'it cannot be reached')
    const passage = new Passage(object, options.onProgress)
    const abort = (): void => {
      const reason: unknown = options.signal?.reason
      passage.fail({ sender: reason, receiver: new DwcpError('ERR_AMST_CANCELLED', 'the sender cancelled the object', { cause: reason }) })
    }
    options.signal?.addEventListener('abort', abort, { once: true })
    line.passages.add(passage)
    try {
      return await passage.deliver((incoming) => line.remote.#takeObject(this.self, channel, incoming))
    } finally {
      line.passages.delete(passage)
      options.signal?.removeEventListener('abort', abort)
    }
  }

  receiveObject(channel: string, on: OnObject): Disposable {
    return claim(this.#onObject, channel, on)
  }

  async *peers(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<PeerChange, void, undefined> {
    const feed = new PeerFeed()
    const end = (): void => feed.end()
    for (const peer of this.#lines.keys()) feed.push({ kind: 'up', peer: this.#principal(peer) })
    this.#feeds.add(feed)
    options.signal?.addEventListener('abort', end, { once: true })
    if (this.#closed || options.signal?.aborted) feed.end()
    try {
      yield* feed.read()
    } finally {
      this.#feeds.delete(feed)
      options.signal?.removeEventListener('abort', end)
    }
  }

  /** Leaves the network: every peer sees this node go down. */
  async close(): Promise<void> {
    this.#closed = true
    this.#settings.left(this.self)
    for (const [peer, { remote }] of this.#lines) {
      remote.lose(this.self, 'the peer has closed')
      this.lose(peer, 'closed here')
    }
    for (const feed of this.#feeds) feed.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal Whether there ever was a link to `peer`, which then comes back by itself. */
  remembers(peer: NodeId): boolean {
    return this.#known.has(peer)
  }

  /** @internal Opens the link on both sides. */
  open(remote: MemoryTransport): Line | undefined {
    if (this.#closed || this.#settings.reach(this.self, remote.self) !== remote) return undefined
    remote.#join(this)
    return this.#join(remote)
  }

  /** @internal Drops what is on the way to and from `peer`. */
  lose(peer: NodeId, reason: string): void {
    const line = this.#lines.get(peer)
    if (!line) return
    this.#lines.delete(peer)
    line.queue.length = 0
    for (const passage of line.passages) passage.fail({ sender: peerLost(peer, reason), receiver: peerLost(this.self, reason) })
    this.#tell({ kind: 'down', peer: this.#principal(peer), reason })
  }

  #join(remote: MemoryTransport): Line {
    const existing = this.#lines.get(remote.self)
    if (existing) return existing
    const line: Line = { remote, queue: [], passages: new Set() }
    this.#lines.set(remote.self, line)
    this.#known.add(remote.self)
    this.#tell({ kind: 'up', peer: this.#principal(remote.self) })
    return line
  }

  #line(to: NodeId): Line | undefined {
    if (to === this.self) throw new RangeError(`"${to}" is this node: a transport carries to others only`)
    const remote = this.#settings.reach(this.self, to)
    return this.#lines.get(to) ?? (remote && this.open(remote))
  }

  #flush(line: Line): void {
    for (const { channel, payload, expiresAtMs } of line.queue.splice(0)) {
      const nowMs = this.#settings.clock.nowMs()
      // A handler may have cut the link while the batch was being handed over.
      if (this.#lines.get(line.remote.self) !== line) return
      if (nowMs < expiresAtMs) line.remote.#onMessage.get(channel)?.(line.remote.#principal(this.self), payload, nowMs)
    }
  }

  #takeObject(from: NodeId, channel: string, object: IncomingObject): Promise<void> {
    const on = this.#onObject.get(channel)
    if (!on) throw new Error(`nobody receives objects on channel "${channel}" of "${this.self}"`)
    return on(this.#principal(from), object)
  }

  #principal(nodeId: NodeId): Principal {
    return { nodeId, roles: [], domain: this.#settings.domainOf(nodeId) }
  }

  #tell(change: PeerChange): void {
    for (const feed of this.#feeds) feed.push(change)
  }
}

const peerLost = (peer: NodeId, reason: string): DwcpError<'ERR_AMST_PEER_LOST'> =>
  new DwcpError('ERR_AMST_PEER_LOST', `"${peer}" was lost: ${reason}`, { retryable: true, details: { peer } })

function claim<T>(receivers: Map<string, T>, channel: string, on: T): Disposable {
  if (receivers.has(channel)) throw new RangeError(`channel "${channel}" already has a receiver: dispose of it first`)
  receivers.set(channel, on)
  return {
    [Symbol.dispose]: () => {
      if (receivers.get(channel) === on) receivers.delete(channel)
    },
  }
}
