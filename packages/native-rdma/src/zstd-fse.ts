import { corrupt } from './errors.js'
import { highestBit } from './zstd-bits.js'

/** A decoding table of finite state entropy (RFC 8878 § 4.1.1): for each state its symbol and how the next state is found. */
export interface FseTable {
  readonly accuracyLog: number
  readonly symbols: Uint8Array
  readonly bits: Uint8Array
  readonly bases: Uint16Array
}

/** A table of one symbol, which takes no bits. */
export function singleSymbol(symbol: number): FseTable {
  return { accuracyLog: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), bases: new Uint16Array(1) }
}

/** `counts`: the share of each symbol of 2^accuracyLog states; -1 stands for less than one. */
export function buildFseTable(counts: ArrayLike<number>, accuracyLog: number): FseTable {
  const size = 1 << accuracyLog
  const symbols = new Uint8Array(size)
  const next = new Uint16Array(counts.length)
  let high = size
  for (let symbol = 0; symbol < counts.length; symbol += 1) {
    if (counts[symbol] !== -1) continue
    high -= 1
    symbols[high] = symbol
    next[symbol] = 1
  }
  const step = (size >> 1) + (size >> 3) + 3
  let position = 0
  for (let symbol = 0; symbol < counts.length; symbol += 1) {
    const count = counts[symbol] ?? 0
    if (count <= 0) continue
    next[symbol] = count
    for (let left = count; left > 0; left -= 1) {
      symbols[position] = symbol
      // Ends: the step and the size have no common divisor, and the counts leave `high` free places.
      do position = (position + step) & (size - 1)
      while (position >= high)
    }
  }
  const bits = new Uint8Array(size)
  const bases = new Uint16Array(size)
  for (let state = 0; state < size; state += 1) {
    const symbol = symbols[state] ?? 0
    const value = next[symbol] ?? 0
    next[symbol] = value + 1
    const count = accuracyLog - highestBit(value)
    bits[state] = count
    bases[state] = (value << count) - size
  }
  return { accuracyLog, symbols, bits, bases }
}

/** Reads a table's description from `start`. @returns the table and where the description ends. */
export function readFseTable(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxAccuracyLog: number,
  maxSymbol: number,
): { readonly table: FseTable; readonly end: number } {
  const accuracyLog = ((bytes[start] ?? 0) & 15) + 5
  if (start >= end || accuracyLog > maxAccuracyLog) throw corrupt('a zstd frame', 'an entropy table is too large or missing')
  const counts = new Int16Array(maxSymbol + 1)
  let bit = start * 8 + 4
  let symbol = 0
  let remaining = 1 << accuracyLog
  while (remaining > 0 && symbol <= maxSymbol) {
    const width = highestBit(remaining + 1) + 1
    const lowMask = (1 << (width - 1)) - 1
    const threshold = (1 << width) - 2 - remaining
    let value = peekForward(bytes, bit, width)
    bit += width
    if ((value & lowMask) < threshold) {
      bit -= 1
      value &= lowMask
    } else if (value > lowMask) value -= threshold
    const count = value - 1
    counts[symbol] = count
    symbol += 1
    remaining -= Math.abs(count)
    if (count !== 0) continue
    for (let run = 3; run === 3 && symbol <= maxSymbol; symbol += run) {
      run = peekForward(bytes, bit, 2)
      bit += 2
    }
  }
  const tableEnd = (bit + 7) >> 3
  if (remaining !== 0 || symbol > maxSymbol + 1 || tableEnd > end) throw corrupt('a zstd frame', 'an entropy table does not add up')
  return { table: buildFseTable(counts, accuracyLog), end: tableEnd }
}

function peekForward(bytes: Uint8Array, bit: number, count: number): number {
  const at = bit >> 3
  const word = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
  return (word >> (bit & 7)) & ((1 << count) - 1)
}
