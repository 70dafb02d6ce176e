import { type Addon, addonWith } from './addon.js'
import type { Backend } from './backend.js'
import { chosenCodecs } from './codec-choice.js'
import { requireLent } from './lent-bytes.js'
import { applyPageDeltaJs } from './page-delta-apply.js'
import { encodePageDeltaJs } from './page-delta-encode.js'
import { isZeroPage, PAGE_KINDS, PAGE_STEP_BYTES, wordsOf } from './page-format.js'
import { settle } from './settle.js'

/**
 * How long pages are, and how hard to try.
 *
 * @public
 */
export interface PageDeltaEncodeOptions {
  /** A multiple of 64. */
  readonly pageBytes: number
  /**
   * Of zstd, -131072 (fastest) to 22 (smallest); above 5 the time grows much faster than the bytes shrink. 0 leaves the changed words
   * and pages as they are, for links that outrun every codec. @defaultValue 3
   */
  readonly level?: number
}

/**
 * How long pages are, and how many of them are described.
 *
 * @public
 */
export interface PageDeltaApplyOptions {
  /** As the delta was made with. */
  readonly pageBytes: number
  /** Pages described, from the first on. @defaultValue all */
  readonly count?: number
}

/**
 * What became of a page, as {@link applyPageDelta} and {@link scanPages} tell it.
 *
 * @public
 */
export type PageKind = keyof typeof PAGE_KINDS

/**
 * The numbers that stand for each {@link PageKind}.
 *
 * @public
 */
export const PAGE_KIND_CODES: Readonly<Record<PageKind, number>> = PAGE_KINDS

const DEFAULT_LEVEL = 3
const MIN_LEVEL = -131_072
const MAX_LEVEL = 22
/** What an encoding and its lengths can count. */
const MAX_PAGE_BYTES = 2 ** 30

let found: { readonly backend: Backend; readonly addon?: Addon } | undefined

function kernel(): { readonly backend: Backend; readonly addon?: Addon } {
  found ??= addonWith('pages')
  return found
}

/**
 * Which implementation serves page deltas on this host, and why.
 *
 * @public
 */
export function pageDeltaBackend(): Backend {
  return kernel().backend
}

/**
 * Describes pages by their old content, as few bytes as that takes: same, zero, some words, or the whole page with what moved into it.
 * One job on the libuv thread pool, which borrows both arrays until the promise settles; without the addon on the calling thread.
 *
 * @param oldPages - The old content of each new page, in order, and behind it any further pages that the decoder will hold too.
 * @throws `RangeError` for lengths that are no whole pages; `ERR_NATIVE_OUT_OF_MEMORY`.
 *
 * @example
 * ```ts
 * import { applyPageDelta, encodePageDelta } from '@dwcp/native-rdma/codec'
 * const memory = new Uint8Array(65_536).fill(7)
 * const next = Uint8Array.from(memory).fill(8, 100, 120)
 * const delta = await encodePageDelta(next, memory, { pageBytes: 4096 })
 * const kinds = await applyPageDelta(delta, memory, { pageBytes: 4096 })
 * console.log(delta.length, kinds[0], memory[100])
 * ```
 * @public
 */
export async function encodePageDelta(newPages: Uint8Array, oldPages: Uint8Array, options: PageDeltaEncodeOptions): Promise<Uint8Array> {
  const { pageBytes, level = DEFAULT_LEVEL } = options
  requireLent('newPages', newPages)
  requireLent('oldPages', oldPages)
  requirePages(newPages, oldPages, pageBytes)
  if (!Number.isInteger(level) || level < MIN_LEVEL || level > MAX_LEVEL) {
    throw new RangeError(`level must be an integer from ${MIN_LEVEL} to ${MAX_LEVEL}, not ${level}`)
  }
  const { addon } = kernel()
  if (addon === undefined) return encodePageDeltaJs(chosenCodecs(), newPages, oldPages, pageBytes, level)
  return settle('a page delta', Number.POSITIVE_INFINITY, addon.pageDeltaEncode(newPages, oldPages, pageBytes, level))
}

/**
 * Turns old pages into the new ones, in place, and gives what became of each: one number a page, of {@link PAGE_KIND_CODES}.
 * Runs as {@link encodePageDelta} does, and writes to `pages` until its promise settles; where it rejects, they are as they were.
 *
 * @param pages - What `oldPages` was, byte for byte. Other bytes give wrong pages without an error: verify a digest.
 * @throws `ERR_NATIVE_CORRUPT`; `ERR_NATIVE_OUT_OF_MEMORY`; `RangeError` as {@link encodePageDelta}. What it allocates is bounded by
 * three times the length of `pages`.
 * @public
 */
export async function applyPageDelta(delta: Uint8Array, pages: Uint8Array, options: PageDeltaApplyOptions): Promise<Uint8Array> {
  const { pageBytes, count = pages.length / pageBytes } = options
  requireLent('delta', delta)
  requireLent('pages', pages)
  requirePages(pages, pages, pageBytes)
  if (!Number.isInteger(count) || count < 0 || count * pageBytes > pages.length) {
    throw new RangeError(`count must be a whole number up to ${pages.length / pageBytes}, not ${count}`)
  }
  const { addon } = kernel()
  if (addon === undefined) return applyPageDeltaJs(chosenCodecs(), delta, pages, count, pageBytes)
  return settle('a page delta', pages.length, addon.pageDeltaApply(delta, pages, count, pageBytes))
}

/**
 * Whether each new page is zero, equal to the old one, or neither, at the speed of memory and on the calling thread: one number a
 * page, of {@link PAGE_KIND_CODES}, `words` where it is neither.
 *
 * @throws `RangeError` as {@link encodePageDelta}.
 * @public
 */
export function scanPages(newPages: Uint8Array, oldPages: Uint8Array, pageBytes: number): Uint8Array {
  requirePages(newPages, oldPages, pageBytes)
  const kinds = new Uint8Array(newPages.length / pageBytes)
  const { addon } = kernel()
  if (addon !== undefined) {
    addon.scanPages(oldPages, newPages, pageBytes, kinds)
    return kinds
  }
  const [now, old] = [Buffer.from(newPages.buffer, newPages.byteOffset, newPages.length), oldPages]
  const words = wordsOf(newPages)
  for (const page of kinds.keys()) {
    const at = page * pageBytes
    const same = now.compare(old, at, at + pageBytes, at, at + pageBytes) === 0
    kinds[page] = isZeroPage(words, pageBytes / 4, page) ? PAGE_KINDS.zero : same ? PAGE_KINDS.same : PAGE_KINDS.words
  }
  return kinds
}

function requirePages(newPages: Uint8Array, oldPages: Uint8Array, pageBytes: number): void {
  if (!Number.isInteger(pageBytes) || pageBytes < PAGE_STEP_BYTES || pageBytes > MAX_PAGE_BYTES || pageBytes % PAGE_STEP_BYTES !== 0) {
    throw new RangeError(`pageBytes must be a multiple of ${PAGE_STEP_BYTES} up to ${MAX_PAGE_BYTES}, not ${pageBytes}`)
  }
  if (newPages.length % pageBytes !== 0 || oldPages.length % pageBytes !== 0) {
    throw new RangeError(`${newPages.length} and ${oldPages.length} bytes are no whole pages of ${pageBytes}`)
  }
  if (oldPages.length < newPages.length) throw new RangeError(`${oldPages.length} bytes of old pages for ${newPages.length} of new ones`)
}
