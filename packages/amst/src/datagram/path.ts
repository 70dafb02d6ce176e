import { randomBytes } from 'node:crypto'
import type { Clock } from '@dwcp/interface'
import { TokenBucket } from '../token-bucket.js'
import { DATAGRAM_BYTES_MAX, DatagramOpener, DatagramSealer, type DatagramSecret, SEAL_BYTES } from './seal.js'
import type { TakeDatagram, UdpAddress } from './socket.js'

export interface DatagramPathEnvironment {
  readonly clock: Clock
  readonly secret: DatagramSecret
  /** Where the listener is. Absent at the listener, which learns where the caller is. */
  readonly remote?: UdpAddress
  /** Of all who share its port: how many datagrams that do not open they may look at. */
  readonly sharedForged: TokenBucket
  readonly transmit: (datagram: Buffer, to: UdpAddress) => boolean
  /** Takes the body of a message frame. */
  readonly deliver: (body: Buffer) => void
}

/** How datagrams travel, and how many. */
export interface DatagramStats {
  /** 'stream': nothing comes back over UDP, so they go with the messages. */
  readonly carrier: 'udp' | 'stream'
  /** Over UDP; whether they arrive nobody knows. */
  readonly sent: number
  readonly received: number
  /** Sent with the messages instead. */
  readonly streamed: number
  /** Came and were not the peer's, had come before, or were too old to tell. */
  readonly refused: number
}

const KIND = { path: 1, message: 2 } as const
const TOKEN_BYTES = 8
const PATH_BODY_BYTES = 1 + 2 * TOKEN_BYTES
const NO_TOKEN: Buffer = Buffer.alloc(TOKEN_BYTES)
/** The body of a message: channel and payload. */
export const MESSAGE_BODY_MAX: number = DATAGRAM_BYTES_MAX - SEAL_BYTES - 1
/** Of a datagram, beside its channel. */
export const DATAGRAM_PAYLOAD_MAX = 1100
export const DATAGRAM_CHANNEL_MAX: number = MESSAGE_BODY_MAX - DATAGRAM_PAYLOAD_MAX - 1
/** The caller asks that often whether the path is there; routers that translate addresses forget one after 30 s (RFC 4787, REQ-5: 2 min). */
const PROBE_MS = 5000
/** Until the first answer; then twice as long each time. */
const FIRST_PROBE_MS = 200
/** After one that was not answered. */
const REPROBE_MS = 500
/** So many that are not answered, and the path is taken for lost. */
const LOST_PROBES = 3
/** The listener hears a question each {@link PROBE_MS}. */
const SILENCE_MS = 3 * PROBE_MS
/** Datagrams that do not open cost 9 to 28 µs each; past so many a second, no other of the session is looked at either. */
const FORGED_PER_SECOND = 500

/**
 * The datagrams of one session: which address they go to, and whether they get there. An address counts once its owner has sent back a
 * token that was sent there (RFC 9000, 8.2), and nothing longer than what came is sent to one before.
 */
export class DatagramPath implements Disposable {
  readonly #environment: DatagramPathEnvironment
  readonly #sealer: DatagramSealer
  readonly #opener: DatagramOpener
  readonly #forged: readonly TokenBucket[]
  /** The peer answers there. */
  #address: UdpAddress | undefined
  /** At the listener: who sent what the peer sealed, and has to show that it can be reached there. */
  #candidate: { readonly address: UdpAddress; readonly token: Buffer } | undefined
  #token: Buffer
  #unanswered = 0
  #heardMs = 0
  #probing: Disposable | undefined
  #isOver = false
  readonly #counts = { sent: 0, received: 0, streamed: 0, refused: 0 }

  constructor(environment: DatagramPathEnvironment) {
    this.#environment = environment
    this.#sealer = new DatagramSealer(environment.secret)
    this.#opener = new DatagramOpener(environment.secret)
    this.#forged = [new TokenBucket(FORGED_PER_SECOND, environment.clock.monotonicMs()), environment.sharedForged]
    this.#token = randomBytes(TOKEN_BYTES)
    if (environment.remote) this.#probe(environment.remote, FIRST_PROBE_MS)
  }

  get isOpen(): boolean {
    if (this.#address === undefined || this.#isOver) return false
    if (this.#environment.remote) return this.#unanswered < LOST_PROBES
    return this.#environment.clock.monotonicMs() - this.#heardMs < SILENCE_MS
  }

  get stats(): DatagramStats {
    return { carrier: this.isOpen ? 'udp' : 'stream', ...this.#counts }
  }

  /** Takes the body of a message frame of at most {@link MESSAGE_BODY_MAX} bytes. @returns false when it was dropped here. */
  send(body: Uint8Array): boolean {
    const address = this.#address
    if (address === undefined || !this.#transmit([Uint8Array.of(KIND.message), body], address)) return false
    this.#counts.sent += 1
    return true
  }

  /** One went with the messages. */
  streamed(): void {
    this.#counts.streamed += 1
  }

  readonly take: TakeDatagram = (datagram, from) => {
    const nowMs = this.#environment.clock.monotonicMs()
    if (this.#isOver) return
    if (!this.#opener.isFresh(datagram) || this.#forged.some((bucket) => bucket.waitMs(nowMs) > 0)) return this.#refuse()
    const opened = this.#opener.open(datagram)
    if (!opened) {
      for (const bucket of this.#forged) bucket.spend(1, nowMs)
      return this.#refuse()
    }
    const { body, isNewest } = opened
    const isKnown = isSame(this.#address, from)
    if (isKnown) this.#heardMs = nowMs
    // What came late says nothing of where the peer is now.
    const wantsProof = this.#environment.remote === undefined && !isKnown && isNewest
    if (body[0] === KIND.path && body.byteLength >= PATH_BODY_BYTES) return this.#takePath(body, from, wantsProof)
    if (body[0] !== KIND.message) return
    if (wantsProof) this.#say({ ask: this.#tokenFor(from), answer: NO_TOKEN }, from, body.byteLength)
    this.#counts.received += 1
    this.#environment.deliver(body.subarray(1))
  };

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#probing?.[Symbol.dispose]()
  }

  #refuse(): void {
    this.#counts.refused += 1
  }

  #takePath(body: Buffer, from: UdpAddress, wantsProof: boolean): void {
    const ask = body.subarray(1, 1 + TOKEN_BYTES)
    const answer = body.subarray(1 + TOKEN_BYTES, PATH_BODY_BYTES)
    const isProven = !answer.equals(NO_TOKEN) && this.#takeAnswer(answer, from)
    if (ask.equals(NO_TOKEN)) return
    this.#say({ ask: wantsProof && !isProven ? this.#tokenFor(from) : NO_TOKEN, answer: ask }, from, body.byteLength)
  }

  #takeAnswer(answer: Buffer, from: UdpAddress): boolean {
    const { clock, remote } = this.#environment
    const token = remote ? this.#token : isSame(this.#candidate?.address, from) ? this.#candidate?.token : undefined
    if (!token?.equals(answer)) return false
    this.#address = remote ?? from
    this.#heardMs = clock.monotonicMs()
    this.#candidate = undefined
    this.#unanswered = 0
    this.#token = randomBytes(TOKEN_BYTES)
    return true
  }

  #tokenFor(address: UdpAddress): Buffer {
    if (!isSame(this.#candidate?.address, address)) this.#candidate = { address, token: randomBytes(TOKEN_BYTES) }
    return this.#candidate?.token ?? NO_TOKEN
  }

  /** As long as a datagram may be, so that an answer says that such ones get through. */
  #probe(remote: UdpAddress, nextMs: number): void {
    this.#say({ ask: this.#token, answer: NO_TOKEN }, remote, MESSAGE_BODY_MAX + 1)
    const { clock } = this.#environment
    const token = this.#token
    this.#probing = clock.after(this.isOpen ? REPROBE_MS : nextMs, () => {
      if (this.#token === token) {
        this.#unanswered += 1
        return this.#probe(remote, Math.min(2 * nextMs, PROBE_MS))
      }
      this.#probing = clock.after(PROBE_MS, () => this.#probe(remote, FIRST_PROBE_MS))
    })
  }

  /** Of the length of what came, and not at all where that is shorter than what is to be said. */
  #say({ ask, answer }: { readonly ask: Buffer; readonly answer: Buffer }, to: UdpAddress, bodyBytes: number): void {
    if (bodyBytes < PATH_BODY_BYTES) return
    this.#transmit([Uint8Array.of(KIND.path), ask, answer, Buffer.alloc(bodyBytes - PATH_BODY_BYTES)], to)
  }

  #transmit(parts: readonly Uint8Array[], to: UdpAddress): boolean {
    return !this.#isOver && this.#environment.transmit(this.#sealer.seal(Buffer.concat(parts)), to)
  }
}

const isSame = (a: UdpAddress | undefined, b: UdpAddress): boolean => a?.address === b.address && a.port === b.port
