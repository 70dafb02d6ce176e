import { corrupt } from './errors.js'
import { decodeHuffmanStream, decodeHuffmanStreams, type HuffmanTable, readHuffmanTable } from './zstd-huffman.js'

/** Of a block, and so of its literals. */
export const MAX_BLOCK_BYTES: number = 128 << 10

export interface Literals {
  readonly bytes: Uint8Array
  /** Where the section ends in the block. */
  readonly end: number
  /** What a later block may use again. */
  readonly table: HuffmanTable | undefined
}

/** Reads the literals section of a compressed block (RFC 8878 § 3.1.1.3.1); they stand in `scratch` or in the frame. */
export function readLiterals(
  frame: Uint8Array,
  words: DataView,
  start: number,
  end: number,
  previous: HuffmanTable | undefined,
  scratch: Uint8Array,
): Literals {
  const header = readUint40(frame, start)
  const kind = header.low & 3
  const format = (header.low >> 2) & 3
  if (kind < 2) {
    const headerBytes = format === 1 ? 2 : format === 3 ? 3 : 1
    const length =
      headerBytes === 1 ? (header.low & 0xff) >> 3 : headerBytes === 2 ? (header.low & 0xffff) >> 4 : (header.low & 0xffffff) >> 4
    const at = start + headerBytes
    const stored = kind === 0 ? length : 1
    if (length > MAX_BLOCK_BYTES || at + stored > end) throw corrupt('a zstd frame', 'literals run over their block')
    const bytes = kind === 0 ? frame.subarray(at, at + length) : scratch.subarray(0, length).fill(frame[at] ?? 0)
    return { bytes, end: at + stored, table: previous }
  }
  const headerBytes = format < 2 ? 3 : format + 2
  const sizeBits = format < 2 ? 10 : format === 2 ? 14 : 18
  const sizes = Math.floor((header.low >>> 4) + header.high * 2 ** 28)
  const length = sizes % 2 ** sizeBits
  const at = start + headerBytes
  const sectionEnd = at + (Math.floor(sizes / 2 ** sizeBits) % 2 ** sizeBits)
  if (length > MAX_BLOCK_BYTES || sectionEnd > end) throw corrupt('a zstd frame', 'literals run over their block')
  const described = kind === 2 ? readHuffmanTable(frame, at, sectionEnd) : undefined
  const table = described?.table ?? previous
  if (table === undefined) throw corrupt('a zstd frame', 'literals use a Huffman table that was never given')
  const bytes = scratch.subarray(0, length)
  const streams = described?.end ?? at
  if (format === 0) decodeHuffmanStream(words, streams, sectionEnd, table, bytes)
  else decodeFourStreams(words, streams, sectionEnd, table, bytes)
  return { bytes, end: sectionEnd, table }
}

function decodeFourStreams(words: DataView, start: number, end: number, table: HuffmanTable, literals: Uint8Array): void {
  const first = start + 6
  if (first > end) throw corrupt('a zstd frame', 'literal streams are cut off')
  const second = first + words.getUint16(start, true)
  const third = second + words.getUint16(start + 2, true)
  const fourth = third + words.getUint16(start + 4, true)
  if (fourth > end || ((literals.length + 3) >> 2) * 3 > literals.length) {
    throw corrupt('a zstd frame', 'literal streams run over their section')
  }
  decodeHuffmanStreams(words, [first, second, third, fourth], end, table, literals)
}

/** The next five bytes, little-endian, in two parts; zeros behind the frame, which the caller's bounds refuse. */
function readUint40(frame: Uint8Array, at: number): { readonly low: number; readonly high: number } {
  const low = (frame[at] ?? 0) | ((frame[at + 1] ?? 0) << 8) | ((frame[at + 2] ?? 0) << 16) | ((frame[at + 3] ?? 0) << 24)
  return { low, high: frame[at + 4] ?? 0 }
}
