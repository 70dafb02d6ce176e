import type { PageImage, PageRegion } from '@dwcp/native-rdma/codec'
import { PAGES_MAX } from './layout.js'

/** Whether a workload with these regions can build on this image. */
export function fits(image: PageImage, layout: readonly PageRegion[]): boolean {
  return (
    image.regions.length <= layout.length &&
    image.regions.every(({ pageBytes, firstPage }, region) => {
      const asked = layout[region]
      // Pages are indexed counted through: the count must be the same, except that the last region may have another bound.
      return asked?.pageBytes === pageBytes && asked.firstPage === firstPage && image.endPage(region) <= asked.maxPages
    })
  )
}

/** Whether the pages of a workload, and behind them those of these images, can be counted through. */
export function fitsNumbers(layout: readonly PageRegion[], others: readonly PageImage[]): boolean {
  const pages = [layout, ...others.map(({ regions }) => regions)].flat().reduce((sum, { maxPages }) => sum + maxPages, 0)
  return pages <= PAGES_MAX
}
