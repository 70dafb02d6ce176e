import { addonWith } from './addon.js'
import type { Backend } from './backend.js'
import type { PageHash } from './hash-contract.js'
import { scriptImages } from './page-image-js.js'
import { nativeImages } from './page-image-native.js'

/**
 * A region of a memory, its pages counted through behind those of the regions before it.
 *
 * @public
 */
export interface PageRegion {
  /** A power of two from 64 to 2 MiB. */
  readonly pageBytes: number
  /** Page numbers below this exist; those of all regions together are below 2^32 - 1. */
  readonly maxPages: number
  /** The number of its first page when the pages of all regions are counted through. */
  readonly firstPage: number
}

/**
 * What another side has of a memory. Forks share pages until one of them changes, so that a baseline stays as it is; pages never
 * written, and zero ones, take no memory. One call at a time; forks do not disturb one another.
 *
 * @public
 */
export interface PageImage {
  readonly regions: readonly PageRegion[]
  /** One past the last page of a region that was ever written. */
  endPage(region: number): number
  /** Numbers below this, counted through, name pages: those of `regions`, and behind them those that it looks into. */
  readonly endNumber: number
  /**
   * A copy, for regions of which the first are these, with the same `pageBytes` and `firstPage`.
   *
   * @param others - Images that content is looked for in as well, as they are now. Their pages are counted through behind the regions.
   */
  fork(regions: readonly PageRegion[], others?: readonly PageImage[]): PageImage
  /** Of some pages, how many it has at whatever address; zeros are not counted. `pages` are borrowed until the promise settles. */
  countKnown(pages: Uint8Array, pageBytes: number): Promise<number>
  /**
   * Counts it as one to be kept, and lets go of the images that it looks into. @returns how many bytes the kept images of this
   * process take more: what several of them share counts once.
   */
  keep(): number
  /** The opposite of `keep`. @returns how many bytes less. */
  unkeep(): number
  /** Bytes it would take alone. */
  readonly lengthBytes: number
  /** Frees what no fork shares, at once and not when it is collected. It is of no use afterwards; a call under way ends well. */
  close(): void
}

/**
 * Pages that their owner hands over, ascending and behind those handed over before.
 *
 * @public
 */
export interface OwnedPages {
  readonly region: number
  readonly pageBytes: number
  readonly pages: Uint32Array
  /** The pages, one after the other. Borrowed until the promise settles; where they change meanwhile, either version is taken. */
  readonly bytes: Uint8Array
}

/**
 * What to look for.
 *
 * @public
 */
export interface TakeOptions {
  /** Whether zero pages are told apart. */
  readonly zeros: boolean
  /** Whether pages are looked for at other addresses. */
  readonly duplicates: boolean
  /** Whether changed pages are to be described by their old content. */
  readonly delta: boolean
  /** Stops behind the page with which this many are changed, those taken before included. */
  readonly changedPages: number
}

/**
 * What became of the pages that were taken.
 *
 * @public
 */
export interface TakenPages {
  /** How many, from the first on. */
  readonly taken: number
  /** How many of them are changed. */
  readonly changed: number
  /** How many pages of the image content seems to have moved out of, into these and those taken before. */
  readonly sources: number
  /** Of each duplicate, the number of the page that it equals, counted through. */
  readonly references: Uint32Array
  /** XXH3-128 of each page taken. */
  readonly hashes: Uint8Array
  /** Of each page taken, as docs/wire/hde.md numbers them. */
  readonly outcomes: Uint8Array
}

/**
 * Pages that stand for others.
 *
 * @public
 */
export interface SampledPages {
  /** One after the other. */
  readonly pages: Uint8Array
  /** What the image has of each; zeros where that is nothing, or nothing is to be described by it. */
  readonly old: Uint8Array
}

/**
 * How to pack.
 *
 * @public
 */
export interface PackOptions {
  /** As docs/wire/hde.md numbers them: 0 raw, 1 LZ4, 2 zstd, 3 page delta. */
  readonly method: number
  /** Of zstd. */
  readonly level: number
  /** Room to leave in front. */
  readonly spareBytes: number
}

/**
 * The changed pages, packed.
 *
 * @public
 */
export interface PackedPages {
  /** What was asked for, or raw where that saves nothing. */
  readonly method: number
  /** Pages of the image that a page delta needs besides, counted through and ascending. */
  readonly sources: Uint32Array
  /** Behind `spareBytes` and ten bytes for each source; 16 bytes follow that nobody has written to. */
  readonly bytes: Uint8Array
  readonly payloadOffset: number
  readonly payloadBytes: number
}

/**
 * The pages of one frame, compared with what the other side holds. The image follows when they are packed, and so do the references:
 * a frame refers to the image as it was before. One call at a time.
 *
 * @public
 */
export interface PageBatch {
  /** `ERR_NATIVE_OUT_OF_MEMORY`. After a failure only `close` is left. */
  take(pages: OwnedPages, options: TakeOptions): Promise<TakenPages>
  /** Some of the changed pages, at even distances, on the calling thread. */
  sample(mostPages: number): SampledPages
  /** As `take`. The batch is empty afterwards. */
  pack(options: PackOptions): Promise<PackedPages>
  /** Ends a call under way early, and frees the pages. */
  close(): void
}

/**
 * A frame of pages as it came, its head read apart. All numbers are of docs/wire/hde.md; pages are ascending and within the region, and
 * references and sources as many as the frame says.
 *
 * @public
 */
export interface PageFrame {
  readonly region: number
  readonly pageBytes: number
  readonly pages: Uint32Array
  readonly outcomes: Uint8Array
  readonly references: Uint32Array
  readonly sources: Uint32Array
  readonly method: number
  /** Borrowed until the promise settles. */
  readonly payload: Uint8Array
  /** Every byte of the frame before the payload. */
  readonly head: Uint8Array
  /** Must be the XXH3-128 of `head` and the XXH3-128 of each page, 16 bytes; undefined where the caller has another way to verify. */
  readonly check: Uint8Array | undefined
}

/**
 * Turns frames back into pages, and brings an image up to date, one call at a time. It keeps the memory that it works in, about three
 * times what the pages of a frame take, for the next frame.
 *
 * @public
 */
export interface PageReader {
  /**
   * The pages of a frame, one after the other; the caller's from then on. Where `memory` is given, which is borrowed until the promise
   * settles, nothing is handed out: each page is written there at its number times its length. Neither it nor the image is touched
   * before the check holds.
   *
   * @throws `ERR_NATIVE_CORRUPT` for a payload that does not decode, a reference to a page never written, or a check that does not hold;
   * `ERR_NATIVE_OUT_OF_MEMORY`; `RangeError` for a memory that ends before the last page. What is allocated is bounded by five times the
   * listed pages.
   */
  read(frame: PageFrame, memory?: Uint8Array): Promise<Uint8Array>
  /** Ends a call under way early, and frees its memory; the image stays. */
  close(): void
}

/**
 * Makes images of memories, takes pages apart against them and puts frames together again.
 *
 * @public
 */
export interface PageImages {
  readonly backend: Backend
  create(regions: readonly PageRegion[]): PageImage
  /** Without an image every page is zero or full. */
  batch(image: PageImage | undefined): PageBatch
  /** Without an image no page is unchanged, a duplicate or a delta. */
  reader(image: PageImage | undefined): PageReader
}

/**
 * {@link PageImages} by the addon, as jobs on the libuv thread pool, or by JavaScript on the calling thread, which turns the loop
 * every mebibyte that it takes, and packs and decodes a frame in one go. Both read each other's frames; images of one are of no use to the other.
 *
 * @param hash - For the JavaScript one. The addon has its own, of the same digests.
 * @param backend - Insists on one.
 *
 * @example
 * ```ts
 * import { loadPageImages } from '@dwcp/native-rdma/codec'
 * import { loadHash } from '@dwcp/native-rdma/hash'
 * const images = loadPageImages(await loadHash())
 * const image = images.create([{ pageBytes: 4096, maxPages: 16, firstPage: 0 }])
 * const batch = images.batch(image)
 * const bytes = new Uint8Array(8192).fill(7)
 * const options = { zeros: true, duplicates: true, delta: true, changedPages: 2048 }
 * const { outcomes } = await batch.take({ region: 0, pageBytes: 4096, pages: Uint32Array.of(0, 1), bytes }, options)
 * const { payloadBytes } = await batch.pack({ method: 2, level: 1, spareBytes: 0 })
 * console.log(outcomes, payloadBytes)
 * ```
 * @public
 */
export function loadPageImages(hash: PageHash, backend?: 'js'): PageImages {
  if (backend === 'js') return scriptImages(hash, { kind: 'js', reason: 'asked for' })
  const needed = (['pages', 'hash', 'lz4'] as const).map((name) => addonWith(name))
  const lacking = needed.find(({ addon }) => addon === undefined)
  if (lacking !== undefined) return scriptImages(hash, lacking.backend)
  const [pages] = needed
  return pages?.addon === undefined ? scriptImages(hash, { kind: 'js', reason: 'no addon' }) : nativeImages(pages.addon, pages.backend)
}
