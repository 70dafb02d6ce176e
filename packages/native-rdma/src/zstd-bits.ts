import { corrupt } from './errors.js'

/** The position of the highest set bit of `value`, which is above 0 and below 2^31. */
export function highestBit(value: number): number {
  return 31 - Math.clz32(value)
}

/**
 * How many bits the stream from `start` to `end` has: the highest set bit of its last byte marks its end. Whoever reads it by words of
 * four bytes, the last of which holds the next bit, begins up to three bytes before it: a frame has more than that before any stream.
 */
export function streamBits(words: DataView, start: number, end: number): number {
  const last = end > start ? words.getUint8(end - 1) : 0
  if (last === 0) throw corrupt('a zstd frame', 'a bit stream has no end mark')
  return (end - start - 1) * 8 + highestBit(last)
}

/** A bit stream that is read from its end towards its beginning (RFC 8878 § 4.1); past the beginning it gives zeros. */
export class BackwardBits {
  readonly #bytes: Uint8Array
  readonly #start: number
  /** Bits not read yet; negative once more were read than there are. */
  left: number

  /** Of `bytes` from `start` to `end`; the highest set bit of the last byte marks the end of the stream. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    const last = end > start ? (bytes[end - 1] ?? 0) : 0
    if (last === 0) throw corrupt('a zstd frame', 'a bit stream has no end mark')
    this.#bytes = bytes
    this.#start = start
    this.left = (end - start - 1) * 8 + highestBit(last)
  }

  /** The next `count` bits, 0 to 24, without taking them. */
  peek(count: number): number {
    const from = this.left - count
    if (from < 0) return this.left <= 0 ? 0 : (this.#load(0) & ((1 << this.left) - 1)) << -from
    return (this.#load(from >> 3) >>> (from & 7)) & ((1 << count) - 1)
  }

  /** The next `count` bits, 0 to 24. */
  read(count: number): number {
    const bits = this.peek(count)
    this.left -= count
    return bits
  }

  #load(offset: number): number {
    const at = this.#start + offset
    const bytes = this.#bytes
    // Bytes behind the stream are masked off by every caller.
    return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
  }
}
