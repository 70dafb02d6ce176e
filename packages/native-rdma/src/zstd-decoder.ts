import { allocate } from './allocate.js'
import { corrupt, tooLarge } from './errors.js'
import type { ZstdFrame } from './zstd-frame.js'
import type { HuffmanTable } from './zstd-huffman.js'
import { MAX_BLOCK_BYTES, readLiterals } from './zstd-literals.js'
import { runSequences } from './zstd-run.js'
import { readSequencesHeader, type SequenceTables } from './zstd-sequences.js'

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
  const overflow = (): Error =>
    shape.contentBytes === undefined && capacity === maxBytes
      ? tooLarge('a zstd frame', maxBytes, 'it decodes to more')
      : corrupt('a zstd frame', 'its blocks hold more than it declares')
  const content = new Content(frame, allocate('zstd', capacity), prefix, overflow, start)
  for (let at = shape.blocksStart; at < shape.blocksEnd; ) {
    const header = (frame[at] ?? 0) | ((frame[at + 1] ?? 0) << 8) | ((frame[at + 2] ?? 0) << 16)
    const size = header >>> 3
    at += 3
    switch ((header >> 1) & 3) {
      case 0:
        content.append(frame.subarray(at, at + size))
        at += size
        break
      case 1:
        content.repeat(frame[at] ?? 0, size)
        at += 1
        break
      default:
        content.decode(at, at + size)
        at += size
    }
  }
  const decoded = content.bytes.subarray(0, content.length)
  if (shape.contentBytes === undefined || decoded.length === shape.contentBytes) return decoded
  throw corrupt('a zstd frame', `it declares ${shape.contentBytes} bytes and holds ${decoded.length}`)
}

/** The output, and what compressed blocks of one frame hand on: tables, and the three latest offsets. */
class Content {
  readonly bytes: Uint8Array
  length = 0
  readonly #frame: Uint8Array
  readonly #words: DataView
  readonly #prefix: Uint8Array
  readonly #overflow: () => Error
  readonly #recent: Float64Array
  #scratch: Uint8Array | undefined
  #huffman: HuffmanTable | undefined
  #tables: SequenceTables | undefined

  constructor(frame: Uint8Array, bytes: Uint8Array, prefix: Uint8Array, overflow: () => Error, start: DecoderStart) {
    this.bytes = bytes
    this.#frame = frame
    this.#words = new DataView(frame.buffer, frame.byteOffset, frame.length)
    this.#prefix = prefix
    this.#overflow = overflow
    this.#recent = Float64Array.from(start.recent)
    this.#huffman = start.huffman
    this.#tables = start.tables
  }

  append(source: Uint8Array): void {
    this.#require(source.length)
    this.bytes.set(source, this.length)
    this.length += source.length
  }

  repeat(byte: number, count: number): void {
    this.#require(count)
    this.bytes.fill(byte, this.length, this.length + count)
    this.length += count
  }

  decode(start: number, end: number): void {
    this.#scratch ??= new Uint8Array(MAX_BLOCK_BYTES)
    const literals = readLiterals(this.#frame, this.#words, start, end, this.#huffman, this.#scratch)
    this.#huffman = literals.table
    const { count, tables, bitsStart } = readSequencesHeader(this.#frame, literals.end, end, this.#tables)
    this.#tables = tables
    if (count === 0 || tables === undefined) return this.append(literals.bytes)
    const run = {
      words: this.#words,
      bytes: this.bytes,
      prefix: this.#prefix,
      literals: literals.bytes,
      length: this.length,
      used: 0,
      recent: this.#recent,
    }
    const blockEnd = this.length + MAX_BLOCK_BYTES
    const isPastBlock = (): Error => corrupt('a zstd frame', 'a block decodes to more than 128 KiB')
    const fits = this.bytes.length < blockEnd
    runSequences(run, count, tables, bitsStart, end, fits ? this.bytes.length : blockEnd, fits ? this.#overflow : isPastBlock)
    this.length = run.length
    this.append(literals.bytes.subarray(run.used))
  }

  #require(count: number): void {
    if (count > this.bytes.length - this.length) throw this.#overflow()
  }
}
