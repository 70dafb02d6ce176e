import { corrupt } from './errors.js'
import { BackwardBits, highestBit, streamBits } from './zstd-bits.js'
import { readFseTable } from './zstd-fse.js'

/** Literals by Huffman codes (RFC 8878 § 4.2). An entry holds the symbol and, above it, the length of its code. */
export interface HuffmanTable {
  readonly maxBits: number
  readonly entries: Uint16Array
}

const MAX_BITS = 11
const MAX_WEIGHTS = 255
const MAX_WEIGHT_ACCURACY_LOG = 6

/** Reads a table's description from `start`. @returns the table and where the description ends. */
export function readHuffmanTable(bytes: Uint8Array, start: number, end: number): { readonly table: HuffmanTable; readonly end: number } {
  if (start >= end) throw corrupt('a zstd frame', 'a Huffman table is missing')
  const header = bytes[start] ?? 0
  const weights = new Uint8Array(MAX_WEIGHTS + 1)
  const at = start + 1
  const isDirect = header >= 128
  const tableEnd = at + (isDirect ? (header - 126) >> 1 : header)
  if (tableEnd > end) throw corrupt('a zstd frame', 'a Huffman table is cut off')
  if (!isDirect) return { table: buildTable(weights, readWeights(bytes, at, tableEnd, weights)), end: tableEnd }
  const count = header - 127
  for (let index = 0; index < count; index += 1) {
    const pair = bytes[at + (index >> 1)] ?? 0
    weights[index] = index & 1 ? pair & 15 : pair >> 4
  }
  return { table: buildTable(weights, count), end: tableEnd }
}

/** Weights by two states that take turns, until the stream has nothing left. @returns how many. */
function readWeights(bytes: Uint8Array, start: number, end: number, weights: Uint8Array): number {
  const { table, end: bitsStart } = readFseTable(bytes, start, end, MAX_WEIGHT_ACCURACY_LOG, MAX_BITS + 1)
  const bits = new BackwardBits(bytes, bitsStart, end)
  let state = bits.read(table.accuracyLog)
  let other = bits.read(table.accuracyLog)
  for (let count = 0; count < MAX_WEIGHTS - 1; count += 1) {
    weights[count] = table.symbols[state] ?? 0
    const next = (table.bases[state] ?? 0) + bits.read(table.bits[state] ?? 0)
    state = other
    other = next
    if (bits.left >= 0) continue
    weights[count + 1] = table.symbols[state] ?? 0
    return count + 2
  }
  throw corrupt('a zstd frame', 'a Huffman table has too many weights')
}

/** The last weight is not written: it fills the sum up to a power of two. */
function buildTable(weights: Uint8Array, count: number): HuffmanTable {
  let sum = 0
  for (let symbol = 0; symbol < count; symbol += 1) {
    const weight = weights[symbol] ?? 0
    if (weight > MAX_BITS) throw corrupt('a zstd frame', 'a Huffman code is too long')
    sum += weight > 0 ? 1 << (weight - 1) : 0
  }
  const maxBits = sum > 0 ? highestBit(sum) + 1 : MAX_BITS + 1
  const missing = (1 << maxBits) - sum
  if (maxBits > MAX_BITS || (missing & (missing - 1)) !== 0) throw corrupt('a zstd frame', 'a Huffman table does not add up')
  weights[count] = highestBit(missing) + 1

  const entries = new Uint16Array(1 << maxBits)
  let at = 0
  for (let weight = 1; weight <= maxBits; weight += 1) {
    for (let symbol = 0; symbol <= count; symbol += 1) {
      if (weights[symbol] !== weight) continue
      entries.fill(((maxBits + 1 - weight) << 8) | symbol, at, at + (1 << (weight - 1)))
      at += 1 << (weight - 1)
    }
  }
  return { maxBits, entries }
}

/** Decodes one stream, `start` to `end`, into `literals`. */
export function decodeHuffmanStream(words: DataView, start: number, end: number, table: HuffmanTable, literals: Uint8Array): void {
  decodeRest(words, start, streamBits(words, start, end), table, literals, 0, literals.length)
}

/**
 * Decodes four streams, each from its start to the start of the next, into four parts of `literals`, of which the last may be shorter.
 * Side by side, because what a code is waits for the length of the one before it.
 */
export function decodeHuffmanStreams(
  words: DataView,
  [start1, start2, start3, start4]: readonly [number, number, number, number],
  end: number,
  table: HuffmanTable,
  literals: Uint8Array,
): void {
  const { entries } = table
  const shift = 32 - table.maxBits
  const part = (literals.length + 3) >> 2
  let left1 = streamBits(words, start1, start2)
  let left2 = streamBits(words, start2, start3)
  let left3 = streamBits(words, start3, start4)
  let left4 = streamBits(words, start4, end)
  let at = 0
  for (const stop = literals.length - 3 * part - 1; at < stop && (left1 | left2 | left3 | left4) >= 0; at += 2) {
    const bits1 = words.getInt32(start1 - 3 + (left1 >> 3), true) << (8 - (left1 & 7))
    const bits2 = words.getInt32(start2 - 3 + (left2 >> 3), true) << (8 - (left2 & 7))
    const bits3 = words.getInt32(start3 - 3 + (left3 >> 3), true) << (8 - (left3 & 7))
    const bits4 = words.getInt32(start4 - 3 + (left4 >> 3), true) << (8 - (left4 & 7))
    const one1 = entries[bits1 >>> shift] ?? 0
    const one2 = entries[bits2 >>> shift] ?? 0
    const one3 = entries[bits3 >>> shift] ?? 0
    const one4 = entries[bits4 >>> shift] ?? 0
    const two1 = entries[(bits1 << (one1 >> 8)) >>> shift] ?? 0
    const two2 = entries[(bits2 << (one2 >> 8)) >>> shift] ?? 0
    const two3 = entries[(bits3 << (one3 >> 8)) >>> shift] ?? 0
    const two4 = entries[(bits4 << (one4 >> 8)) >>> shift] ?? 0
    literals[at] = one1
    literals[at + 1] = two1
    literals[part + at] = one2
    literals[part + at + 1] = two2
    literals[2 * part + at] = one3
    literals[2 * part + at + 1] = two3
    literals[3 * part + at] = one4
    literals[3 * part + at + 1] = two4
    left1 -= (one1 >> 8) + (two1 >> 8)
    left2 -= (one2 >> 8) + (two2 >> 8)
    left3 -= (one3 >> 8) + (two3 >> 8)
    left4 -= (one4 >> 8) + (two4 >> 8)
  }
  decodeRest(words, start1, left1, table, literals, at, part)
  decodeRest(words, start2, left2, table, literals, part + at, 2 * part)
  decodeRest(words, start3, left3, table, literals, 2 * part + at, 3 * part)
  decodeRest(words, start4, left4, table, literals, 3 * part + at, literals.length)
}

/**
 * What is left of a stream that begins at `start`, into `literals` from `from` to `to`. Two codes a load: they have 22 bits at most, and
 * a load gives at least 24. Bits before the stream may be looked at, but who takes them is found by the count at the end.
 */
function decodeRest(
  words: DataView,
  start: number,
  bitsLeft: number,
  { maxBits, entries }: HuffmanTable,
  literals: Uint8Array,
  from: number,
  to: number,
): void {
  const shift = 32 - maxBits
  const base = start - 3
  let left = bitsLeft
  let at = from
  for (; at + 1 < to && left >= 0; at += 2) {
    let bits = words.getInt32(base + (left >> 3), true) << (8 - (left & 7))
    const one = entries[bits >>> shift] ?? 0
    bits <<= one >> 8
    const two = entries[bits >>> shift] ?? 0
    literals[at] = one
    literals[at + 1] = two
    left -= (one >> 8) + (two >> 8)
  }
  if (at < to && left >= 0) {
    const last = entries[(words.getInt32(base + (left >> 3), true) << (8 - (left & 7))) >>> shift] ?? 0
    literals[at] = last
    left -= last >> 8
  }
  if (left !== 0) throw corrupt('a zstd frame', 'literals do not end where they should')
}
