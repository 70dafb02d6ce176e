import type { Backend } from './backend.js'
import type { PageHash } from './hash-contract.js'
import { ScriptPageBatch } from './page-batch-js.js'
import { ScriptPageReader } from './page-frame-js.js'
import type { PageImage, PageImages, PageRegion } from './page-image.js'
import { PageIndex } from './page-index.js'
import { countOf, endNumberOf, lastBefore } from './page-numbers.js'
import { RegionImage } from './region-image.js'

const HASH_BYTES = 16

export function scriptImages(hash: PageHash, backend: Backend): PageImages {
  const keeps: SegmentKeeps = new Map()
  return {
    backend,
    create: (regions) => ScriptPageImage.empty(regions, hash, keeps),
    batch: (image) => new ScriptPageBatch(hash, image === undefined ? undefined : ownImage(image)),
    reader: (image) => new ScriptPageReader(hash, image === undefined ? undefined : ownImage(image)),
  }
}

/** How many kept images share each segment. */
type SegmentKeeps = Map<Uint8Array, number>

/** Pages of one length, counted through from `firstPage` on. */
interface Stretch {
  readonly firstPage: number
  readonly memory: RegionImage
}

/** The twin of PageImage in native/page_image.cc. */
export class ScriptPageImage implements PageImage {
  readonly regions: readonly PageRegion[]
  readonly memories: readonly RegionImage[]
  readonly endNumber: number
  /** The regions, and behind them those of the images that it looks into. */
  #stretches: readonly Stretch[]
  readonly #index: PageIndex
  /** Of the images that it looks into: their entries do not go stale, and what is kept is without them. */
  #othersIndex: PageIndex
  readonly #hash: PageHash
  readonly #keeps: SegmentKeeps
  #keptOverheadBytes = 0

  private constructor(
    regions: readonly PageRegion[],
    memories: readonly RegionImage[],
    index: PageIndex,
    { hash, keeps }: { readonly hash: PageHash; readonly keeps: SegmentKeeps },
    others: readonly ScriptPageImage[] = [],
  ) {
    this.regions = regions
    this.memories = memories
    this.endNumber = endNumberOf(regions, others)
    this.#index = index
    this.#hash = hash
    this.#keeps = keeps
    const own = memories.map((memory, region) => ({ firstPage: regions[region]?.firstPage ?? 0, memory }))
    this.#othersIndex = new PageIndex(this.endNumber)
    const seen: Stretch[] = []
    let end = endNumberOf(regions, [])
    for (const other of others) {
      this.#othersIndex.insertAll(other.#index, end)
      for (const memory of other.memories) {
        // What is written to the other one from now on is not seen here.
        seen.push({ firstPage: end, memory: new RegionImage(memory.pageBytes, memory.maxPages, memory) })
        end += memory.maxPages
      }
    }
    this.#stretches = [...own, ...seen]
  }

  static empty(regions: readonly PageRegion[], hash: PageHash, keeps: SegmentKeeps): ScriptPageImage {
    const memories = regions.map(({ pageBytes, maxPages }) => new RegionImage(pageBytes, maxPages))
    return new ScriptPageImage(regions, memories, new PageIndex(countOf(regions)), { hash, keeps })
  }

  endPage(region: number): number {
    return this.memories[region]?.endPage ?? 0
  }

  fork(regions: readonly PageRegion[], others: readonly PageImage[] = []): ScriptPageImage {
    const memories = regions.map(({ pageBytes, maxPages }, region) => new RegionImage(pageBytes, maxPages, this.memories[region]))
    const seen = others.map((other) => ownImage(other))
    const index = this.#index.fork(countOf(regions))
    return new ScriptPageImage(regions, memories, index, { hash: this.#hash, keeps: this.#keeps }, seen)
  }

  async countKnown(pages: Uint8Array, pageBytes: number): Promise<number> {
    const bytes = Buffer.from(pages.buffer, pages.byteOffset, pages.length)
    const zeros = Buffer.alloc(pageBytes)
    const hashes = bufferOf(this.#hash.hashPages(pages, pageBytes))
    let known = 0
    for (let at = 0, hashAt = 0; at < pages.length; at += pageBytes, hashAt += HASH_BYTES) {
      if (bytes.compare(zeros, 0, pageBytes, at, at + pageBytes) === 0) continue
      if (this.findEqual(hashes, hashAt, bytes, at, pageBytes) !== undefined) known += 1
    }
    return known
  }

  keep(): number {
    this.#stretches = this.#stretches.slice(0, this.regions.length)
    this.#othersIndex = new PageIndex(0)
    this.#keptOverheadBytes = this.#overheadBytes
    return this.#keptOverheadBytes + this.#count(1)
  }

  unkeep(): number {
    return this.#keptOverheadBytes + this.#count(-1)
  }

  get lengthBytes(): number {
    return this.memories.reduce((sum, memory) => sum + memory.segmentsBytes, this.#overheadBytes)
  }

  close(): void {
    // Nothing to free: the collector sees this memory.
  }

  /** The number, counted through, of a page that holds exactly these bytes; the hash is its XXH3-128. */
  findEqual(hashes: Buffer, hashOffset: number, bytes: Buffer, offset: number, pageBytes: number): number | undefined {
    const tag = hashes.readUInt32BE(hashOffset)
    return (
      this.#equal(this.#index.find(tag), bytes, offset, pageBytes) ?? this.#equal(this.#othersIndex.find(tag), bytes, offset, pageBytes)
    )
  }

  /** Where a page of this length is; undefined where there is none. */
  locate(number: number, pageBytes: number): { readonly memory: RegionImage; readonly page: number } | undefined {
    const stretch = this.#stretches[lastBefore(this.#stretches, number)]
    if (stretch === undefined) return undefined
    const { memory, firstPage } = stretch
    return number < firstPage + memory.maxPages && memory.pageBytes === pageBytes ? { memory, page: number - firstPage } : undefined
  }

  /** Into `target`, which holds zeros there. */
  read(number: number, pageBytes: number, target: Buffer, offset: number): void {
    const place = this.locate(number, pageBytes)
    place?.memory.read(place.page, target, offset)
  }

  /** Takes over one page; the hash is its XXH3-128. */
  write(region: number, page: number, bytes: Buffer, offset: number, hashes: Buffer, hashOffset: number): void {
    const shape = this.regions[region]
    if (shape === undefined) return
    this.memories[region]?.write(page, bytes, offset)
    const pages = this.memories.reduce((sum, { endPage }) => sum + endPage, 0)
    this.#index.insert(hashes.readUInt32BE(hashOffset), shape.firstPage + page, pages)
  }

  #equal(number: number | undefined, bytes: Buffer, offset: number, pageBytes: number): number | undefined {
    const place = number === undefined ? undefined : this.locate(number, pageBytes)
    // XXH3 is not collision-resistant, and entries may be stale: the bytes decide.
    return place?.memory.equals(place.page, bytes, offset) === true ? number : undefined
  }

  get #overheadBytes(): number {
    return this.memories.reduce((sum, memory) => sum + memory.heldMapBytes, this.#index.lengthBytes)
  }

  #count(change: 1 | -1): number {
    let bytes = 0
    for (const memory of this.memories) {
      for (const segment of memory.segments().values()) {
        const before = this.#keeps.get(segment) ?? 0
        const after = before + change
        if (after === 0) this.#keeps.delete(segment)
        else this.#keeps.set(segment, after)
        if (before === 0 || after === 0) bytes += segment.length
      }
    }
    return bytes
  }
}

function ownImage(image: PageImage): ScriptPageImage {
  if (image instanceof ScriptPageImage) return image
  throw new TypeError('the image must be one that the same PageImages made')
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
