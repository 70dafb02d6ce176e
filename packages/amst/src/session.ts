import type { Address, Clock, Logger, ObjectReceipt, Principal, TrafficClass } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import type { TcpInfo } from '@dwcp/native-rdma/socket'
import { decodeLength, encodeLabelled, encodeLength } from './body.js'
import type { ClassShares } from './class-shares.js'
import { checkRate } from './class-shares.js'
import { ControlLane } from './control-lane.js'
import { type DatagramPath, MESSAGE_BODY_MAX } from './datagram/path.js'
import { Egress } from './egress.js'
import { amstError, asError } from './errors.js'
import { EMPTY, FRAME, type FrameType, type ReceivedFrame } from './frame.js'
import type { Allowance } from './hello.js'
import type { IncomingTransfer } from './incoming-object.js'
import type { AmstLimits } from './limits.js'
import { AgreedMode, type SessionMode } from './mode.js'
import { Objects, type SendOptions } from './objects.js'
import { Pacer } from './pacer.js'
import type { RateLimit } from './rate-limit.js'
import { type ChannelHandler, type RequestOptions, Requests } from './requests.js'
import type { Security } from './security.js'
import { sumStreams } from './session-sum.js'
import type { SendSource } from './source.js'
import type { SessionStats } from './stats.js'
import { type Connection, Stream } from './stream.js'

/** What is between two nodes: objects, messages and requests over a number of TCP or TLS streams. */
export interface Session extends AsyncDisposable {
  readonly peer: Principal
  readonly remote: Address
  /**
   * Sends an object; its bytes are taken over until the receipt. Resolves once the receiving application has completed it.
   * @throws `ERR_AMST_REJECTED`, `ERR_AMST_PEER_LOST`, `ERR_AMST_LIMIT`, `ERR_AMST_SOURCE_LENGTH`, what the source threw, or `signal.reason`.
   */
  send(source: SendSource, options?: SendOptions): Promise<ObjectReceipt>
  /** For one reader. At most `openObjects` wait in it; unread ones hold the sender back by its window. */
  readonly incoming: AsyncIterable<IncomingTransfer>
  /** @throws `ERR_AMST_REQUEST_FAILED`, `ERR_AMST_TIMEOUT`, `ERR_AMST_LIMIT`, `ERR_AMST_PEER_LOST`, or `signal.reason`. */
  request(channel: string, payload: Uint8Array, options?: RequestOptions): Promise<Uint8Array>
  /**
   * In order, at most once. A datagram goes over UDP where that gets through, at most 1100 bytes beside a channel of up to 65: it may be lost
   * or overtake others. Expired ones are never sent.
   * @returns false when dropped: the queue is full, the session over, or it is longer than the peer takes.
   * @throws RangeError past `messageBytes`, or past what a datagram takes.
   */
  notify(channel: string, payload: Uint8Array, options?: NotifyOptions): boolean
  /** Answers requests, and takes notifications (what it resolves to is then of no use), of one channel. */
  handle(channel: string, handler: ChannelHandler): Disposable
  stats(): SessionStats
  /**
   * What this end sends at most from now on, or asks the peer to send at most, in bytes per second. `Infinity`: no limit.
   * @throws RangeError below 1.
   */
  setRate(bytesPerSecond: number, direction?: 'send' | 'receive'): void
  /**
   * What this end takes the path for from now on. It holds for both ends and both directions, also for what is under way; where the ends
   * say different things, `'internet'` holds before `'hybrid'`, and that before `'datacenter'`. @throws RangeError for what is no mode.
   */
  setMode(mode: SessionMode): void
  /** Resolves when the session is over: undefined after a `close()` of either end, else what ended it. Never rejects. */
  readonly closed: Promise<Error | undefined>
  /** Waits for objects and requests under way, then ends the session. Idempotent. */
  close(): Promise<void>
  destroy(reason?: Error): void
}

/** When a message is of no use any more, and how it may travel. */
export interface NotifyOptions {
  /** In ms since the Unix epoch. @defaultValue never */
  readonly expiresAtMs?: number
  /** @defaultValue false */
  readonly datagram?: boolean
}

export interface SessionEnvironment {
  readonly peer: Principal
  readonly remote: Address
  readonly security: Security
  readonly wireVersion: number
  readonly limits: AmstLimits
  readonly allowance: Allowance
  readonly clock: Clock
  readonly logger: Logger
  readonly hash: Hash
  readonly unhandled?: ((channel: string, payload: Uint8Array) => void) | undefined
  readonly classes: ClassShares
  /** What it shares with other sessions. */
  readonly sharedRate?: RateLimit | undefined
  /** How long it is kept without a stream. */
  readonly reconnectMs: number
  /** The dialling end opens another. */
  readonly streamDied?: ((index: number) => void) | undefined
  /** And takes fresh ones in place of those on the path of this one. */
  readonly freshStreams?: ((index: number) => void) | undefined
  /** And opens or retires some where the mode asks for more or fewer. */
  readonly modeChanged?: (() => void) | undefined
}

/** Received control frames after which the peer is told, where nothing else goes out to tell it. */
const ACKNOWLEDGE_FRAMES = 32

/** A {@link Session} over TCP: what is numbered goes out on one stream, chunks on the others, where there are any. */
export class TcpSession implements Session {
  readonly peer: Principal
  readonly remote: Address
  readonly closed: Promise<Error | undefined>
  readonly #environment: SessionEnvironment
  readonly #lane: ControlLane
  readonly #objects: Objects
  readonly #requests: Requests
  readonly #egress: Egress
  #datagrams: DatagramPath | undefined
  readonly #streams = new Map<number, Stream>()
  /** Of callers that have named this session and shown nothing yet: no part of it. */
  readonly #unproven = new Set<Stream>()
  readonly #startedMs: number
  /** Stays the same while it lives, so that control frames never overtake one another. */
  #control: Stream | undefined
  #state: 'open' | 'closing' | 'over' = 'open'
  #resolveClosed: (reason: Error | undefined) => void = () => undefined
  #closing: Promise<void> | undefined
  #idle: () => void = () => undefined
  #watch: Disposable | undefined
  readonly #pacer: Pacer
  readonly #mode: AgreedMode = new AgreedMode()
  /** Ends it unless a stream comes first. */
  #outage: Disposable | undefined
  #unannounced = 0
  #streamsLost = 0
  #serial = 0
  #pastBytes = { sent: 0, received: 0 }

  constructor(environment: SessionEnvironment) {
    this.#environment = environment
    this.peer = environment.peer
    this.remote = environment.remote
    const { allowance, classes, clock, hash, limits, logger, sharedRate: shared, unhandled } = environment
    const control = (type: FrameType, id: number, body: Uint8Array): void => this.#push(type, id, body)
    this.#lane = new ControlLane(limits.queueBytes)
    this.#egress = new Egress({ clock, classes, shared, ready: () => this.#pump() })
    this.#objects = new Objects({
      peer: this.peer.nodeId,
      clock,
      hash,
      limits,
      allowance,
      control,
      pump: () => this.#pump(),
      isWideArea: () => this.#carriers().some((stream) => stream.isWideArea),
    })
    this.#requests = new Requests({
      clock,
      logger,
      limits,
      peerPendingRequests: Math.min(limits.pendingRequests, allowance.pendingRequests),
      control,
      unhandled,
    })
    this.#pacer = new Pacer({
      clock,
      streams: () => this.#carriers(),
      isSending: () => this.#state !== 'over' && this.#objects.outgoing > 0,
      moved: (stream) => this.#askForFreshStreams(stream.index),
    })
    this.#startedMs = clock.monotonicMs()
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    this.#watchStreams()
  }

  get incoming(): AsyncIterable<IncomingTransfer> {
    return this.#objects.incoming
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Takes a connection whose hello is done. @returns the stream; an unproven one replaces none and carries nothing before it is proven. */
  addStream(index: number, connection: Connection): Stream | undefined {
    if (this.#state === 'over') {
      connection.socket.destroy()
      return undefined
    }
    const { chunkBytes, messageBytes, metadataBytes } = this.#environment.limits
    const bounds = { chunkBytes, controlBytes: Math.max(messageBytes, metadataBytes) + 2048 }
    this.#serial += 1
    const stream = new Stream(
      { index, serial: this.#serial },
      connection,
      { clock: this.#environment.clock, bounds, mode: this.#mode.mode },
      {
        proven: (proven) => this.#attach(proven),
        frame: (from, frame) => this.#receive(from, frame),
        drained: () => this.#pump(),
        dead: (dead, reason) => this.#streamDied(dead, reason),
        ack: () => {
          this.#unannounced = 0
          return this.#lane.received
        },
      },
    )
    if (connection.prove) this.#unproven.add(stream)
    else this.#attach(stream)
    void stream.start()
    return stream
  }

  #attach(stream: Stream): void {
    this.#unproven.delete(stream)
    const former = this.#streams.get(stream.index)
    this.#streams.set(stream.index, stream)
    this.#outage?.[Symbol.dispose]()
    this.#outage = undefined
    // The caller comes with another where the former is dead for it: others may be dead as well, and not yet known to be.
    if (former && former === this.#control) this.#moveControl(stream)
    this.#control ??= stream
    former?.fail(amstError('ERR_AMST_PEER_LOST', 'the peer replaced the stream', { retryable: true }))
    this.#pump()
    if (this.#objects.outgoing > 0) this.#pacer.begin()
  }

  send(source: SendSource, options: SendOptions = {}): Promise<ObjectReceipt> {
    if (this.#state !== 'open') return Promise.reject(this.#refusal())
    const receipt = this.#objects.send(source, options).finally(() => this.#idle())
    this.#pacer.begin()
    return receipt
  }

  request(channel: string, payload: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    if (this.#state !== 'open') return Promise.reject(this.#refusal())
    const limitBytes = Math.min(this.#environment.limits.messageBytes, this.#environment.allowance.messageBytes)
    if (payload.byteLength > limitBytes) throw tooLong(payload, limitBytes)
    if (!this.#lane.hasRoom(payload.byteLength))
      return Promise.reject(amstError('ERR_AMST_LIMIT', 'the queue of messages is full', { retryable: true }))
    return this.#requests.request(channel, payload, options).finally(() => this.#idle())
  }

  notify(channel: string, payload: Uint8Array, options: NotifyOptions = {}): boolean {
    const limitBytes = this.#environment.limits.messageBytes
    if (payload.byteLength > limitBytes) throw tooLong(payload, limitBytes)
    if (options.datagram) {
      const body = encodeLabelled(channel, payload)
      if (body.byteLength > MESSAGE_BODY_MAX)
        throw new RangeError(`${body.byteLength} bytes of channel and payload are past ${MESSAGE_BODY_MAX}: send it as a message`)
      if (this.#datagrams?.isOpen) return this.#sendDatagram(this.#datagrams, body, options)
      this.#datagrams?.streamed()
    }
    if (this.#state !== 'open' || !this.#lane.hasRoom(payload.byteLength) || payload.byteLength > this.#environment.allowance.messageBytes)
      return false
    this.#lane.push(FRAME.message, 0, encodeLabelled(channel, payload), options.expiresAtMs)
    this.#pump()
    return true
  }

  #sendDatagram(path: DatagramPath, body: Uint8Array, { expiresAtMs = Number.POSITIVE_INFINITY }: NotifyOptions): boolean {
    if (this.#state !== 'open' || expiresAtMs <= this.#environment.clock.nowMs() || !this.#egress.admitsControl()) return false
    this.#egress.spendControl(body.byteLength)
    return path.send(body)
  }

  /** Offers datagrams from now on, until it is over. */
  carryDatagrams(path: DatagramPath): void {
    this.#datagrams = path
    void this.closed.then(() => path[Symbol.dispose]())
  }

  /** Takes the body of a message frame that came beside the streams. */
  takeDatagram(body: Buffer): void {
    if (this.#state === 'over') return
    try {
      this.#requests.takeMessage(body)
    } catch (error) {
      this.destroy(asError(error))
    }
  }

  handle(channel: string, handler: ChannelHandler): Disposable {
    return this.#requests.handle(channel, handler)
  }

  setRate(bytesPerSecond: number, direction: 'send' | 'receive' = 'send'): void {
    if (direction === 'send') return this.#egress.own.set(bytesPerSecond)
    checkRate(bytesPerSecond)
    this.#push(FRAME.rate, 0, encodeLength(bytesPerSecond === Number.POSITIVE_INFINITY ? 0 : Math.round(bytesPerSecond)))
  }

  setMode(mode: SessionMode): void {
    const body = this.#mode.say(mode)
    if (body === undefined) return
    this.#push(FRAME.mode, 0, body)
    this.#adoptMode()
  }

  get mode(): SessionMode {
    return this.#mode.mode
  }

  #adoptMode(): void {
    for (const stream of [...this.#streams.values(), ...this.#unproven]) stream.adopt(this.mode)
    this.#pacer.reset()
    this.#environment.modeChanged?.()
  }

  /** Caps for now, by class. */
  advise(caps: ReadonlyMap<TrafficClass, number>): void {
    this.#egress.advise(caps)
  }

  /** Not yet acknowledged, of each class that has objects. */
  get backlogBytes(): ReadonlyMap<TrafficClass, number> {
    return this.#objects.backlogBytes
  }

  stats(): SessionStats {
    const { bytesPerSecond, heldMs } = this.#egress
    const streams = [...this.#streams.values()].map((stream) => stream.stats())
    return {
      peer: this.peer.nodeId,
      security: this.#environment.security,
      wireVersion: this.#environment.wireVersion,
      mode: this.mode,
      ageMs: this.#environment.clock.monotonicMs() - this.#startedMs,
      ...sumStreams(streams, this.#pastBytes),
      ...this.#objects.stats,
      streamsLost: this.#streamsLost,
      queuedBytes: this.#lane.heldBytes,
      rateBytesPerSecond: bytesPerSecond === Number.POSITIVE_INFINITY ? undefined : bytesPerSecond,
      rateHeldMs: heldMs,
      datagrams: this.#datagrams?.stats,
      streams,
    }
  }

  /** By stream, each under a number of its own; empty where the kernel does not tell. */
  totals(): Map<number, TcpInfo> {
    const totals = new Map<number, TcpInfo>()
    for (const stream of this.#streams.values()) {
      const info = stream.info()
      if (info) totals.set(stream.serial, info)
    }
    return totals
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  destroy(reason?: Error): void {
    const cause = reason ?? amstError('ERR_AMST_CLOSED', 'the session was destroyed here')
    const control = this.#control
    this.#finish(cause, reason, () => control?.leave(cause))
  }

  async #close(): Promise<void> {
    if (this.#state === 'over') return
    this.#state = 'closing'
    const { clock, limits } = this.#environment
    let timer: Disposable | undefined
    const late = new Promise<void>((resolve) => {
      timer = clock.after(limits.closeTimeoutMs, resolve)
    })
    const isIdle = (): boolean => this.#isOverNow() || (this.#objects.outgoing === 0 && this.#requests.pending === 0)
    const idle = new Promise<void>((resolve) => {
      this.#idle = () => isIdle() && resolve()
      this.#idle()
    })
    await Promise.race([idle, late, this.closed])
    timer?.[Symbol.dispose]()
    if (this.#isOverNow()) return
    if (this.isDisconnected) return this.#finish(amstError('ERR_AMST_CLOSED', 'the session was closed here'), undefined)
    this.#push(FRAME.bye, 0, EMPTY)
    const end = clock.after(limits.closeTimeoutMs, () =>
      this.#finish(amstError('ERR_AMST_CLOSED', 'the session was closed here'), undefined),
    )
    await this.closed
    end[Symbol.dispose]()
  }

  /** `told` is what `closed` resolves to. */
  #finish(reason: Error, told: Error | undefined, tellPeer: () => void = () => undefined): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    tellPeer()
    this.#watch?.[Symbol.dispose]()
    this.#outage?.[Symbol.dispose]()
    this.#pacer.stop()
    this.#egress.stop()
    this.#resolveClosed(told)
    this.#objects.failAll(reason)
    this.#requests.failAll(reason)
    for (const stream of [...this.#streams.values(), ...this.#unproven]) stream.fail(reason)
    this.#idle()
  }

  #push(type: FrameType, id: number, body: Uint8Array): void {
    if (this.#state === 'over') return
    this.#lane.push(type, id, body)
    // Answers to a peer that does not read: its session must not grow without bound.
    if (this.#lane.heldBytes > 2 * this.#environment.limits.queueBytes) {
      return this.destroy(
        amstError('ERR_AMST_LIMIT', `the peer leaves more than ${2 * this.#environment.limits.queueBytes} bytes of answers unread`),
      )
    }
    this.#pump()
  }

  #pump(): void {
    const nowMs = this.#environment.clock.nowMs()
    const control = this.#control
    while (control?.writable && !this.#lane.idle && this.#egress.admitsControl()) {
      const frame = this.#lane.next(nowMs)
      if (!frame) break
      control.write(frame)
      this.#egress.spendControl(frame.body.byteLength)
    }
    const isWaiting = (name: TrafficClass): boolean => this.#objects.isWaiting(name)
    for (const stream of this.#carriers()) {
      while (stream.writable) {
        const name = this.#egress.next(isWaiting)
        const chunk = name && this.#objects.nextChunk(stream, name)
        if (!chunk) return
        stream.limit(this.#egress.streamBytesPerSecond)
        stream.write(chunk)
        this.#egress.spend(name, chunk.body.byteLength)
      }
    }
  }

  #receive(stream: Stream, frame: ReceivedFrame): void {
    if (this.#state === 'over') return
    try {
      this.#lane.acknowledge(frame.ack)
      if (frame.type === FRAME.chunk) this.#objects.takeChunk(frame, stream)
      else if (frame.type === FRAME.gone) this.lose(amstError('ERR_AMST_PEER_LOST', 'the peer gave the session up', { retryable: true }))
      else if (frame.type !== FRAME.acknowledge) this.#receiveControl(stream, frame)
    } catch (error) {
      this.destroy(asError(error))
    }
  }

  #receiveControl(stream: Stream, frame: ReceivedFrame): void {
    if (!frame.intact) return stream.fail(amstError('ERR_AMST_CORRUPT', 'a control frame arrived damaged', { retryable: true }))
    if (!this.#lane.admit(frame.sequence)) return
    this.#unannounced += 1
    switch (frame.type) {
      case FRAME.message:
        this.#requests.takeMessage(frame.body)
        break
      case FRAME.request:
        this.#requests.takeRequest(frame.id, frame.body)
        break
      case FRAME.response:
        this.#requests.takeResponse(frame.id, frame.body)
        break
      case FRAME.failure:
        this.#requests.takeFailure(frame.id, frame.body)
        break
      case FRAME.rate:
        this.#egress.asked.set(decodeLength(frame.body) || Number.POSITIVE_INFINITY)
        break
      case FRAME.fresh:
        this.#environment.freshStreams?.(frame.id)
        break
      case FRAME.mode:
        this.#mode.hear(frame.body)
        this.#adoptMode()
        break
      case FRAME.bye:
        return this.#finish(amstError('ERR_AMST_CLOSED', 'the peer closed the session', { retryable: true }), undefined)
      default:
        this.#objects.take(frame)
    }
    if (this.#unannounced < ACKNOWLEDGE_FRAMES && frame.body.byteLength < this.#environment.limits.queueBytes / 64) return
    if (this.#control?.writable) this.#control.write({ type: FRAME.acknowledge, id: 0, sequence: 0, body: EMPTY })
  }

  /** Takes a stream out that is no longer wanted, once what is on it has arrived at both ends. */
  retireStream(index: number): void {
    this.#streams.get(index)?.retire()
  }

  /** The streams that objects go out on. */
  #carriers(): readonly Stream[] {
    const streams = [...this.#streams.values()].filter((stream) => !stream.isRetiring)
    return streams.length > 1 ? streams.filter((stream) => stream !== this.#control) : streams
  }

  hasStream(index: number): boolean {
    return this.#streams.has(index)
  }

  #askForFreshStreams(index: number): void {
    const { freshStreams, logger } = this.#environment
    logger.debug({ peer: this.peer.nodeId }, 'the path is longer than the streams know')
    if (freshStreams) freshStreams(index)
    else this.#push(FRAME.fresh, index, EMPTY)
  }

  #streamDied(stream: Stream, reason: Error): void {
    if (this.#unproven.delete(stream)) return
    const last = stream.stats()
    this.#pastBytes = { sent: this.#pastBytes.sent + last.sentBytes, received: this.#pastBytes.received + last.receivedBytes }
    if (this.#streams.get(stream.index) === stream) this.#streams.delete(stream.index)
    if (this.#state === 'over') return
    if (stream.isRetired) return this.#pump()
    this.#objects.streamDied(stream)
    if (stream.isRetiring) return this.#pump()
    this.#streamsLost += 1
    if (this.#control === stream) this.#moveControl(this.#streams.values().next().value)
    this.#environment.logger.warn({ peer: this.peer.nodeId, stream: stream.index, reason: reason.message }, 'a stream was lost')
    if (this.isDisconnected) {
      const { clock, reconnectMs } = this.#environment
      if (reconnectMs === 0) return this.lose(reason)
      this.#outage = clock.after(reconnectMs, () => this.lose(reason))
    }
    this.#environment.streamDied?.(stream.index)
    this.#pump()
  }

  /** It has no stream, and waits for one. */
  get isDisconnected(): boolean {
    return this.#streams.size === 0
  }

  /** Nothing will connect the two ends any more. */
  lose(reason: Error): void {
    const lost = amstError('ERR_AMST_PEER_LOST', `every stream to "${this.peer.nodeId}" is lost: ${reason.message}`, {
      retryable: true,
      cause: reason,
      details: { peer: this.peer.nodeId },
    })
    this.#finish(lost, this.#state === 'closing' ? undefined : lost)
  }

  /** What may not have arrived on the former stream goes out again. */
  #moveControl(stream: Stream | undefined): void {
    this.#control = stream
    this.#lane.rewind()
  }

  #watchStreams(): void {
    const { clock, limits } = this.#environment
    const dueMs = clock.monotonicMs() + limits.keepAliveMs
    this.#watch = clock.after(limits.keepAliveMs, () => {
      // A late timer means that this process stood still, not the peer: what it sent waits in the kernel.
      const late = clock.monotonicMs() - dueMs > limits.keepAliveMs / 2
      for (const stream of [...this.#streams.values()]) {
        const silentMs = stream.probe()
        if (silentMs > limits.idleTimeoutMs && !late) {
          stream.fail(amstError('ERR_AMST_TIMEOUT', `nothing came for ${Math.round(silentMs)} ms`, { retryable: true }))
        }
      }
      // Beside others it carries messages alone, which BBR's look for the round-trip time, ten seconds after the last, would hold back.
      if (this.#control?.isWideArea && this.#streams.size > 1) this.#control.renewCongestionControl()
      if (this.#state !== 'over') this.#watchStreams()
    })
  }

  #refusal(): Error {
    return amstError('ERR_AMST_CLOSED', `the session with "${this.peer.nodeId}" is ${this.#state}`, { retryable: true })
  }

  // A method, since the state changes while close() waits and the compiler cannot know.
  #isOverNow(): boolean {
    return this.#state === 'over'
  }
}

const tooLong = (payload: Uint8Array, limitBytes: number): RangeError =>
  new RangeError(`a message of ${payload.byteLength} bytes is past ${limitBytes}: send it as an object`)
