import { corrupt } from './errors.js'
import { buildFseTable, type FseTable, readFseTable, singleSymbol } from './zstd-fse.js'

/** The tables of a block's sequences (RFC 8878 § 3.1.1.3.2), which a later block may use again. */
export interface SequenceTables {
  readonly literalLengths: FseTable
  readonly offsets: FseTable
  readonly matchLengths: FseTable
}

interface Alphabet {
  readonly maxSymbol: number
  readonly maxAccuracyLog: number
  readonly predefined: FseTable
}

export const LITERAL_LENGTHS: Alphabet = {
  maxSymbol: 35,
  maxAccuracyLog: 9,
  predefined: buildFseTable(
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
    6,
  ),
}
export const OFFSETS: Alphabet = {
  maxSymbol: 31,
  maxAccuracyLog: 8,
  predefined: buildFseTable([1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1], 5),
}
export const MATCH_LENGTHS: Alphabet = {
  maxSymbol: 52,
  maxAccuracyLog: 9,
  predefined: buildFseTable(
    [
      1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
      1, -1, -1, -1, -1, -1, -1, -1,
    ],
    6,
  ),
}

/** Extra bits of each length code, and the length that it begins at. */
export const LITERAL_LENGTH_BITS: Uint8Array = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
)
export const LITERAL_LENGTH_BASES: Uint32Array = basesOf(LITERAL_LENGTH_BITS, 0)
export const MATCH_LENGTH_BITS: Uint8Array = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
)
export const MATCH_LENGTH_BASES: Uint32Array = basesOf(MATCH_LENGTH_BITS, 3)

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

  function readTable(mode: number, { maxSymbol, maxAccuracyLog, predefined }: Alphabet, kept: FseTable | undefined): FseTable {
    if (mode === 0) return predefined
    if (mode === 1) {
      const symbol = frame[at] ?? 0
      at += 1
      if (at > end || symbol > maxSymbol) throw corrupt('a zstd frame', 'a sequence code is out of range')
      return singleSymbol(symbol)
    }
    if (mode === 2) {
      const described = readFseTable(frame, at, end, maxAccuracyLog, maxSymbol)
      at = described.end
      return described.table
    }
    if (kept === undefined) throw corrupt('a zstd frame', 'sequences use a table that was never given')
    return kept
  }

  const literalLengths = readTable(modes >> 6, LITERAL_LENGTHS, previous?.literalLengths)
  const offsets = readTable((modes >> 4) & 3, OFFSETS, previous?.offsets)
  const matchLengths = readTable((modes >> 2) & 3, MATCH_LENGTHS, previous?.matchLengths)
  return { count, tables: { literalLengths, offsets, matchLengths }, bitsStart: at }
}

function basesOf(bits: Uint8Array, first: number): Uint32Array {
  const bases = new Uint32Array(bits.length)
  let base = first
  for (let code = 0; code < bits.length; code += 1) {
    bases[code] = base
    base += 1 << (bits[code] ?? 0)
  }
  return bases
}
