import { locate, type RegionShape } from './layout.js'
import { PageIndex } from './page-index.js'
import { RegionImage } from './region-image.js'

/** Of the index by tags, in entries a page: guests have about two tags for each page, and zero pages have none. */
const TAGS_PER_INDEXED_PAGE = 2

/** What the other side has of a workload: its regions, and indexes of their pages by content and by pieces of it. */
export class Image {
  readonly regions: readonly RegionImage[]
  readonly #layout: readonly RegionShape[]
  readonly #index: PageIndex
  readonly #pieces: PageIndex

  private constructor(layout: readonly RegionShape[], regions: readonly RegionImage[], index: PageIndex, pieces: PageIndex) {
    this.#layout = layout
    this.regions = regions
    this.#index = index
    this.#pieces = pieces
  }

  static empty(layout: readonly RegionShape[]): Image {
    const regions = layout.map(({ pageBytes, maxPages }) => new RegionImage(pageBytes, maxPages))
    const pages = pagesOf(layout)
    return new Image(layout, regions, new PageIndex(pages), new PageIndex(pages * TAGS_PER_INDEXED_PAGE))
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
    const pages = pagesOf(layout)
    return new Image(layout, regions, this.#index.fork(pages), this.#pieces.fork(pages * TAGS_PER_INDEXED_PAGE))
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

  /** The number, counted through, of a page of this length that was seen to hold a piece with this tag. */
  findPiece(tag: number, pageBytes: number): number | undefined {
    const pageNumber = this.#pieces.find(tag)
    const place = pageNumber === undefined ? undefined : locate(this.#layout, pageNumber)
    if (place === undefined) return undefined
    const region = this.regions[place.region]
    return region?.pageBytes === pageBytes && region.holds(place.page) ? pageNumber : undefined
  }

  /** Of a page, counted through. */
  numberOf(region: number, page: number): number {
    return (this.#layout[region]?.firstPage ?? 0) + page
  }

  /** Into `target`, which holds zeros there. */
  read(pageNumber: number, target: Buffer, offset: number): void {
    const place = locate(this.#layout, pageNumber)
    if (place !== undefined) this.regions[place.region]?.read(place.page, target, offset)
  }

  /** Takes over one page; `hash` is its XXH3-128. */
  write(region: number, page: number, bytes: Buffer, offset: number, hash: Buffer, hashOffset: number, tags: Uint32Array): void {
    this.regions[region]?.write(page, bytes, offset)
    const pages = this.regions.reduce((sum, { endPage }) => sum + endPage, 0)
    const pageNumber = this.numberOf(region, page)
    this.#index.insert(hash.readUInt32BE(hashOffset), pageNumber, pages)
    for (const tag of tags) {
      if (tag === 0) break
      this.#pieces.insert(tag, pageNumber, pages * TAGS_PER_INDEXED_PAGE)
    }
  }

  /** Bytes besides the segments. */
  get overheadBytes(): number {
    return this.regions.reduce((sum, region) => sum + region.heldMapBytes, this.#index.lengthBytes + this.#pieces.lengthBytes)
  }

  get lengthBytes(): number {
    return this.regions.reduce((sum, region) => sum + region.segmentsBytes, this.overheadBytes)
  }
}

function pagesOf(layout: readonly RegionShape[]): number {
  return layout.reduce((sum, shape) => sum + shape.maxPages, 0)
}
