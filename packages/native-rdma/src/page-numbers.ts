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

/** The index of the last one that begins at this number or before: of those that are counted through, and may have no pages, the only one that may have it. */
export function lastBefore(regions: readonly Pick<PageRegion, 'firstPage'>[], number: number): number {
  let [low, high] = [0, regions.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((regions[middle]?.firstPage ?? 0) <= number) low = middle + 1
    else high = middle
  }
  return low - 1
}
