import { corrupt } from '../errors.js'

/**
 * One direction of a conversation in bits: a writer takes what it is given and gives it back, a reader gives what was written.
 * So each column is described once, for both directions.
 */
export interface Coder {
  readonly writing: boolean
  /** One bit, at the odds of `odds[at]`, which learn from it. */
  bit(odds: Odds, at: number, bit: number): number
  /** `width` bits (0 to 53) at even odds. */
  bits(value: number, width: number): number
}

/** Adaptive odds: of each the probability of a 1 in 22 bits and how often it was asked in 10, as the difference from even odds. */
export type Odds = Uint32Array

const EVEN = 0x80000000
const COUNT_LIMIT = 250
/** The nth answer moves a probability by 1 / (n + 1.5) of what it was off by (Krichevsky, Trofimov 1981), in 1/65536. */
const RATES = Float64Array.from({ length: COUNT_LIMIT + 1 }, (_, count) => Math.floor(65_536 / (count + 1.5)))
const LEAST_ODDS = 32
const MOST_ODDS = 65_536 - LEAST_ODDS
const TOP = 2 ** 24
const CHUNK_BITS = 16
/** Zeros at the end that a writer leaves out, and a reader supplies. */
const SPARED_BYTES = 4

function chance(odds: Odds, at: number): number {
  return Math.min(MOST_ODDS, Math.max(LEAST_ODDS, ((odds[at] ?? 0) ^ EVEN) >>> 16))
}

function learn(odds: Odds, at: number, bit: number): void {
  const state = ((odds[at] ?? 0) ^ EVEN) >>> 0
  const count = state & 1023
  const odd = state >>> 10
  const moved = odd + Math.floor((((bit === 1 ? 4_194_303 : 0) - odd) * (RATES[count] ?? 0)) / 65_536)
  odds[at] = ((moved << 10) | Math.min(count + 1, COUNT_LIMIT)) ^ EVEN
}

/** A range coder (Martin 1979) with the carry of LZMA. */
export class RangeWriter implements Coder {
  readonly writing: boolean = true
  #bytes = new Uint8Array(256)
  #length = 0
  #low = 0
  #range = 0xffffffff
  #held = 0
  #heldCount = 0

  bit(odds: Odds, at: number, bit: number): number {
    const bound = (this.#range >>> 16) * chance(odds, at)
    if (bit === 1) this.#range = bound
    else {
      this.#low += bound
      this.#range -= bound
    }
    learn(odds, at, bit)
    this.#settle()
    return bit
  }

  bits(value: number, width: number): number {
    for (let left = width; left > 0; ) {
      const chunk = Math.min(left, CHUNK_BITS)
      left -= chunk
      this.#range >>>= chunk
      this.#low += (Math.floor(value / 2 ** left) % 2 ** chunk) * this.#range
      this.#settle()
    }
    return value
  }

  /** Everything: of the numbers that end it right, the one with the most zeros at its end. */
  finish(): Uint8Array {
    for (let zeros = 24; zeros >= 0; zeros -= 8) {
      const rounded = Math.ceil(this.#low / 2 ** zeros) * 2 ** zeros
      if (rounded >= this.#low + this.#range) continue
      this.#low = rounded
      break
    }
    for (let more = 0; more < 5; more += 1) this.#shift()
    let end = this.#length
    while (end > Math.max(1, this.#length - SPARED_BYTES) && this.#bytes[end - 1] === 0) end -= 1
    // The first byte is that before the first: always 0.
    return this.#bytes.slice(1, end)
  }

  #settle(): void {
    while (this.#range < TOP) {
      this.#range = (this.#range << 8) >>> 0
      this.#shift()
    }
  }

  #shift(): void {
    if (this.#low < 0xff000000 || this.#low >= 2 ** 32) {
      const carry = this.#low >= 2 ** 32 ? 1 : 0
      this.#put(this.#held + carry)
      for (; this.#heldCount > 0; this.#heldCount -= 1) this.#put(0xff + carry)
      this.#held = Math.floor(this.#low / TOP) & 0xff
    } else this.#heldCount += 1
    this.#low = (this.#low % TOP) * 256
  }

  #put(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#length)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes[this.#length++] = byte
  }
}

/** Writes nothing: what it is told only teaches the odds. */
export class Learner implements Coder {
  readonly writing: boolean = true

  bit(odds: Odds, at: number, bit: number): number {
    learn(odds, at, bit)
    return bit
  }

  bits(value: number): number {
    return value
  }
}

export class RangeReader implements Coder {
  readonly writing: boolean = false
  readonly #bytes: Uint8Array
  #at = 0
  #code = 0
  #range = 0xffffffff

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    for (let count = 0; count < 4; count += 1) this.#code = this.#code * 256 + this.#next()
  }

  bit(odds: Odds, at: number): number {
    const bound = (this.#range >>> 16) * chance(odds, at)
    const bit = this.#code < bound ? 1 : 0
    if (bit === 1) this.#range = bound
    else {
      this.#code -= bound
      this.#range -= bound
    }
    learn(odds, at, bit)
    this.#settle()
    return bit
  }

  bits(_value: number, width: number): number {
    let value = 0
    for (let left = width; left > 0; ) {
      const chunk = Math.min(left, CHUNK_BITS)
      left -= chunk
      this.#range >>>= chunk
      const part = Math.floor(this.#code / this.#range)
      if (part >= 2 ** chunk) throw corrupt('bits that no encoder writes')
      this.#code -= part * this.#range
      value = value * 2 ** chunk + part
      this.#settle()
    }
    return value
  }

  #settle(): void {
    while (this.#range < TOP) {
      this.#range = (this.#range << 8) >>> 0
      this.#code = this.#code * 256 + this.#next()
    }
  }

  #next(): number {
    const byte = this.#bytes[this.#at]
    this.#at += 1
    if (byte === undefined && this.#at > this.#bytes.length + 2 * SPARED_BYTES) throw corrupt('columns that end early')
    return byte ?? 0
  }
}
