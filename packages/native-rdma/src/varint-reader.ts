import { corrupt } from './errors.js'

export function broken(reason: string): Error {
  return corrupt('a delta', reason)
}

/** Reads what a peer wrote: what ends early or counts past 2^53 is `ERR_NATIVE_CORRUPT`. */
export class VarintReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  varint(): number {
    let value = 0
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw broken('a stream ends early')
      value += (byte % 128) * scale
      if (value > Number.MAX_SAFE_INTEGER) break
      if (byte < 128) return value
    }
    throw broken('a number past 2^53')
  }

  zigzag(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  take(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) throw broken('a stream ends early')
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return bytes
  }
}
