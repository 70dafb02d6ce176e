import { addonWith } from './addon.js'
import { PAGE_STEP_BYTES, WORD_BYTES, wordsOf } from './page-format.js'

/**
 * Tags that {@link tagPages} gives for each page.
 *
 * @public
 */
export const TAGS_PER_PAGE: number = 8

/** Of native/page_scan.cc: tags of both are the same on little-endian processors. */
const ANCHOR_FACTOR = 2654435761
const ANCHOR_SHIFT = 26
const ANCHOR_SIGN = 1
const SEED_UNITS = 8

/**
 * What content that has moved is recognised by: up to {@link TAGS_PER_PAGE} 32-bit hashes a page, of pieces of 32 bytes that begin
 * at words which their content alone chooses, about one in 64 that is not zero. Where a page has fewer, zeros follow. Runs on the
 * calling thread.
 *
 * @throws `RangeError` unless `pageBytes` is a multiple of 64 and `pages` whole pages.
 * @public
 */
export function tagPages(pages: Uint8Array, pageBytes: number): Uint32Array {
  if (!Number.isInteger(pageBytes) || pageBytes < PAGE_STEP_BYTES || pageBytes % PAGE_STEP_BYTES !== 0 || pages.length % pageBytes !== 0) {
    throw new RangeError(`${pages.length} bytes are no whole pages of ${pageBytes}, which must be a multiple of ${PAGE_STEP_BYTES}`)
  }
  const tags = new Uint32Array((pages.length / pageBytes) * TAGS_PER_PAGE)
  const { addon } = addonWith('pages')
  if (addon === undefined) tagPagesJs(pages, pageBytes, tags)
  else addon.tagPages(pages, pageBytes, tags)
  return tags
}

/** The twin of TagPages in native/page_scan.cc; of a page with more anchors than tags it may choose others. */
export function tagPagesJs(pages: Uint8Array, pageBytes: number, tags: Uint32Array): void {
  const units = wordsOf(pages)
  const pageUnits = pageBytes / 4
  for (let first = 0, next = 0; first < units.length; first += pageUnits, next += TAGS_PER_PAGE) {
    let tagged = 0
    for (let at = first; at + SEED_UNITS <= first + pageUnits && tagged < TAGS_PER_PAGE; at += WORD_BYTES / 4) {
      const folded = (units[at] ?? 0) ^ (units[at + 1] ?? 0)
      if (Math.imul(folded, ANCHOR_FACTOR) >>> ANCHOR_SHIFT !== ANCHOR_SIGN) continue
      tags[next + tagged] = tagOf(units, at)
      tagged += 1
    }
  }
}

function tagOf(units: Uint32Array, from: number): number {
  let hash = 0
  for (let at = from; at < from + SEED_UNITS; at += 1) {
    hash = Math.imul(hash ^ (units[at] ?? 0), ANCHOR_FACTOR)
    hash ^= hash >>> 15
  }
  return hash === 0 ? 1 : hash >>> 0
}
