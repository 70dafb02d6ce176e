import { corrupt } from '../errors.js'

const MOST_BITS = 53

/** Bits, lowest first. */
export class BitWriter {
  #bytes: number[] = []
  #bits = 0
  #pending = 0

  /** @param value - An integer from 0 to 2^`width` - 1; `width` at most 53. */
  write(value: number, width: number): void {
    let rest = value
    for (let left = width; left > 0; ) {
      const room = Math.min(8 - this.#bits, left)
      const low = rest % 2 ** room
      this.#pending += low * 2 ** this.#bits
      rest = (rest - low) / 2 ** room
      this.#bits += room
      left -= room
      if (this.#bits < 8) continue
      this.#bytes.push(this.#pending)
      this.#pending = 0
      this.#bits = 0
    }
  }

  /** Everything, filled up to a byte with zeros. */
  finish(): Uint8Array {
    return Uint8Array.from(this.#bits > 0 ? [...this.#bytes, this.#pending] : this.#bytes)
  }
}

export class BitReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  read(width: number): number {
    if (width > MOST_BITS || this.#at + width > 8 * this.#bytes.length) throw corrupt('a column that ends early')
    let value = 0
    for (let done = 0; done < width; ) {
      const offset = this.#at % 8
      const taken = Math.min(8 - offset, width - done)
      const byte = this.#bytes[Math.floor(this.#at / 8)] ?? 0
      value += (Math.floor(byte / 2 ** offset) % 2 ** taken) * 2 ** done
      this.#at += taken
      done += taken
    }
    return value
  }

  /** Whether only the zeros that fill the last byte are left. */
  get atEnd(): boolean {
    return Math.ceil(this.#at / 8) === this.#bytes.length && this.read(8 * this.#bytes.length - this.#at) === 0
  }
}

export function widthOf(value: number): number {
  let width = 0
  for (let rest = value; rest >= 1; rest = Math.floor(rest / 2)) width += 1
  return width
}
