import { locate, type RegionShape } from './layout.js'
import { PageIndex } from './page-index.js'
import { RegionImage } from './region-image.js'

/** What the other side has of a workload: its regions, and an index of their pages by content. */
export class Image {
  readonly regions: readonly RegionImage[]
  readonly #layout: readonly RegionShape[]
  readonly #index: PageIndex

  private constructor(layout: readonly RegionShape[], regions: readonly RegionImage[], index: PageIndex) {
    this.#layout = layout
    this.regions = regions
    this.#index = index
  }

  static empty(layout: readonly RegionShape[]): Image {
    const regions = layout.map(({ pageBytes, maxPages }) => new RegionImage(pageBytes, maxPages))
    return new Image(layout, regions, new PageIndex(pagesOf(layout)))
  }

  /** Whether a workload of this layout can build on this image. */
  fits(layout: readonly RegionShape[]): boolean {
    return (
      this.#layout.length <= layout.length &&
      this.#layout.every((shape, region) => {
        const asked = layout[region]
        // Pages are indexed counted through: the count must be the same, except that the last region may have another bound.
        return (
          asked?.pageBytes === shape.pageBytes &&
          asked.firstPage === shape.firstPage &&
          (this.regions[region]?.endPage ?? 0) <= asked.maxPages
        )
      })
    )
  }

  /** A copy that shares what neither writes. Only for a layout that {@link Image.fits}. */
  fork(layout: readonly RegionShape[]): Image {
    const regions = layout.map(({ pageBytes, maxPages }, region) => new RegionImage(pageBytes, maxPages, this.regions[region]))
    return new Image(layout, regions, this.#index.fork(pagesOf(layout)))
  }

  /** The number, counted through, of a page that holds exactly these bytes; `hash` is its XXH3-128. */
  findEqual(hash: Buffer, hashOffset: number, bytes: Buffer, offset: number, pageBytes: number): number | undefined {
    const pageNumber = this.#index.find(hash.readUInt32BE(hashOffset))
    const place = pageNumber === undefined ? undefined : locate(this.#layout, pageNumber)
    if (place === undefined) return undefined
    const region = this.regions[place.region]
    // XXH3 is not collision-resistant, and entries may be stale: the bytes decide.
    return region?.pageBytes === pageBytes && region.equals(place.page, bytes, offset) ? pageNumber : undefined
  }

  /** Takes over one page; `hash` is its XXH3-128. */
  write(region: number, page: number, bytes: Buffer, offset: number, hash: Buffer, hashOffset: number): void {
    this.regions[region]?.write(page, bytes, offset)
    const pages = this.regions.reduce((sum, { endPage }) => sum + endPage, 0)
    this.#index.insert(hash.readUInt32BE(hashOffset), (this.#layout[region]?.firstPage ?? 0) + page, pages)
  }

  /** Bytes besides the segments. */
  get overheadBytes(): number {
    return this.regions.reduce((sum, region) => sum + region.heldMapBytes, this.#index.lengthBytes)
  }

  get lengthBytes(): number {
    return this.regions.reduce((sum, region) => sum + region.segmentsBytes, this.overheadBytes)
  }
}

function pagesOf(layout: readonly RegionShape[]): number {
  return layout.reduce((sum, shape) => sum + shape.maxPages, 0)
}
