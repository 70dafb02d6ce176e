import type { Socket } from 'node:net'
import { type Clock, isDwcpError } from '@dwcp/interface'
import { amstError, messageOf } from '../errors.js'
import type { Arrival } from './arrival.js'
import { type ChunkHeader, ChunkParser, type ChunkPart } from './chunk.js'
import type { V1Limits } from './limits.js'
import { resetSocket } from './reset.js'

export interface ConnectionEnvironment {
  readonly limits: V1Limits
  readonly clock: Clock
  readonly arrivalFor: (header: ChunkHeader) => Promise<Arrival>
  /** While its sender has a transfer: a v1 sender need not use all of its connections. */
  readonly mayBeSilent: () => boolean
  readonly received: (bytes: number) => void
  /** It is cut off before it had a part in a transfer. */
  readonly refused: (reason: unknown) => void
}

/** One connection of a v1 sender: its first chunk says which transfer it is of, and it serves no other. */
export class Connection {
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #environment: ConnectionEnvironment
  #arrival: Arrival | undefined
  #hasBegun = false
  #isCut = false
  #timer: Disposable

  constructor(socket: Socket, environment: ConnectionEnvironment) {
    this.#socket = socket
    this.#environment = environment
    this.#timer = this.#awaitChunk()
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#timer[Symbol.dispose]()
        resolve()
      })
    })
    void this.#read()
  }

  /** No chunk has begun on it yet. */
  get isSilent(): boolean {
    return !this.#hasBegun
  }

  reset(): void {
    this.#isCut = true
    resetSocket(this.#socket)
  }

  async #read(): Promise<void> {
    const parser = new ChunkParser(this.#environment.limits)
    try {
      // At the sink's pace. The end of what is read must not close what the sender waits for.
      for await (const bytes of this.#socket.iterator({ destroyOnReturn: false })) {
        this.#environment.received(bytes.byteLength)
        for (const part of parser.parts(bytes)) await this.#take(part)
      }
      if (!parser.isBetweenChunks) throw amstError('ERR_AMST_PEER_LOST', 'a v1 connection ended inside of a chunk', { retryable: true })
      if (this.#arrival === undefined) this.#socket.end()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #take(part: ChunkPart): Promise<void> {
    if ('header' in part && this.#arrival === undefined) {
      this.#hasBegun = true
      this.#timer[Symbol.dispose]()
      const arrival = await this.#environment.arrivalFor(part.header)
      this.#arrival = arrival
      void arrival.over.then((broken) => (broken ? this.reset() : this.#finish()))
    }
    await this.#arrival?.take(part)
  }

  /** What it brought is stored. */
  #finish(): void {
    this.#socket.end()
    this.#timer = this.#environment.clock.after(this.#environment.limits.closeTimeoutMs, () => this.reset())
  }

  #fail(error: unknown): void {
    if (this.#isCut) return
    const reason = isDwcpError(error) ? error : lost(error)
    if (this.#arrival === undefined) this.#environment.refused(reason)
    this.#arrival?.lose(reason)
    this.reset()
  }

  #awaitChunk(): Disposable {
    const { clock, limits, mayBeSilent, refused } = this.#environment
    return clock.after(limits.handshakeTimeoutMs, () => {
      if (mayBeSilent()) {
        this.#timer = this.#awaitChunk()
        return
      }
      refused('no chunk began on it in time')
      this.reset()
    })
  }
}

const lost = (cause: unknown): Error =>
  amstError('ERR_AMST_PEER_LOST', `a v1 connection broke: ${messageOf(cause)}`, { retryable: true, cause })
