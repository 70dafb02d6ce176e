import { corrupt } from './errors.js'
import { readFseTable } from './zstd-fse.js'
import { type HuffmanTable, readHuffmanTable } from './zstd-huffman.js'
import {
  type Alphabet,
  LITERAL_LENGTHS,
  MATCH_LENGTHS,
  OFFSETS,
  type SequenceTables,
  type ValueTable,
  valueTable,
} from './zstd-sequences.js'

/** A dictionary as a decoder begins with it. */
export interface ZstdDictionary {
  /** 0 for plain content. */
  readonly id: number
  readonly huffman: HuffmanTable | undefined
  readonly tables: SequenceTables | undefined
  readonly recent: readonly [number, number, number]
  readonly content: Uint8Array
}

const MAGIC = 0xec30a437
const TABLES_AT = 8
const RECENT_BYTES = 12

/** A trained dictionary (RFC 8878 § 5), or plain content where the bytes do not begin as one. */
export function readZstdDictionary(bytes: Uint8Array): ZstdDictionary {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < TABLES_AT || view.getUint32(0, true) !== MAGIC) {
    return { id: 0, huffman: undefined, tables: undefined, recent: [1, 4, 8], content: bytes }
  }
  const huffman = readHuffmanTable(bytes, TABLES_AT, bytes.length)
  let at = huffman.end
  const next = ({ maxAccuracyLog, maxSymbol, codes }: Alphabet): ValueTable => {
    const { table, end } = readFseTable(bytes, at, bytes.length, maxAccuracyLog, maxSymbol)
    at = end
    return valueTable(table, codes)
  }
  const [offsets, matchLengths, literalLengths] = [next(OFFSETS), next(MATCH_LENGTHS), next(LITERAL_LENGTHS)]
  if (at + RECENT_BYTES > bytes.length) throw corrupt('a zstd dictionary', 'it ends early')
  const recent = [view.getUint32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true)] as const
  const content = bytes.subarray(at + RECENT_BYTES)
  if (recent.some((offset) => offset === 0 || offset > content.length)) throw corrupt('a zstd dictionary', 'an offset is out of range')
  return { id: view.getUint32(4, true), huffman: huffman.table, tables: { literalLengths, offsets, matchLengths }, recent, content }
}
