import { encodeLength } from './body.js'
import { FRAME, type Frame, type FrameType } from './frame.js'
import type { Stream } from './stream.js'

/** What a chunk costs of its window beyond its bytes: many small ones must not cost the receiver more than few large. */
export const CHUNK_COST_BYTES = 256
/** Chunks read ahead of the sockets: enough that a socket never waits for the source's next turn of the loop. */
const READY_CHUNKS = 8

export interface Chunk {
  readonly frame: Frame
  /** The stream it was last written to. */
  stream: Stream | undefined
  /** It, or what it was read again for. */
  wasSent: boolean
}

export interface Window {
  readonly initialBytes: number
  readonly maxBytes: number
  /** The peer is told that it is short once less than this share of it is left; asked each time, since paths change. */
  readonly shortShare: () => number
}

export interface OutgoingEvents {
  readonly control: (type: FrameType, id: number, body: Uint8Array) => void
  /** Chunks are ready. */
  readonly ready: () => void
}

/** The chunks of one object that wait for a stream, and the window that they come out of. */
export class Outflow {
  readonly #id: number
  readonly #window: Window
  readonly #events: OutgoingEvents
  readonly #ready: Chunk[] = []
  #granted: number
  /** What is granted at once. */
  #windowBytes: number
  /** The grant that the peer was told is too small. */
  #shortAt = -1
  #spent = 0
  #resentBytes = 0
  #isOver = false
  #wake: () => void = () => undefined

  constructor(id: number, window: Window, events: OutgoingEvents) {
    this.#id = id
    this.#window = window
    this.#granted = window.initialBytes
    this.#windowBytes = window.initialBytes
    this.#events = events
  }

  get resentBytes(): number {
    return this.#resentBytes
  }

  /** A chunk waits for a stream. */
  get isReady(): boolean {
    return this.#ready.length > 0
  }

  /**
   * Waits for a place in front of the streams, and for a window of `costBytes`: 0 for what was paid for.
   * @param isUseless - Ends the wait where nothing is to be sent any more; asked at each {@link Outflow.wake}.
   */
  async room(costBytes: number, isUseless: () => boolean = () => false): Promise<void> {
    const isPastGrant = (): boolean => this.#spent + costBytes > this.#granted
    while (!this.#isOver && !isUseless() && (this.#ready.length >= READY_CHUNKS || isPastGrant())) {
      if (isPastGrant() && this.#ready.length === 0) this.#tellShort()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  wake(): void {
    this.#wake()
  }

  push(chunk: Chunk, costBytes: number): void {
    this.#spent += costBytes
    this.#ready.push(chunk)
    if (this.#granted - this.#spent < this.#window.shortShare() * this.#windowBytes) this.#tellShort()
    this.#events.ready()
  }

  /** Before all that waits. */
  pushFirst(chunks: readonly Chunk[]): void {
    this.#ready.unshift(...chunks.filter((chunk) => !this.#ready.includes(chunk)))
    this.#events.ready()
  }

  take(stream: Stream): Chunk | undefined {
    const chunk = this.#ready.shift()
    if (!chunk) return undefined
    if (chunk.wasSent) this.#resentBytes += chunk.frame.body.byteLength
    chunk.wasSent = true
    chunk.stream = stream
    if (this.#ready.length < READY_CHUNKS) this.#wake()
    return chunk
  }

  /** What is kept until acknowledged stays within this end's bound, whatever the peer grants. */
  grant(granted: number, ackedCostBytes: number): void {
    this.#granted = Math.max(this.#granted, Math.min(granted, ackedCostBytes + this.#window.maxBytes))
    this.#windowBytes = this.#granted - ackedCostBytes
    this.#wake()
  }

  #tellShort(): void {
    if (this.#shortAt === this.#granted) return
    this.#shortAt = this.#granted
    this.#events.control(FRAME.short, this.#id, encodeLength(this.#granted))
  }

  stop(): void {
    this.#isOver = true
    this.#ready.length = 0
    this.#wake()
  }
}
