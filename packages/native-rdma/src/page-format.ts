/** What encoder and decoder of page deltas share: docs/wire/hde.md § page delta. */

/** Two bits a page. */
export const PAGE_KINDS = { same: 0, words: 1, whole: 2, zero: 3 } as const

/** Two bits of each stream's head. LZ4 takes the prefix where there is one. */
export const STREAM_CODECS = { raw: 0, zstd: 1, zstdPrefix: 2, lz4: 3 } as const

export const WORD_BYTES = 8
/** Pages are multiples of this, so that a mask of their words is whole bytes. */
export const PAGE_STEP_BYTES = 64
/** Of a prefix, what LZ4 reaches. */
export const LZ4_PREFIX_BYTES = 65_536
export const MAX_VARINT_BYTES = 8

/** How many bytes hold two bits for each of so many pages. */
export function kindBytes(pages: number): number {
  return Math.ceil(pages / 4)
}

/** Of a page's mask, one bit a word. */
export function maskBytes(pageBytes: number): number {
  return pageBytes / PAGE_STEP_BYTES
}

/** Of the summary of a page's mask, one bit for each of its bytes. */
export function summaryBytes(pageBytes: number): number {
  return Math.ceil(maskBytes(pageBytes) / 8)
}

/** Pages as 32-bit words, wherever they begin. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes)
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >>> 2)
}

export function isZeroPage(words: Uint32Array, pageWords: number, page: number): boolean {
  for (let at = page * pageWords; at < (page + 1) * pageWords; at += 1) if (words[at] !== 0) return false
  return true
}
