import { isDwcpError } from '@dwcp/interface'
import type { ZstdCodec } from './codec-backend.js'
import type { Codecs } from './codec-choice.js'
import { isZeroPage, kindBytes, LZ4_PREFIX_BYTES, maskBytes, PAGE_KINDS, STREAM_CODECS, WORD_BYTES, wordsOf } from './page-format.js'
import { isFullWord, splitWords } from './word-classes.js'

/** As native/page_delta_encode.cc has them. */
const FULL_WORDS_SHARE = 0.7
const FEW_WORDS_SHARE = 1 / 16

/** The twin of native/page_delta_encode.cc. It names no pages that something moved out of: the old content of a page is its only help. */
export async function encodePageDeltaJs(
  codecs: Codecs,
  newPages: Uint8Array,
  oldPages: Uint8Array,
  pageBytes: number,
  level: number,
): Promise<Uint8Array> {
  const { kinds, summaries, marks, words, content, prefix } = describe(newPages, oldPages, pageBytes, level !== 0)
  const parts: Uint8Array[] = [varint(0)]
  const streams: (readonly [Uint8Array, Uint8Array?])[] = [[kinds], [summaries], [marks], [content, prefix]]
  for (const stream of splitWords(words)) streams.push([stream])
  for (const [source, help] of streams) {
    const { codec, bytes } = await pack(codecs, source, help, level)
    parts.push(varint(bytes.length * 4 + codec), bytes)
  }
  return concat(parts)
}

interface Description {
  readonly kinds: Uint8Array
  readonly summaries: Uint8Array
  readonly marks: Uint8Array
  readonly words: Uint8Array
  readonly content: Uint8Array
  readonly prefix: Uint8Array
}

function describe(newPages: Uint8Array, oldPages: Uint8Array, pageBytes: number, packs: boolean): Description {
  const count = newPages.length / pageBytes
  const pageWords = pageBytes / 4
  const [now, old] = [wordsOf(newPages), wordsOf(oldPages)]
  const kinds = new Uint8Array(kindBytes(count))
  const summaries: Uint8Array[] = []
  const marks: number[] = []
  const words: Uint8Array[] = []
  const whole: Uint8Array[] = []
  const prefix: Uint8Array[] = []
  for (let page = 0; page < count; page += 1) {
    const { mask, changed } = compare(now, old, page * pageWords, pageBytes)
    if (changed === 0) continue
    const bytes = newPages.subarray(page * pageBytes, (page + 1) * pageBytes)
    let kind: number = PAGE_KINDS.words
    const few = changed > pageBytes / WORD_BYTES / 2 ? undefined : changedWords(bytes, mask, changed)
    if (isZeroPage(now, pageWords, page)) kind = PAGE_KINDS.zero
    else if (few === undefined || (packs && isBetterWhole(few, pageBytes))) {
      kind = PAGE_KINDS.whole
      whole.push(bytes)
      if (!isZeroPage(old, pageWords, page)) prefix.push(oldPages.subarray(page * pageBytes, (page + 1) * pageBytes))
    } else {
      summaries.push(summarize(mask, marks))
      words.push(few)
    }
    kinds[page >>> 2] = (kinds[page >>> 2] ?? 0) | (kind << ((page & 3) * 2))
  }
  return {
    kinds,
    summaries: concat(summaries),
    marks: Uint8Array.from(marks),
    words: concat(words),
    content: concat(whole),
    prefix: concat(prefix),
  }
}

function compare(
  now: Uint32Array,
  old: Uint32Array,
  first: number,
  pageBytes: number,
): { readonly mask: Uint8Array; readonly changed: number } {
  const mask = new Uint8Array(maskBytes(pageBytes))
  let changed = 0
  for (let word = 0; word < pageBytes / WORD_BYTES; word += 1) {
    const at = first + word * 2
    if (now[at] === old[at] && now[at + 1] === old[at + 1]) continue
    mask[word >>> 3] = (mask[word >>> 3] ?? 0) | (1 << (word & 7))
    changed += 1
  }
  return { mask, changed }
}

/** The changed words of a page, one after the other. */
function changedWords(page: Uint8Array, mask: Uint8Array, changed: number): Uint8Array {
  const words = new Uint8Array(changed * WORD_BYTES)
  let end = 0
  for (let word = 0; word < page.length / WORD_BYTES; word += 1) {
    if ((((mask[word >>> 3] ?? 0) >>> (word & 7)) & 1) === 0) continue
    words.set(page.subarray(word * WORD_BYTES, (word + 1) * WORD_BYTES), end)
    end += WORD_BYTES
  }
  return words
}

function isBetterWhole(words: Uint8Array, pageBytes: number): boolean {
  if (words.length <= pageBytes * FEW_WORDS_SHARE) return false
  let full = 0
  for (let at = 0; at < words.length; at += WORD_BYTES) if (isFullWord(words, at)) full += 1
  return full * WORD_BYTES > words.length * FULL_WORDS_SHARE
}

/** @returns the summary of the mask. */
function summarize(mask: Uint8Array, marks: number[]): Uint8Array {
  const summary = new Uint8Array(Math.ceil(mask.length / 8))
  for (const [step, bits] of mask.entries()) {
    if (bits === 0) continue
    summary[step >>> 3] = (summary[step >>> 3] ?? 0) | (1 << (step & 7))
    marks.push(bits)
  }
  return summary
}

interface Packed {
  readonly codec: number
  readonly bytes: Uint8Array
}

async function pack(codecs: Codecs, source: Uint8Array, prefix: Uint8Array = new Uint8Array(), level: number): Promise<Packed> {
  const raw = { codec: STREAM_CODECS.raw, bytes: source }
  if (source.length === 0 || level === 0) return raw
  const packed = codecs.zstd.backend.canEncode
    ? await packZstd(codecs.zstd, source, prefix, level)
    : { codec: STREAM_CODECS.lz4, bytes: await codecs.lz4.compress(source, prefix.subarray(-LZ4_PREFIX_BYTES)) }
  return packed.bytes.length < source.length ? packed : raw
}

async function packZstd(zstd: ZstdCodec, source: Uint8Array, prefix: Uint8Array, level: number): Promise<Packed> {
  try {
    const codec = prefix.length > 0 ? STREAM_CODECS.zstdPrefix : STREAM_CODECS.zstd
    return { codec, bytes: await zstd.compress(source, level, prefix) }
  } catch (error) {
    // A zlib that takes no prefix, or not one that begins like this.
    if (prefix.length === 0 || !isDwcpError(error, 'ERR_NATIVE_UNAVAILABLE')) throw error
    return { codec: STREAM_CODECS.zstd, bytes: await zstd.compress(source, level, new Uint8Array()) }
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
