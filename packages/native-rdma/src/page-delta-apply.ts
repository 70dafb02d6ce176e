import { isDwcpError } from '@dwcp/interface'
import type { Codecs } from './codec-choice.js'
import { corrupt } from './errors.js'
import {
  isZeroPage,
  kindBytes,
  LZ4_PREFIX_BYTES,
  MAX_VARINT_BYTES,
  maskBytes,
  PAGE_KINDS,
  PAGE_STEP_BYTES,
  STREAM_CODECS,
  summaryBytes,
  WORD_BYTES,
  wordsOf,
} from './page-format.js'
import { joinWords } from './word-classes.js'

const WHAT = 'a page delta'
const NO_BYTES = new Uint8Array()

/** The twin of native/page_delta_apply.cc: it checks the same in the same order, and writes to `pages` only once nothing can fail. */
export async function applyPageDeltaJs(
  codecs: Codecs,
  delta: Uint8Array,
  pages: Uint8Array,
  count: number,
  pageBytes: number,
): Promise<Uint8Array> {
  const reader = new StreamReader(codecs, delta)
  const named = readNamed(reader, pages.length / pageBytes)
  const kinds = spreadKinds(await reader.stream(kindBytes(count), NO_BYTES), count)
  const [few, whole] = [countOf(kinds, PAGE_KINDS.words), countOf(kinds, PAGE_KINDS.whole)]
  const summaries = await reader.stream(few * summaryBytes(pageBytes), NO_BYTES)
  const marks = await reader.stream(countMarks(summaries, pageBytes), NO_BYTES)
  const changed = marks.reduce((sum, bits) => sum + bitCount(bits), 0)
  const prefix = gatherPrefix(pages, kinds, named, pageBytes)
  const content = await reader.stream(whole * pageBytes, prefix)
  const words = await joinWords(changed, (lengthBytes) => reader.stream(lengthBytes, NO_BYTES))
  reader.end()
  write(pages, pageBytes, kinds, summaries, marks, content, words)
  return kinds
}

class StreamReader {
  readonly #codecs: Codecs
  readonly #delta: Uint8Array
  #at = 0

  constructor(codecs: Codecs, delta: Uint8Array) {
    this.#codecs = codecs
    this.#delta = delta
  }

  get left(): number {
    return this.#delta.length - this.#at
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < MAX_VARINT_BYTES; count += 1) {
      const byte = this.#delta[this.#at]
      if (byte === undefined) break
      this.#at += 1
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw corrupt(WHAT, 'an integer is cut off or too long')
  }

  /** The next stream, which must decode to exactly `lengthBytes`. */
  async stream(lengthBytes: number, prefix: Uint8Array): Promise<Uint8Array> {
    const head = this.varint()
    const packedBytes = Math.floor(head / 4)
    if (packedBytes > this.left) throw corrupt(WHAT, 'a stream is cut off')
    const packed = this.#delta.subarray(this.#at, this.#at + packedBytes)
    this.#at += packedBytes
    const bytes = await this.#unpack(head % 4, packed, lengthBytes, prefix)
    if (bytes.length !== lengthBytes) throw corrupt(WHAT, `a stream of ${bytes.length} bytes stands where ${lengthBytes} belong`)
    return bytes
  }

  end(): void {
    if (this.left > 0) throw corrupt(WHAT, 'bytes follow the last stream')
  }

  async #unpack(codec: number, packed: Uint8Array, lengthBytes: number, prefix: Uint8Array): Promise<Uint8Array> {
    const { zstd, lz4 } = this.#codecs
    if (codec === STREAM_CODECS.raw) return packed
    try {
      if (codec !== STREAM_CODECS.lz4) return await zstd.decompress(packed, lengthBytes, codec === STREAM_CODECS.zstd ? NO_BYTES : prefix)
    } catch (error) {
      throw isDwcpError(error, 'ERR_NATIVE_TOO_LARGE') ? corrupt(WHAT, error.message) : error
    }
    if (lengthBytes / 255 > packed.length) throw corrupt(WHAT, `${packed.length} bytes of LZ4 cannot hold ${lengthBytes}`)
    return lz4.decompress(packed, lengthBytes, prefix.subarray(-LZ4_PREFIX_BYTES))
  }
}

/** Ascending by construction, so that their number is bounded by that of the pages there are. */
function readNamed(reader: StreamReader, total: number): ReadonlySet<number> {
  const count = reader.varint()
  if (count > total || count > reader.left) throw corrupt(WHAT, `${count} pages are named, and there are ${total}`)
  const named = new Set<number>()
  let next = 0
  for (let left = count; left > 0; left -= 1) {
    next += reader.varint()
    if (next >= total) throw corrupt(WHAT, `page ${next} is named, and there are ${total}`)
    named.add(next)
    next += 1
  }
  return named
}

function spreadKinds(packed: Uint8Array, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, page) => ((packed[page >>> 2] ?? 0) >>> ((page & 3) * 2)) & 3)
}

function countOf(kinds: Uint8Array, wanted: number): number {
  return kinds.reduce((sum, kind) => sum + (kind === wanted ? 1 : 0), 0)
}

function countMarks(summaries: Uint8Array, pageBytes: number): number {
  const perPage = summaryBytes(pageBytes)
  const spareBits = perPage * 8 - maskBytes(pageBytes)
  let marked = 0
  for (const [at, bits] of summaries.entries()) {
    if (at % perPage === perPage - 1 && bits >>> (8 - spareBits) !== 0) throw corrupt(WHAT, 'a mask is longer than its page')
    marked += bitCount(bits)
  }
  return marked
}

function bitCount(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1
  return count
}

function gatherPrefix(pages: Uint8Array, kinds: Uint8Array, named: ReadonlySet<number>, pageBytes: number): Uint8Array {
  const words = wordsOf(pages)
  const chosen = [...named]
  for (const [page, kind] of kinds.entries()) {
    if (kind === PAGE_KINDS.whole && !named.has(page) && !isZeroPage(words, pageBytes / 4, page)) chosen.push(page)
  }
  const prefix = new Uint8Array(chosen.length * pageBytes)
  for (const [index, page] of chosen.entries()) prefix.set(pages.subarray(page * pageBytes, (page + 1) * pageBytes), index * pageBytes)
  return prefix
}

function write(
  pages: Uint8Array,
  pageBytes: number,
  kinds: Uint8Array,
  summaries: Uint8Array,
  marks: Uint8Array,
  content: Uint8Array,
  words: Uint8Array,
): void {
  let [nextPage, nextWord, nextMark, nextSummary] = [0, 0, 0, 0]
  for (const [page, kind] of kinds.entries()) {
    const at = page * pageBytes
    if (kind === PAGE_KINDS.zero) pages.fill(0, at, at + pageBytes)
    if (kind === PAGE_KINDS.whole) {
      pages.set(content.subarray(nextPage, nextPage + pageBytes), at)
      nextPage += pageBytes
    }
    if (kind !== PAGE_KINDS.words) continue
    for (let step = 0; step < maskBytes(pageBytes); step += 1) {
      if ((((summaries[nextSummary + (step >>> 3)] ?? 0) >>> (step & 7)) & 1) === 0) continue
      const bits = marks[nextMark] ?? 0
      nextMark += 1
      for (let word = 0; word < 8; word += 1) {
        if (((bits >>> word) & 1) === 0) continue
        pages.set(words.subarray(nextWord, nextWord + WORD_BYTES), at + step * PAGE_STEP_BYTES + word * WORD_BYTES)
        nextWord += WORD_BYTES
      }
    }
    nextSummary += summaryBytes(pageBytes)
  }
}
