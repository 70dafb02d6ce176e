import type { PageImage, PageRegion } from './page-image.js'

/** Pages that regions may have. */
export function countOf(regions: readonly PageRegion[]): number {
  return regions.reduce((sum, { maxPages }) => sum + maxPages, 0)
}

/** Of an image with these regions that looks into others. */
export function endNumberOf(regions: readonly PageRegion[], others: readonly PageImage[]): number {
  const last = regions.at(-1)
  return others.reduce((sum, other) => sum + countOf(other.regions), last === undefined ? 0 : last.firstPage + last.maxPages)
}
