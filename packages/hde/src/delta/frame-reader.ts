import { corrupt, pastLimit } from '../errors.js'
import { untilAborted } from '../until-aborted.js'
import { MAGIC } from './format.js'

/** So many pieces are kept apart before small ones are joined: each costs some hundred bytes of its own. */
const PIECES = 1_024
const SMALL_BYTES = 4_096

/** Takes frames out of bytes that come in pieces of any size; a length is checked before its bytes are kept. */
export class FrameReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #mostBytes: number
  #parts: Uint8Array[] = []
  /** Of the parts, those that stay as they are until they are taken. */
  #settled = 0
  #length = 0
  #ended = false
  #takenBytes = 0

  constructor(source: Uint8Array | AsyncIterable<Uint8Array>, mostBytes: number, signal?: AbortSignal) {
    this.#source = (source instanceof Uint8Array ? once(source) : untilAborted(source, signal))[Symbol.asyncIterator]()
    this.#mostBytes = mostBytes
  }

  get takenBytes(): number {
    return this.#takenBytes
  }

  async magic(magic: Uint8Array = MAGIC): Promise<void> {
    if (Buffer.compare(await this.#take(magic.length), magic) !== 0) throw corrupt('what does not begin as a stream of this kind does')
  }

  async frame(): Promise<Uint8Array> {
    let length = 0
    for (let scale = 1; scale <= this.#mostBytes; scale *= 128) {
      const [byte = 0] = await this.#take(1)
      length += (byte % 128) * scale
      if (length > this.#mostBytes) throw pastLimit('the length of a frame', length, this.#mostBytes, 'raise what limits allow')
      if (byte < 128) return this.#take(length)
    }
    throw corrupt('a length that does not end')
  }

  /** What was not taken, as it comes; closes the source at its end. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      while (this.#length > 0 || !(await this.atEnd())) yield this.#take(this.#length)
    } finally {
      await this.close()
    }
  }

  async atEnd(): Promise<boolean> {
    await this.#fill(1)
    return this.#length === 0
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }

  async #take(length: number): Promise<Uint8Array> {
    await this.#fill(length)
    if (this.#length < length) throw corrupt('a stream that ends early')
    const [first] = this.#parts
    const joined = this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts, this.#length)
    this.#parts = joined.length === length ? [] : [joined.subarray(length)]
    this.#settled = 0
    this.#length -= length
    this.#takenBytes += length
    return joined.subarray(0, length)
  }

  async #fill(length: number): Promise<void> {
    while (this.#length < length && !this.#ended) {
      const { done, value } = await this.#source.next()
      if (done === true) this.#ended = true
      else if (value.length > 0) {
        this.#parts.push(value)
        this.#length += value.length
        if (this.#parts.length - this.#settled >= PIECES) this.#settle()
      }
    }
  }

  #settle(): void {
    const pieces = this.#parts.slice(this.#settled)
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (length < PIECES * SMALL_BYTES) this.#parts.splice(this.#settled, pieces.length, Buffer.concat(pieces, length))
    this.#settled = this.#parts.length
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
