import type { Socket } from 'node:net'
import type { Clock } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { descriptorOf, getCongestionControl, type TcpInfo, tcpInfo } from '@dwcp/native-rdma/socket'
import { amstError, asError } from './errors.js'
import { EMPTY, encodeHeader, FRAME, type Frame } from './frame.js'
import { type FrameBounds, FrameReader, type ReceivedFrame } from './frame-reader.js'
import type { StreamStats } from './stats.js'

const PONG_QUEUE_BYTES = 1_048_576
/** Read from one stream in one turn of the loop. */
const TURN_BYTES = 262_144

export interface StreamEvents {
  readonly frame: (stream: Stream, frame: ReceivedFrame) => void
  /** It takes more. */
  readonly drained: () => void
  /** Called once. */
  readonly dead: (stream: Stream, reason: Error) => void
  /** The number to put into each header. */
  readonly ack: () => number
}

/** One connection of a session, after its hello. */
export class Stream {
  readonly index: number
  /** Never the same twice in a session, unlike the index. */
  readonly serial: number
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #hash: Hash
  readonly #events: StreamEvents
  readonly #descriptor: number | undefined
  #heardMs: number
  #ping: { readonly id: number; readonly sentMs: number } | undefined
  #pings = 0
  #pingRttMs: number | undefined
  #pingMinRttMs: number | undefined
  #dead = false
  #corked = false
  #damaged = 0
  #turnBytes = 0

  constructor(
    name: { readonly index: number; readonly serial: number },
    socket: Socket,
    environment: { readonly clock: Clock; readonly hash: Hash; readonly bounds: FrameBounds },
    events: StreamEvents,
  ) {
    this.index = name.index
    this.serial = name.serial
    this.#socket = socket
    this.#clock = environment.clock
    this.#hash = environment.hash
    this.#events = events
    this.#descriptor = descriptorOf(socket)
    this.#heardMs = this.#clock.monotonicMs()
    const reader = new FrameReader(environment.hash, environment.bounds, (frame) => this.#receive(frame))
    this.#take = (bytes) => {
      try {
        if (!this.#dead) reader.push(bytes)
      } catch (error) {
        this.fail(asError(error))
      }
    }
  }

  readonly #take: (bytes: Buffer) => void

  /** Begins to read; `rest` came with the hello. */
  start(rest: Buffer): void {
    this.#socket.setNoDelay(true)
    this.#socket
      .on('data', (bytes) => {
        this.#heardMs = this.#clock.monotonicMs()
        this.#take(bytes)
        this.#takeTurns(bytes.byteLength)
      })
      .on('drain', () => {
        // The peer takes what we send: that is life too, on a stream that carries nothing back.
        this.#heardMs = this.#clock.monotonicMs()
        this.#events.drained()
      })
      .on('end', () => this.fail(lost('the peer closed the stream')))
      .on('error', (cause) => this.fail(lost(cause.message, cause)))
      .on('close', () => this.fail(lost('the stream was closed')))
    if (this.#socket.destroyed) return this.fail(lost('the stream was closed'))
    this.#take(rest)
    this.#socket.resume()
  }

  get writable(): boolean {
    return !this.#dead && !this.#socket.writableNeedDrain
  }

  /** Frames of one turn of the loop leave together. */
  write(frame: Frame, digest?: Uint8Array): void {
    if (this.#dead) return
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(encodeHeader(this.#hash, frame, this.#events.ack(), digest))
    if (frame.body.byteLength > 0) this.#socket.write(frame.body)
  }

  /** Asks for a sign of life. @returns how long ago the last one was. */
  probe(): number {
    const nowMs = this.#clock.monotonicMs()
    this.#pings = (this.#pings + 1) >>> 0
    this.#ping = { id: this.#pings, sentMs: nowMs }
    this.write({ type: FRAME.ping, id: this.#pings, sequence: 0, body: EMPTY })
    return nowMs - this.#heardMs
  }

  /** Counts a damaged chunk. */
  damaged(limit: number): void {
    this.#damaged += 1
    if (this.#damaged >= limit)
      this.fail(amstError('ERR_AMST_CORRUPT', `${limit} chunks arrived damaged on this stream`, { retryable: true }))
  }

  fail(reason: Error): void {
    if (this.#dead) return
    this.#dead = true
    this.#socket.destroy()
    this.#events.dead(this, reason)
  }

  /** Sends what is written, then the end. */
  end(): void {
    this.#socket.end()
  }

  info(): TcpInfo | undefined {
    return this.#descriptor === undefined || this.#dead ? undefined : tcpInfo(this.#descriptor)
  }

  stats(): StreamStats {
    const info = this.info()
    return {
      index: this.index,
      sentBytes: this.#socket.bytesWritten,
      receivedBytes: this.#socket.bytesRead,
      rttMs: info?.rttMs ?? this.#pingRttMs,
      minRttMs: info?.minRttMs ?? this.#pingMinRttMs,
      rttSource: info ? 'tcp-info' : this.#pingRttMs === undefined ? undefined : 'ping',
      cwndBytes: info?.cwndBytes,
      deliveryRateBytesPerSecond: info?.deliveryRateBytesPerSecond,
      retransmittedRatio: info && info.bytesSent > 0 ? info.bytesRetransmitted / info.bytesSent : undefined,
      retransmittedBytes: info?.bytesRetransmitted,
      notSentBytes: info?.notSentBytes,
      congestionControl: info && this.#descriptor !== undefined ? getCongestionControl(this.#descriptor) : undefined,
    }
  }

  /** libuv reads up to 2 MiB from one socket before it looks at the next: messages on the others must not wait for that. */
  #takeTurns(bytes: number): void {
    if (this.#turnBytes === 0) {
      setImmediate(() => {
        this.#turnBytes = 0
        if (!this.#dead && this.#socket.isPaused()) this.#socket.resume()
      })
    }
    this.#turnBytes += bytes
    if (this.#turnBytes >= TURN_BYTES) this.#socket.pause()
  }

  #receive(frame: ReceivedFrame): void {
    if (this.#dead) return
    if (frame.type !== FRAME.ping && frame.type !== FRAME.pong) return this.#events.frame(this, frame)
    if (frame.type === FRAME.ping) {
      // A peer that asks and never reads must not fill this queue; one that reads sees life in what is queued already.
      if (this.#socket.writableLength < PONG_QUEUE_BYTES) this.write({ type: FRAME.pong, id: frame.id, sequence: 0, body: EMPTY })
      return
    }
    if (this.#ping?.id !== frame.id) return
    this.#pingRttMs = this.#clock.monotonicMs() - this.#ping.sentMs
    this.#pingMinRttMs = Math.min(this.#pingMinRttMs ?? this.#pingRttMs, this.#pingRttMs)
    this.#ping = undefined
  }
}

const lost = (what: string, cause?: unknown): Error =>
  amstError('ERR_AMST_PEER_LOST', `a stream was lost: ${what}`, { retryable: true, cause })
