import { randomBytes } from 'node:crypto'
import {
  type Address,
  type ByteSource,
  type Clock,
  type IncomingObject,
  type Logger,
  type MessageTransport,
  type NodeId,
  type ObjectProgress,
  type ObjectReceipt,
  type PeerChange,
  type PeerDirectory,
  type Principal,
  silentLogger,
  systemClock,
  type TrafficClass,
} from '@dwcp/interface'
import { AdvisedLinks, type LinkAdvisor } from './advised-links.js'
import { openSession, type StreamCount } from './connect.js'
import { DATAGRAM_CHANNEL_MAX, DATAGRAM_PAYLOAD_MAX } from './datagram/path.js'
import { amstError, messageOf } from './errors.js'
import type { IncomingTransfer } from './incoming-object.js'
import { type AmstLimits, resolveLimits } from './limits.js'
import { openListener } from './listen.js'
import type { Listener } from './listener.js'
import type { SessionMode } from './mode.js'
import { PeerFeed } from './peer-feed.js'
import { PeerLink } from './peer-link.js'
import { RateLimit, type RateOptions } from './rate-limit.js'
import type { SecurityOptions } from './security.js'
import type { ListenOptions } from './server.js'
import type { NotifyOptions, TcpSession } from './session.js'
import type { SessionStats } from './stats.js'

/** Who this node is, whom it knows, and how its sessions are made. */
export interface TransportOptions extends Omit<SecurityOptions, 'nodeId'>, RateOptions {
  /** This node's name. */
  readonly self: NodeId
  readonly directory: PeerDirectory
  /** Absent: a client, which dials and is never dialled. */
  readonly listen?: Pick<ListenOptions, 'host' | 'port' | 'addresses' | 'accept' | 'enroll'>
  /** As for `connect`: asked again each second. @defaultValue 'auto' */
  readonly streams?: () => StreamCount
  /** Hears what is measured and what waits; the rates that it has for a link are caps of the classes there, asked for ten times a second. */
  readonly advisor?: LinkAdvisor
  /** Datagrams over UDP, to peers that offer them too; the others get them as messages. @defaultValue true */
  readonly datagrams?: boolean
  readonly clock?: Clock
  /** @defaultValue silent */
  readonly logger?: Logger
  readonly limits?: Partial<AmstLimits>
  /** How long `sendObject` waits for a session. @defaultValue 10 s */
  readonly dialTimeoutMs?: number
  /** After a session was lost or something was sent, how long to go on dialling. @defaultValue 60 s */
  readonly redialMs?: number
  /** Messages to one peer that wait for a session. @defaultValue 1024 */
  readonly waitingMessages?: number
}

/** {@link MessageTransport} over sessions: one for each peer, whoever dialled. */
export interface AmstTransport extends MessageTransport, AsyncDisposable {
  /** Undefined for a client. */
  readonly address: Address | undefined
  /** Undefined while there is no session. */
  sessionStats(peer: NodeId): SessionStats | undefined
  /** As `Session.setMode`, of the session that there is with a peer; nothing where there is none. @throws RangeError for what is no mode. */
  setMode(peer: NodeId, mode: SessionMode): void
  /** What all sessions together send at most from now on, in bytes per second. `Infinity`: no limit. @throws RangeError below 1. */
  setRate(bytesPerSecond: number): void
  /** Closes every session, gracefully, and the listener. */
  close(): Promise<void>
}

type OnMessage = (from: Principal, payload: Uint8Array, atMs: number) => void
type OnObject = (from: Principal, object: IncomingObject) => Promise<void>

/**
 * Sends messages and objects to peers by name, over one session for each.
 *
 * @throws `ERR_AMST_PLAINTEXT_REFUSED`, `ERR_AMST_IDENTITY`; the system's error where the port cannot be had.
 */
export async function createTransport(options: TransportOptions): Promise<AmstTransport> {
  const transport = new SessionTransport(options)
  await transport.start()
  return transport
}

class SessionTransport implements AmstTransport {
  readonly self: NodeId
  readonly maxMessageBytes: number
  readonly maxDatagramBytes: number
  readonly #options: TransportOptions
  readonly #security: SecurityOptions
  readonly #limits: AmstLimits
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #instance = randomBytes(16)
  readonly #links = new Map<NodeId, PeerLink>()
  readonly #advised: AdvisedLinks | undefined
  readonly #rate: RateLimit
  readonly #onMessage = new Map<string, OnMessage>()
  readonly #onObject = new Map<string, OnObject>()
  readonly #feeds = new Set<PeerFeed>()
  #listener: Listener | undefined
  #changes: AsyncIterator<NodeId> | undefined
  #closing: Promise<void> | undefined

  constructor(options: TransportOptions) {
    this.self = options.self
    this.#options = options
    const { tls, trust, plaintext, domainOf } = options
    this.#security = {
      nodeId: options.self,
      ...(tls && { tls }),
      ...(trust && { trust }),
      ...(plaintext && { plaintext }),
      ...(domainOf && { domainOf }),
    }
    this.#limits = resolveLimits(options.limits)
    this.maxMessageBytes = this.#limits.messageBytes
    this.maxDatagramBytes = this.#offersDatagrams ? Math.min(DATAGRAM_PAYLOAD_MAX, this.maxMessageBytes) : 0
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#rate = new RateLimit(this.#clock, options.rateBytesPerSecond)
    this.#advised = options.advisor && new AdvisedLinks(options.advisor, this.#clock)
  }

  get address(): Address | undefined {
    return this.#listener?.address
  }

  get #offersDatagrams(): boolean {
    return this.#options.datagrams ?? true
  }

  get #shared(): Pick<TransportOptions, 'classes' | 'datagrams'> {
    const { classes } = this.#options
    return { datagrams: this.#offersDatagrams, ...(classes ? { classes } : {}) }
  }

  async start(): Promise<void> {
    const { listen } = this.#options
    if (listen) {
      this.#listener = await openListener(
        { ...this.#security, ...this.#shared, ...listen, limits: this.#limits, clock: this.#clock, logger: this.#logger },
        {
          sharedRate: this.#rate,
          instance: this.#instance,
          reconnectMs: 0,
          admit: (peer, instance, previous) =>
            peer.nodeId === this.self
              ? amstError('ERR_AMST_IDENTITY', `"${peer.nodeId}" is the listener's own name`)
              : this.#links.get(peer.nodeId)?.admit(instance, previous),
          opened: (opened) => this.#link(opened.session.peer.nodeId).adopt(opened),
          unhandled: (peer) => this.#deliver(peer),
        },
      )
    }
    this.#followDirectory().catch((error: unknown) =>
      this.#logger.error({ error: messageOf(error) }, 'the directory no longer tells changes'),
    )
  }

  send(to: NodeId, channel: string, payload: Uint8Array, options: NotifyOptions = {}): boolean {
    if (payload.byteLength > this.maxMessageBytes) {
      throw new RangeError(`a message of ${payload.byteLength} bytes is past ${this.maxMessageBytes}: send it as an object`)
    }
    const { datagram: asked = false, expiresAtMs = Number.POSITIVE_INFINITY } = options
    const datagram = asked && this.#offersDatagrams
    if (datagram && (payload.byteLength > this.maxDatagramBytes || Buffer.byteLength(channel) > DATAGRAM_CHANNEL_MAX)) {
      const sizes = `${payload.byteLength} bytes on a channel of ${Buffer.byteLength(channel)}`
      throw new RangeError(
        `a datagram of ${sizes} is past ${this.maxDatagramBytes} on one of ${DATAGRAM_CHANNEL_MAX}: send it as a message`,
      )
    }
    return !this.#closing && this.#link(to).send({ channel, payload, expiresAtMs, datagram })
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
    if (this.#closing) throw amstError('ERR_AMST_CLOSED', 'the transport is closed')
    const session = await this.#link(to).open(this.#options.dialTimeoutMs ?? 10_000, options.signal)
    try {
      return await session.send(object, { ...options, name: channel })
    } finally {
      this.#advised?.sample(to)
    }
  }

  receiveObject(channel: string, on: OnObject): Disposable {
    return claim(this.#onObject, channel, on)
  }

  /** Ends, without an error, when the signal is aborted or the transport closed. */
  async *peers(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<PeerChange, void, undefined> {
    const feed = new PeerFeed()
    const end = (): void => feed.end()
    for (const { session } of this.#links.values()) if (session) feed.push({ kind: 'up', peer: session.peer })
    this.#feeds.add(feed)
    options.signal?.addEventListener('abort', end, { once: true })
    if (this.#closing || options.signal?.aborted) feed.end()
    try {
      yield* feed.read()
    } finally {
      this.#feeds.delete(feed)
      options.signal?.removeEventListener('abort', end)
    }
  }

  sessionStats(peer: NodeId): SessionStats | undefined {
    return this.#links.get(peer)?.session?.stats()
  }

  setMode(peer: NodeId, mode: SessionMode): void {
    this.#links.get(peer)?.session?.setMode(mode)
  }

  setRate(bytesPerSecond: number): void {
    this.#rate.set(bytesPerSecond)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#advised?.[Symbol.dispose]()
    // Not awaited: a directory that has nothing to say may never answer.
    this.#changes?.return?.()?.catch(() => undefined)
    await Promise.all([this.#listener?.close(), ...[...this.#links.values()].map((link) => link.close())])
    for (const feed of this.#feeds) feed.end()
  }

  #link(peer: NodeId): PeerLink {
    if (peer === this.self) throw new RangeError(`"${peer}" is this node: a transport carries to others only`)
    const existing = this.#links.get(peer)
    if (existing) return existing
    const link = new PeerLink(peer, {
      self: this.self,
      clock: this.#clock,
      logger: this.#logger,
      outbox: { letters: this.#options.waitingMessages ?? 1024, bytes: this.#limits.queueBytes },
      redialMs: this.#options.redialMs ?? 60_000,
      addresses: () => this.#options.directory.lookup(peer),
      dial: (address, previous, asking, signal) =>
        openSession(
          address,
          {
            ...this.#security,
            ...this.#shared,
            expect: peer,
            ...(this.#options.streams ? { streams: this.#options.streams } : {}),
            signal,
            limits: this.#limits,
            clock: this.#clock,
            logger: this.#logger,
          },
          {
            instance: this.#instance,
            sharedRate: this.#rate,
            reconnectMs: 0,
            previous,
            asking,
            unhandled: (principal) => this.#deliver(principal),
          },
        ),
      up: (session) => this.#up(session),
      down: (principal, reason) => this.#down(principal, reason),
    })
    this.#links.set(peer, link)
    return link
  }

  #up(session: TcpSession): void {
    const { peer } = session
    this.#advised?.up(session)
    for (const feed of this.#feeds) feed.push({ kind: 'up', peer })
    this.#takeObjects(session).catch((error: unknown) =>
      session.destroy(amstError('ERR_AMST_PROTOCOL', messageOf(error), { cause: error })),
    )
  }

  #down(peer: Principal, reason: string): void {
    this.#advised?.down(peer.nodeId)
    // A caller that cannot be called back leaves nothing here.
    if (this.#options.directory.lookup(peer.nodeId).length === 0 && !this.#links.get(peer.nodeId)?.session) this.#links.delete(peer.nodeId)
    for (const feed of this.#feeds) feed.push({ kind: 'down', peer, reason })
  }

  #deliver(from: Principal): (channel: string, payload: Uint8Array) => void {
    return (channel, payload) => {
      try {
        this.#onMessage.get(channel)?.(from, payload, this.#clock.nowMs())
      } catch (error) {
        this.#logger.error({ channel, peer: from.nodeId, error: messageOf(error) }, 'the receiver of a message threw')
      }
    }
  }

  async #takeObjects(session: TcpSession): Promise<void> {
    for await (const transfer of session.incoming) void this.#takeObject(session.peer, transfer)
  }

  async #takeObject(from: Principal, transfer: IncomingTransfer): Promise<void> {
    try {
      const on = this.#onObject.get(transfer.name)
      if (!on) throw new Error(`nobody receives objects on channel "${transfer.name}" of "${this.self}"`)
      const { lengthBytes, stream } = transfer
      await on(from, lengthBytes === undefined ? { stream } : { lengthBytes, stream })
      transfer.complete()
    } catch (error) {
      transfer.reject(error)
    }
  }

  async #followDirectory(): Promise<void> {
    const changes = this.#options.directory.changes()[Symbol.asyncIterator]()
    this.#changes = changes
    for (let step = await changes.next(); !step.done; step = await changes.next()) this.#links.get(step.value)?.moved()
  }
}

function claim<T>(receivers: Map<string, T>, channel: string, on: T): Disposable {
  if (receivers.has(channel)) throw new RangeError(`channel "${channel}" already has a receiver: dispose of it first`)
  receivers.set(channel, on)
  return {
    [Symbol.dispose]: () => {
      if (receivers.get(channel) === on) receivers.delete(channel)
    },
  }
}
