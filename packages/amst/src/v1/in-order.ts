import type { OpenSink } from '../sink.js'

/** What a piece costs of the room beyond its bytes. */
const PIECE_COST_BYTES = 256

/** For a sink that takes bytes in their order only: holds what comes before its turn, and where there is no room for it lets it wait. */
export class InOrder {
  readonly #sink: OpenSink
  readonly #roomBytes: number
  readonly #held = new Map<number, Uint8Array>()
  readonly #waiting: (() => void)[] = []
  #heldCost = 0
  #end = 0

  constructor(sink: OpenSink, roomBytes: number) {
    this.#sink = sink
    this.#roomBytes = roomBytes
  }

  /** Writes that wait for bytes which come before theirs. */
  get waiting(): number {
    return this.#waiting.length
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const costBytes = bytes.byteLength + PIECE_COST_BYTES
    while (offset !== this.#end && this.#heldCost + costBytes > this.#roomBytes) {
      // Bounded by the transfer's idle time: what it waits for comes on another connection, or never.
      await new Promise<void>((enter) => this.#waiting.push(enter))
    }
    // A piece that is held must not hold all that was read with it.
    this.#held.set(offset, offset === this.#end ? bytes : new Uint8Array(bytes))
    this.#heldCost += costBytes
    // Bounded by what is held.
    for (let next = this.#held.get(this.#end); next !== undefined; next = this.#held.get(this.#end)) {
      this.#held.delete(this.#end)
      this.#end += next.byteLength
      try {
        await this.#sink.write(this.#end - next.byteLength, next)
      } finally {
        this.#heldCost -= next.byteLength + PIECE_COST_BYTES
        for (const enter of this.#waiting.splice(0)) enter()
      }
    }
  }
}
