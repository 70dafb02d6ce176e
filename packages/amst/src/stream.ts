import type { Socket } from 'node:net'
import { type Clock, isDwcpError } from '@dwcp/interface'
import {
  descriptorOf,
  getCongestionControl,
  setCongestionControl,
  setMaxPacingRate,
  setNotSentLowWater,
  type TcpInfo,
  tcpInfo,
} from '@dwcp/native-rdma/socket'
import { type FrameStream, openFrameStream, type ReceivedStreamFrame, type StreamSecrets } from '@dwcp/native-rdma/stream'
import { amstError, asError, messageOf } from './errors.js'
import { EMPTY, FRAME, type Frame, frameTypeOf, type ReceivedFrame } from './frame.js'
import { isWide, type SessionMode } from './mode.js'
import type { PathSample } from './path-rate.js'
import type { StreamStats } from './stats.js'

/**
 * From here on loss says little of congestion, and what a path holds is long in coming: BBR (Cardwell et al., 2016) where the kernel
 * has it.
 */
const WIDE_AREA_RTT_MS = 2
/** Given to the thread that sends: enough for it while the loop comes round, and on the stream that carries messages little in front of one. */
const SEND_QUEUE_BYTES = { control: 524_288, data: 2_097_152, wideArea: 262_144 } as const
/** Late decisions on a wide-area path: what waits unsent in the kernel waits behind its pace. */
const NOT_SENT_BYTES = 131_072
/** What the host has for all sockets (`net.ipv4.tcp_notsent_lowat`). */
const HOST_NOT_SENT = 0
/** What ends say when they retire a stream: that nothing follows, and that this was heard of the other. */
const LAST = {
  mine: { type: FRAME.last, id: 0, sequence: 0, body: EMPTY },
  yours: { type: FRAME.last, id: 1, sequence: 0, body: EMPTY },
} as const
/** For the last frame to go out. */
const LEAVE_MS = 1000
/** What has not arrived by then goes out on other streams. */
const RETIRE_MS = 500
/** Read ahead of the session; beyond it the peer is held back by TCP. */
const RECEIVE_QUEUE_BYTES = 1_048_576

export interface FrameBounds {
  readonly chunkBytes: number
  /** Of every other frame. */
  readonly controlBytes: number
}

/** What a hello leaves. */
export interface Connection {
  readonly socket: Socket
  /** What came with it. */
  readonly rest: Buffer
  /** The keys that every frame is sealed with: outside TLS, in a session that has it. */
  readonly secrets?: StreamSecrets
  /** Who called has yet to show its keys. Asked once its first frame has opened: whether it is the only one that came with them. */
  readonly prove?: () => boolean
}

export interface StreamEvents {
  /** The caller has shown its keys. */
  readonly proven: (stream: Stream) => void
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
  /** The hosts of both ends: streams between others may go another way. */
  readonly path: string
  readonly #remote: string
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #bounds: FrameBounds
  readonly #events: StreamEvents
  /** Absent until it has taken the socket over. */
  #frames: FrameStream | undefined
  #heardMs: number
  #renewedMs: number
  #ping: { readonly id: number; readonly sentMs: number } | undefined
  #pings = 0
  #pingRttMs: number | undefined
  #pingMinRttMs: number | undefined
  /** Whether the peer has been heard on it before it died. */
  readonly settled: Promise<boolean>
  #settle: (isHeard: boolean) => void = () => undefined
  #isProven: boolean
  #dead = false
  #mode: SessionMode
  #isFar = false
  #isWideArea = false
  /** What the host opened it with. */
  #hostCongestionControl: string | undefined
  #paceBytesPerSecond = Number.POSITIVE_INFINITY
  #limitBytesPerSecond = Number.POSITIVE_INFINITY
  #awaitsRoom = false
  #isRetiring = false
  #retiring: Disposable | undefined
  #isRetired = false
  #answersLast = false
  #damaged = 0

  constructor(
    name: { readonly index: number; readonly serial: number },
    connection: Connection,
    environment: { readonly clock: Clock; readonly bounds: FrameBounds; readonly mode: SessionMode },
    events: StreamEvents,
  ) {
    this.index = name.index
    this.serial = name.serial
    const { localAddress = '', remoteAddress = '' } = connection.socket
    this.path = `${localAddress} ${remoteAddress}`
    this.#remote = remoteAddress
    this.#connection = connection
    this.#clock = environment.clock
    this.#bounds = environment.bounds
    this.#mode = environment.mode
    this.#events = events
    this.#isProven = connection.prove === undefined
    this.#heardMs = this.#clock.monotonicMs()
    this.#renewedMs = this.#heardMs
    this.settled = new Promise((resolve) => (this.#settle = resolve))
  }

  /** Carries frames until it dies. */
  async start(): Promise<void> {
    const { socket, rest, secrets, prove } = this.#connection
    this.#isFar = isFar(socket)
    try {
      const frames = await openFrameStream(socket, {
        bodyBytesMax: roomsOf(this.#bounds),
        sendQueueBytes: this.index === 0 ? SEND_QUEUE_BYTES.control : SEND_QUEUE_BYTES.data,
        receiveQueueBytes: RECEIVE_QUEUE_BYTES,
        received: rest,
        ...(secrets === undefined ? {} : { secrets }),
      })
      if (this.#dead) return frames.destroy()
      this.#frames = frames
      this.#become(isWide(this.#mode, this.#isFar))
      this.probe()
      this.#events.drained()
      for await (const batch of frames.frames) {
        this.#heardMs = this.#clock.monotonicMs()
        if (!this.#isProven) {
          if (prove?.() === false) return this.fail(amstError('ERR_AMST_PROTOCOL', 'another stream came with these keys'))
          this.#isProven = true
          this.probe()
          this.#events.proven(this)
        }
        this.#settle(true)
        for (const frame of batch) this.#receive(frame)
      }
      this.fail(lost('the peer closed the stream'))
    } catch (error) {
      this.fail(translated(error))
    }
  }

  get writable(): boolean {
    return !this.#dead && this.#isProven && !this.#isRetiring && this.#frames?.writable === true
  }

  /**
   * Before {@link Stream.writable} it is dropped, and past it queued all the same. Nothing goes to who is unproven: it may be one of many
   * that came with the same keys, and no two frames may be sealed with one nonce.
   */
  write(frame: Frame): void {
    if (!this.#isRetiring) this.#write(frame)
  }

  #write(frame: Frame): void {
    const frames = this.#frames
    if (this.#dead || frames === undefined || !this.#isProven) return
    if (frames.write({ ...frame, ack: this.#events.ack() }) || this.#awaitsRoom) return
    this.#awaitsRoom = true
    void frames.drained().then(() => {
      this.#awaitsRoom = false
      if (this.#dead) return
      // The peer takes what we send: that is life too, on a stream that carries nothing back.
      this.#heardMs = this.#clock.monotonicMs()
      this.#events.drained()
    })
  }

  /**
   * Nothing more is sent on it, by either end; it ends once all that was sent before has arrived at both. What takes too long for that goes
   * out on other streams. Only one end may begin this: the one that dialled.
   */
  retire(): void {
    if (this.#isRetiring) return
    this.#write(LAST.mine)
    this.#isRetiring = true
    this.#retiring = this.#clock.after(RETIRE_MS, () => this.fail(amstError('ERR_AMST_TIMEOUT', 'what was on the stream did not arrive')))
  }

  get isRetiring(): boolean {
    return this.#isRetiring
  }

  /** All that was sent on it has arrived. */
  get isRetired(): boolean {
    return this.#isRetired
  }

  /** Who began hears the other's last and says so; the other knows by that. */
  #hearLast(id: number): void {
    const frames = this.#frames
    if (!frames || (id === LAST.yours.id) !== this.#answersLast) return
    if (id === LAST.mine.id && !this.#isRetiring) {
      this.#answersLast = true
      return this.retire()
    }
    if (id === LAST.mine.id) this.#write(LAST.yours)
    this.#isRetired = true
    this.#closeWithin(frames, LEAVE_MS)
    this.#die(amstError('ERR_AMST_CLOSED', 'the stream is no longer wanted'))
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
    this.#connection.socket.destroy()
    this.#frames?.destroy()
    this.#die(reason)
  }

  #die(reason: Error): void {
    this.#dead = true
    this.#retiring?.[Symbol.dispose]()
    this.#settle(false)
    this.#events.dead(this, reason)
  }

  /** Dies, and lets the peer know, if it still reads, that the session is over at this end. */
  leave(reason: Error): void {
    const frames = this.#frames
    if (this.#dead || !frames) return this.fail(reason)
    this.write({ type: FRAME.gone, id: 0, sequence: 0, body: EMPTY })
    this.#closeWithin(frames, LEAVE_MS)
    this.#die(reason)
  }

  #closeWithin(frames: FrameStream, timeoutMs: number): void {
    const cut = (): void => {
      this.#connection.socket.destroy()
      frames.destroy()
    }
    const timer = this.#clock.after(timeoutMs, cut)
    void frames.close().then(() => {
      timer[Symbol.dispose]()
      cut()
    })
  }

  info(): TcpInfo | undefined {
    const descriptor = this.#descriptor
    return descriptor === undefined ? undefined : tcpInfo(descriptor)
  }

  stats(): StreamStats {
    const info = this.info()
    const descriptor = this.#descriptor
    return {
      index: this.index,
      remoteHost: this.#remote,
      sentBytes: this.#frames?.sentBytes ?? 0,
      receivedBytes: this.#frames?.receivedBytes ?? 0,
      rttMs: info?.rttMs ?? this.#pingRttMs,
      minRttMs: info?.minRttMs ?? this.#pingMinRttMs,
      rttSource: info ? 'tcp-info' : this.#pingRttMs === undefined ? undefined : 'ping',
      cwndBytes: info?.cwndBytes,
      deliveryRateBytesPerSecond: info?.deliveryRateBytesPerSecond,
      retransmittedRatio: info && info.bytesSent > 0 ? info.bytesRetransmitted / info.bytesSent : undefined,
      retransmittedBytes: info?.bytesRetransmitted,
      notSentBytes: info?.notSentBytes,
      congestionControl: info && descriptor !== undefined ? getCongestionControl(descriptor) : undefined,
    }
  }

  /** What {@link PathRate} goes by. */
  pathSample(): (PathSample & { readonly minRttMs: number }) | undefined {
    const info = this.info()
    if (!info) return undefined
    const { deliveredSegments, minRttMs, mss, notSentBytes, rttMs } = info
    return { serial: this.serial, deliveredBytes: deliveredSegments * mss, notSentBytes, rttMs, minRttMs }
  }

  /** Its part of what the path takes: the kernel sends no faster, nor than {@link Stream.limit} says. */
  pace(bytesPerSecond: number): void {
    this.#paceBytesPerSecond = bytesPerSecond
    this.#setPacing()
  }

  /** What is allowed, whatever the path takes. */
  limit(bytesPerSecond: number): void {
    if (bytesPerSecond === this.#limitBytesPerSecond) return
    this.#limitBytesPerSecond = bytesPerSecond
    this.#setPacing()
  }

  #setPacing(): void {
    const descriptor = this.#descriptor
    if (descriptor !== undefined) setMaxPacingRate(descriptor, Math.min(this.#paceBytesPerSecond, this.#limitBytesPerSecond))
  }

  /**
   * BBR begins anew with what the kernel knows of the connection. Where it has not seen its least round-trip time again for 10 s, it sends
   * next to nothing for 200 ms to look for it (PROBE_RTT), and all streams that began together do so together.
   */
  renewCongestionControl(): void {
    this.#renewedMs = this.#clock.monotonicMs()
    const descriptor = this.#descriptor
    if (descriptor !== undefined && setCongestionControl(descriptor, 'cubic')) setCongestionControl(descriptor, 'bbr')
  }

  /** When its congestion control began, or began anew. */
  get renewedMs(): number {
    return this.#renewedMs
  }

  get isWideArea(): boolean {
    return this.#isWideArea
  }

  /** What is under way on it goes on. */
  adopt(mode: SessionMode): void {
    this.#mode = mode
    this.#become(isWide(mode, this.#isFar))
  }

  #become(isWideArea: boolean): void {
    const descriptor = this.#descriptor
    if (descriptor === undefined || this.#frames === undefined || isWideArea === this.#isWideArea) return
    this.#isWideArea = isWideArea
    this.#hostCongestionControl ??= getCongestionControl(descriptor)
    setCongestionControl(descriptor, isWideArea ? 'bbr' : (this.#hostCongestionControl ?? 'cubic'))
    setNotSentLowWater(descriptor, isWideArea ? NOT_SENT_BYTES : HOST_NOT_SENT)
    if (this.index > 0) this.#frames.sendQueueBytes = isWideArea ? SEND_QUEUE_BYTES.wideArea : SEND_QUEUE_BYTES.data
    if (!isWideArea) this.pace(Number.POSITIVE_INFINITY)
  }

  get #descriptor(): number | undefined {
    return this.#dead ? undefined : this.#frames?.descriptor
  }

  #receive({ type, id, sequence, ack, body, digest, intact }: ReceivedStreamFrame): void {
    if (this.#dead) return
    const frameType = frameTypeOf(type)
    if (frameType === FRAME.last) return this.#hearLast(id)
    if (frameType !== FRAME.ping && frameType !== FRAME.pong) {
      const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
      return this.#events.frame(this, { type: frameType, id, sequence, ack, body: bytes, digest, intact })
    }
    if (frameType === FRAME.ping) {
      // A peer that asks and never reads must not fill this queue; one that reads sees life in what is queued already.
      if (this.writable) this.write({ type: FRAME.pong, id, sequence: 0, body: EMPTY })
      return
    }
    if (this.#ping?.id !== id) return
    this.#pingRttMs = this.#clock.monotonicMs() - this.#ping.sentMs
    this.#pingMinRttMs = Math.min(this.#pingMinRttMs ?? this.#pingRttMs, this.#pingRttMs)
    this.#ping = undefined
  }
}

/** Whether loss on its path says little of congestion. False where the kernel does not tell. */
export const isFar = (socket: Socket): boolean => roundTripMs(socket) >= WIDE_AREA_RTT_MS

/** The least of a connection; 0 where the kernel does not tell. */
export function roundTripMs(socket: Socket): number {
  const descriptor = descriptorOf(socket)
  return descriptor === undefined ? 0 : (tcpInfo(descriptor)?.minRttMs ?? 0)
}

/** Every type of frame that there is, each with the longest body that it may have. */
function roomsOf({ chunkBytes, controlBytes }: FrameBounds): ReadonlyMap<number, number> {
  return new Map(Object.values(FRAME).map((type) => [type, type === FRAME.chunk ? chunkBytes : controlBytes]))
}

function translated(error: unknown): Error {
  if (isDwcpError(error, 'ERR_NATIVE_CORRUPT') || isDwcpError(error, 'ERR_NATIVE_FORGED'))
    return amstError('ERR_AMST_CORRUPT', error.message, { retryable: true, cause: error })
  if (isDwcpError(error, 'ERR_NATIVE_TOO_LARGE')) return amstError('ERR_AMST_LIMIT', error.message, { cause: error })
  return isDwcpError(error, 'ERR_NATIVE_PEER_LOST') ? lost(messageOf(error), error) : asError(error)
}

const lost = (what: string, cause?: unknown): Error =>
  amstError('ERR_AMST_PEER_LOST', `a stream was lost: ${what}`, { retryable: true, cause })
