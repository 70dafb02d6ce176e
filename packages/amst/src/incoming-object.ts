import { TRAFFIC_CLASSES, type TrafficClass } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { type Ending, encodeCredit, encodeNumber, encodeTrouble, type Opening } from './body.js'
import { amstError, asError, codeOf, messageOf } from './errors.js'
import { EMPTY, FRAME, type FrameType } from './frame.js'
import type { ReceivedFrame } from './frame-reader.js'
import { CHUNK_COST_BYTES } from './outgoing-object.js'

/** An object that arrives on a session. */
export interface IncomingTransfer {
  readonly name: string
  readonly metadata: Uint8Array
  readonly class: TrafficClass
  readonly lengthBytes?: number
  /** Read once, in order; the chunks are yours. Ends only after the whole object was verified. Leaving it early rejects the object. */
  readonly stream: AsyncIterable<Uint8Array>
  /**
   * The sender's receipt.
   * @throws `ERR_AMST_INCOMPLETE` before the stream has ended.
   */
  complete(): void
  /** The sender's `ERR_AMST_REJECTED`, with this error's code and message. No-op once it is over. */
  reject(error: unknown): void
}

export interface IncomingEvents {
  readonly control: (type: FrameType, id: number, body: Uint8Array) => void
  /** Nothing more will come of it. */
  readonly over: (object: IncomingObjectState) => void
}

/** Puts chunks in order, hands them to one reader, and grants the sender as much as the reader has taken. */
export class IncomingObjectState {
  readonly id: number
  readonly #whole: ReturnType<Hash['stream']>
  readonly #windowBytes: number
  readonly #events: IncomingEvents
  readonly #chunks = new Map<number, Uint8Array>()
  #granted: number
  #toldGranted: number
  #toldRead = 0
  #arrivedCost = 0
  #arrived = 0
  #nextRead = 0
  #readBytes = 0
  #readCost = 0
  #ending: Ending | undefined
  #state: 'open' | 'reading' | 'ended' | 'over' = 'open'
  #broken: Error | undefined
  #wake: () => void = () => undefined

  constructor(
    id: number,
    environment: { readonly hash: Hash; readonly initialWindowBytes: number; readonly windowBytes: number },
    events: IncomingEvents,
  ) {
    this.id = id
    this.#whole = environment.hash.stream()
    this.#granted = environment.initialWindowBytes
    this.#toldGranted = environment.initialWindowBytes
    this.#windowBytes = environment.windowBytes
    this.#events = events
  }

  transfer(opening: Opening): IncomingTransfer {
    const trafficClass = TRAFFIC_CLASSES[opening.className]
    if (!trafficClass) throw amstError('ERR_AMST_PROTOCOL', `unknown traffic class ${opening.className}`)
    const { name, metadata, lengthBytes } = opening
    return {
      name,
      metadata,
      class: trafficClass,
      ...(lengthBytes === undefined ? {} : { lengthBytes }),
      stream: { [Symbol.asyncIterator]: () => this.#read(lengthBytes) },
      complete: () => {
        if (this.#state === 'over') throw this.#broken ?? amstError('ERR_AMST_INCOMPLETE', 'the object is over already')
        if (this.#state !== 'ended')
          throw amstError('ERR_AMST_INCOMPLETE', 'the object has not been read to its end: read it, or reject it')
        this.#events.control(FRAME.done, this.id, EMPTY)
        this.#finish(undefined)
      },
      reject: (error) => this.reject(error),
    }
  }

  /** @throws `ERR_AMST_PROTOCOL` for a sender that disregards its window. */
  chunk(frame: ReceivedFrame): void {
    if (this.#state === 'over' || frame.sequence < this.#arrived || this.#chunks.has(frame.sequence)) return
    this.#arrivedCost += frame.body.byteLength + CHUNK_COST_BYTES
    if (this.#arrivedCost > this.#granted)
      throw amstError('ERR_AMST_PROTOCOL', `object ${this.id} went past its window of ${this.#granted} bytes`)
    this.#chunks.set(frame.sequence, frame.body)
    while (this.#chunks.has(this.#arrived)) this.#arrived += 1
    this.#wake()
  }

  damaged(sequence: number): void {
    if (this.#state !== 'over' && sequence >= this.#arrived) this.#events.control(FRAME.again, this.id, encodeNumber(sequence))
  }

  end(ending: Ending): void {
    this.#ending = { ...ending, digest: Uint8Array.from(ending.digest) }
    this.#wake()
  }

  /** Tells the sender, and the reader where there is one. */
  reject(error: unknown): void {
    if (this.#state === 'over') return
    this.#events.control(FRAME.reject, this.id, encodeTrouble(codeOf(error), messageOf(error)))
    this.#finish(asError(error))
  }

  /** The sender or the session is gone. */
  fail(reason: Error): void {
    if (this.#state !== 'over') this.#finish(reason)
  }

  #finish(broken: Error | undefined): void {
    this.#state = 'over'
    this.#broken = broken
    this.#chunks.clear()
    this.#wake()
    this.#events.over(this)
  }

  async *#read(lengthBytes: number | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#state === 'over') throw this.#broken ?? amstError('ERR_AMST_INCOMPLETE', 'the object is over already')
    if (this.#state !== 'open') throw new TypeError('the bytes of an object are read once')
    this.#state = 'reading'
    try {
      // Until the end of the object, at the pace of its reader.
      for (;;) {
        this.#grant()
        const chunk = this.#chunks.get(this.#nextRead)
        if (this.#broken) throw this.#broken
        if (chunk) {
          this.#chunks.delete(this.#nextRead)
          this.#nextRead += 1
          this.#readBytes += chunk.byteLength
          this.#readCost += chunk.byteLength + CHUNK_COST_BYTES
          this.#whole.update(chunk)
          yield chunk
        } else if (this.#ending && this.#nextRead >= this.#ending.chunks) {
          this.#verify(this.#ending, lengthBytes)
          this.#state = 'ended'
          return
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
      }
    } finally {
      if (!this.#isEnded()) this.reject(amstError('ERR_AMST_INCOMPLETE', 'the receiver stopped reading before the end'))
    }
  }

  // A method, since the state changes while the generator is suspended and the compiler cannot know.
  #isEnded(): boolean {
    return this.#state === 'ended' || this.#state === 'over'
  }

  #grant(): void {
    this.#granted = Math.max(this.#granted, this.#readCost + this.#windowBytes)
    // A reader that has caught up says so at once: a live source may wait to hear that all of it has been taken.
    const caughtUp = this.#toldRead < this.#nextRead && !this.#chunks.has(this.#nextRead)
    if (this.#ending || (!caughtUp && this.#granted - this.#toldGranted < this.#windowBytes / 4)) return
    this.#toldGranted = this.#granted
    this.#toldRead = this.#nextRead
    this.#events.control(FRAME.credit, this.id, encodeCredit({ received: this.#nextRead, granted: this.#granted }))
  }

  #verify(ending: Ending, lengthBytes: number | undefined): void {
    const isRight =
      ending.lengthBytes === this.#readBytes &&
      (lengthBytes ?? this.#readBytes) === this.#readBytes &&
      this.#nextRead === ending.chunks &&
      Buffer.compare(this.#whole.digest(), ending.digest) === 0
    if (isRight) return
    const error = amstError(
      'ERR_AMST_CORRUPT',
      `object ${this.id} arrived with ${this.#readBytes} bytes that are not the ${ending.lengthBytes} that were sent`,
    )
    this.reject(error)
    throw error
  }
}
