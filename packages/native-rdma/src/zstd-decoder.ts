import { corrupt, outOfMemory, tooLarge } from './errors.js'
import { BackwardBits } from './zstd-bits.js'
import type { ZstdFrame } from './zstd-frame.js'
import type { HuffmanTable } from './zstd-huffman.js'
import { readLiterals } from './zstd-literals.js'
import {
  LITERAL_LENGTH_BASES,
  LITERAL_LENGTH_BITS,
  MATCH_LENGTH_BASES,
  MATCH_LENGTH_BITS,
  readSequencesHeader,
  type SequenceTables,
} from './zstd-sequences.js'

const MAX_BLOCK_BYTES = 128 << 10
/** Copies shorter than this are faster byte by byte. */
const MIN_BULK_BYTES = 24

/** What the first block may use again: of a dictionary, or nothing. */
export interface DecoderStart {
  readonly huffman: HuffmanTable | undefined
  readonly tables: SequenceTables | undefined
  readonly recent: readonly [number, number, number]
}

const FRESH: DecoderStart = { huffman: undefined, tables: undefined, recent: [1, 4, 8] }

/**
 * Decodes the blocks of a Zstandard frame (RFC 8878), which may refer to `prefix`. Made for hostile frames: every length is checked
 * before it is used, and the work is bounded by the frame's length and its output. The content checksum is not verified.
 */
export function decodeZstd(
  frame: Uint8Array,
  shape: ZstdFrame,
  maxBytes: number,
  prefix: Uint8Array,
  start: DecoderStart = FRESH,
): Uint8Array {
  const capacity = Math.min(shape.contentBytes ?? shape.boundBytes, maxBytes)
  const content = new Content(allocate(capacity), prefix, () =>
    shape.contentBytes === undefined && capacity === maxBytes
      ? tooLarge('a zstd frame', maxBytes, 'it decodes to more')
      : corrupt('a zstd frame', 'its blocks hold more than it declares'),
  )
  const block = new CompressedBlocks(frame, content, start)
  for (let at = shape.blocksStart; at < shape.blocksEnd; ) {
    const header = (frame[at] ?? 0) | ((frame[at + 1] ?? 0) << 8) | ((frame[at + 2] ?? 0) << 16)
    const size = header >>> 3
    at += 3
    switch ((header >> 1) & 3) {
      case 0:
        content.append(frame, at, size)
        at += size
        break
      case 1:
        content.repeat(frame[at] ?? 0, size)
        at += 1
        break
      default:
        block.decode(at, at + size)
        at += size
    }
  }
  const decoded = content.bytes.subarray(0, content.length)
  if (shape.contentBytes === undefined || decoded.length === shape.contentBytes) return decoded
  throw corrupt('a zstd frame', `it declares ${shape.contentBytes} bytes and holds ${decoded.length}`)
}

function allocate(bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes)
  } catch {
    throw outOfMemory('zstd', `no memory for ${bytes} bytes`)
  }
}

/** The output, and the prefix before it. */
class Content {
  readonly bytes: Uint8Array
  readonly #prefix: Uint8Array
  readonly #overflow: () => Error
  length = 0

  constructor(bytes: Uint8Array, prefix: Uint8Array, overflow: () => Error) {
    this.bytes = bytes
    this.#prefix = prefix
    this.#overflow = overflow
  }

  append(source: Uint8Array, from: number, count: number): void {
    this.#require(count)
    if (count < MIN_BULK_BYTES) for (let i = 0; i < count; i += 1) this.bytes[this.length + i] = source[from + i] ?? 0
    else this.bytes.set(source.subarray(from, from + count), this.length)
    this.length += count
  }

  repeat(byte: number, count: number): void {
    this.#require(count)
    this.bytes.fill(byte, this.length, this.length + count)
    this.length += count
  }

  copyMatch(offset: number, count: number): void {
    this.#require(count)
    let left = count
    let from = this.length - offset
    if (from < 0) {
      const start = this.#prefix.length + from
      if (start < 0) throw corrupt('a zstd frame', 'a match points before the content')
      const part = Math.min(left, -from)
      this.append(this.#prefix, start, part)
      left -= part
      from = 0
      if (left === 0) return
    }
    const bytes = this.bytes
    const end = this.length + left
    if (offset >= left && left >= MIN_BULK_BYTES) bytes.copyWithin(this.length, from, from + left)
    // Overlapping: a match may repeat what it has just written.
    else for (let to = this.length; to < end; to += 1, from += 1) bytes[to] = bytes[from] ?? 0
    this.length = end
  }

  #require(count: number): void {
    if (count > this.bytes.length - this.length) throw this.#overflow()
  }
}

/** What compressed blocks of one frame hand on: tables, and the three latest offsets. */
class CompressedBlocks {
  readonly #frame: Uint8Array
  readonly #content: Content
  #huffman: HuffmanTable | undefined
  #tables: SequenceTables | undefined
  #recent: readonly [number, number, number]

  constructor(frame: Uint8Array, content: Content, { huffman, tables, recent }: DecoderStart) {
    this.#frame = frame
    this.#content = content
    this.#huffman = huffman
    this.#tables = tables
    this.#recent = recent
  }

  decode(start: number, end: number): void {
    const literals = readLiterals(this.#frame, start, end, this.#huffman)
    this.#huffman = literals.table
    const header = readSequencesHeader(this.#frame, literals.end, end, this.#tables)
    this.#tables = header.tables
    const used =
      header.tables && header.count > 0 ? this.#runSequences(literals.bytes, header.count, header.tables, header.bitsStart, end) : 0
    this.#content.append(literals.bytes, used, literals.bytes.length - used)
  }

  /** @returns how many literals were used. */
  #runSequences(literals: Uint8Array, count: number, tables: SequenceTables, start: number, end: number): number {
    const content = this.#content
    const { literalLengths, offsets, matchLengths } = tables
    const bits = new BackwardBits(this.#frame, start, end)
    let literalState = bits.read(literalLengths.accuracyLog)
    let offsetState = bits.read(offsets.accuracyLog)
    let matchState = bits.read(matchLengths.accuracyLog)
    let [first, second, third] = this.#recent
    let used = 0
    const limit = content.length + MAX_BLOCK_BYTES
    for (let left = count; left > 0; left -= 1) {
      const offsetCode = offsets.symbols[offsetState] ?? 0
      const matchCode = matchLengths.symbols[matchState] ?? 0
      const literalCode = literalLengths.symbols[literalState] ?? 0
      // Up to 31 bits, which are more than one read gives.
      const highBits = offsetCode > 16 ? offsetCode - 16 : 0
      const offsetHigh = bits.read(highBits) * 2 ** (offsetCode - highBits)
      const value = 2 ** offsetCode + offsetHigh + bits.read(offsetCode - highBits)
      const matchBytes = (MATCH_LENGTH_BASES[matchCode] ?? 0) + bits.read(MATCH_LENGTH_BITS[matchCode] ?? 0)
      const literalBytes = (LITERAL_LENGTH_BASES[literalCode] ?? 0) + bits.read(LITERAL_LENGTH_BITS[literalCode] ?? 0)
      if (left > 1) {
        literalState = (literalLengths.bases[literalState] ?? 0) + bits.read(literalLengths.bits[literalState] ?? 0)
        matchState = (matchLengths.bases[matchState] ?? 0) + bits.read(matchLengths.bits[matchState] ?? 0)
        offsetState = (offsets.bases[offsetState] ?? 0) + bits.read(offsets.bits[offsetState] ?? 0)
      }
      if (bits.left < 0) throw corrupt('a zstd frame', 'sequences run over their bit stream')

      // Values 1 to 3 repeat a recent offset, shifted by one where no literals come before (RFC 8878 § 3.1.1.5).
      const repeat = value > 3 ? 4 : literalBytes === 0 ? value + 1 : value
      let offset = first
      if (repeat === 2) offset = second
      else if (repeat === 3) offset = third
      else if (repeat === 4) offset = value > 3 ? value - 3 : first - 1
      if (offset === 0) throw corrupt('a zstd frame', 'an offset is zero')
      if (repeat > 2) third = second
      if (repeat > 1) {
        second = first
        first = offset
      }
      if (literalBytes > literals.length - used) throw corrupt('a zstd frame', 'sequences use more literals than there are')
      content.append(literals, used, literalBytes)
      used += literalBytes
      content.copyMatch(offset, matchBytes)
      if (content.length > limit) throw corrupt('a zstd frame', 'a block decodes to more than 128 KiB')
    }
    if (bits.left !== 0) throw corrupt('a zstd frame', 'sequences do not end where they should')
    this.#recent = [first, second, third]
    return used
  }
}
