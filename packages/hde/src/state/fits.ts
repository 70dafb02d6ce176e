import type { PageImage, PageRegion } from '@dwcp/native-rdma/codec'

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
