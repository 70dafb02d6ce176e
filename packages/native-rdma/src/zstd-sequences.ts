import { corrupt } from './errors.js'
import { buildFseTable, type FseTable, readFseTable, singleSymbol } from './zstd-fse.js'

/**
 * A decoding table with what its symbols stand for. Four numbers a state: what the value begins at, how many more bits it takes, what
 * the next state begins at, and how many more bits that takes.
 */
export interface ValueTable {
  readonly accuracyLog: number
  readonly cells: Int32Array
}

/** The tables of a block's sequences (RFC 8878 § 3.1.1.3.2), which a later block may use again. */
export interface SequenceTables {
  readonly literalLengths: ValueTable
  readonly offsets: ValueTable
  readonly matchLengths: ValueTable
}

/** Codes: what each stands for begins at, and how many more bits it takes. */
interface Codes {
  readonly bases: Int32Array
  readonly bits: Uint8Array
}

export interface Alphabet {
  readonly maxSymbol: number
  readonly maxAccuracyLog: number
  readonly codes: Codes
  readonly predefined: ValueTable
}

const LITERAL_LENGTH_CODES = codesOf(
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  0,
)
const MATCH_LENGTH_CODES = codesOf(
  [
    ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  ],
  3,
)
/** Each is a power of two and as many more bits; the last one is past what the table holds, and its bits alone say it. */
const OFFSET_CODES: Codes = {
  bases: Int32Array.from({ length: 32 }, (_, code) => 1 << code),
  bits: Uint8Array.from({ length: 32 }, (_, code) => code),
}

export const LITERAL_LENGTHS: Alphabet = {
  maxSymbol: 35,
  maxAccuracyLog: 9,
  codes: LITERAL_LENGTH_CODES,
  predefined: predefinedTable(
    LITERAL_LENGTH_CODES,
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
    6,
  ),
}
export const OFFSETS: Alphabet = {
  maxSymbol: 31,
  maxAccuracyLog: 8,
  codes: OFFSET_CODES,
  predefined: predefinedTable(
    OFFSET_CODES,
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
    5,
  ),
}
export const MATCH_LENGTHS: Alphabet = {
  maxSymbol: 52,
  maxAccuracyLog: 9,
  codes: MATCH_LENGTH_CODES,
  predefined: predefinedTable(
    MATCH_LENGTH_CODES,
    [
      1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
      1, -1, -1, -1, -1, -1, -1, -1,
    ],
    6,
  ),
}

export interface SequencesHeader {
  readonly count: number
  /** Undefined when there are no sequences. */
  readonly tables: SequenceTables | undefined
  /** Where the bit stream of the sequences begins. */
  readonly bitsStart: number
}

export function readSequencesHeader(frame: Uint8Array, start: number, end: number, previous: SequenceTables | undefined): SequencesHeader {
  const first = frame[start] ?? 0
  if (start >= end) throw corrupt('a zstd frame', 'a block has no sequences section')
  if (first === 0) return { count: 0, tables: previous, bitsStart: start + 1 }
  const second = frame[start + 1] ?? 0
  const third = frame[start + 2] ?? 0
  const countBytes = first < 128 ? 1 : first < 255 ? 2 : 3
  const count = first < 128 ? first : first < 255 ? ((first - 128) << 8) + second : second + (third << 8) + 0x7f00
  let at = start + countBytes + 1
  if (at > end) throw corrupt('a zstd frame', 'a sequences section is cut off')
  const modes = frame[at - 1] ?? 0
  if (modes & 3) throw corrupt('a zstd frame', 'a reserved bit is set')

  function readTable(mode: number, { maxSymbol, maxAccuracyLog, codes, predefined }: Alphabet, kept: ValueTable | undefined): ValueTable {
    if (mode === 0) return predefined
    if (mode === 1) {
      const symbol = frame[at] ?? 0
      at += 1
      if (at > end || symbol > maxSymbol) throw corrupt('a zstd frame', 'a sequence code is out of range')
      return valueTable(singleSymbol(symbol), codes)
    }
    if (mode === 2) {
      const described = readFseTable(frame, at, end, maxAccuracyLog, maxSymbol)
      at = described.end
      return valueTable(described.table, codes)
    }
    if (kept === undefined) throw corrupt('a zstd frame', 'sequences use a table that was never given')
    return kept
  }

  const literalLengths = readTable(modes >> 6, LITERAL_LENGTHS, previous?.literalLengths)
  const offsets = readTable((modes >> 4) & 3, OFFSETS, previous?.offsets)
  const matchLengths = readTable((modes >> 2) & 3, MATCH_LENGTHS, previous?.matchLengths)
  return { count, tables: { literalLengths, offsets, matchLengths }, bitsStart: at }
}

function codesOf(bits: readonly number[], first: number): Codes {
  const bases = new Int32Array(bits.length)
  let base = first
  for (const [code, count] of bits.entries()) {
    bases[code] = base
    base += 1 << count
  }
  return { bases, bits: Uint8Array.from(bits) }
}

function predefinedTable(codes: Codes, counts: readonly number[], accuracyLog: number): ValueTable {
  return valueTable(buildFseTable(counts, accuracyLog), codes)
}

export function valueTable({ accuracyLog, symbols, bits, bases }: FseTable, codes: Codes): ValueTable {
  const cells = new Int32Array(4 * symbols.length)
  for (let state = 0; state < symbols.length; state += 1) {
    const symbol = symbols[state] ?? 0
    cells[4 * state] = codes.bases[symbol] ?? 0
    cells[4 * state + 1] = codes.bits[symbol] ?? 0
    cells[4 * state + 2] = bases[state] ?? 0
    cells[4 * state + 3] = bits[state] ?? 0
  }
  return { accuracyLog, cells }
}
