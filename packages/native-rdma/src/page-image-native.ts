import type { Addon, Held } from './addon.js'
import type { Backend } from './backend.js'
import { closed } from './errors.js'
import { DIGEST_BYTES } from './hash-contract.js'
import type {
  OwnedPages,
  PackedPages,
  PackOptions,
  PageBatch,
  PageFrame,
  PageImage,
  PageImages,
  PageReader,
  PageRegion,
  SampledPages,
  TakenPages,
  TakeOptions,
} from './page-image.js'
import { endNumberOf } from './page-numbers.js'
import { requireRoom } from './page-room.js'
import { settle } from './settle.js'
import { stoppable } from './stoppable.js'

const NO_BYTES = new Uint8Array()
const WORD_BYTES = 4
/** Of native/page_batch.h. */
const TAKEN_WORDS = 4
const PACKED_WORDS = 3
const SOURCE_SPARE_BYTES = 10

export function nativeImages(addon: Addon, backend: Backend): PageImages {
  return {
    backend,
    create: (regions) => new NativePageImage(addon, regions, addon.imageCreate(shapesOf(regions)), []),
    batch: (image) => new NativePageBatch(addon, image === undefined ? undefined : ownImage(image)),
    reader: (image) => new NativePageReader(addon, image === undefined ? undefined : ownImage(image)),
  }
}

class NativePageImage implements PageImage {
  readonly regions: readonly PageRegion[]
  readonly endNumber: number
  readonly #addon: Addon
  readonly #endPages: number[]
  #held: Held<'image'> | undefined

  constructor(
    addon: Addon,
    regions: readonly PageRegion[],
    held: Held<'image'>,
    endPages: readonly number[],
    others: readonly PageImage[] = [],
  ) {
    this.#addon = addon
    this.regions = regions
    this.endNumber = endNumberOf(regions, others)
    this.#held = held
    this.#endPages = [...endPages]
  }

  get held(): Held<'image'> {
    if (this.#held === undefined) throw closed('an image of a memory')
    return this.#held
  }

  endPage(region: number): number {
    return this.#endPages[region] ?? 0
  }

  fork(regions: readonly PageRegion[], others: readonly PageImage[] = []): PageImage {
    const held = this.#addon.imageFork(
      this.held,
      shapesOf(regions),
      others.map((other) => ownImage(other).held),
    )
    return new NativePageImage(this.#addon, regions, held, this.#endPages, others)
  }

  async countKnown(pages: Uint8Array, pageBytes: number): Promise<number> {
    const known = await settle('a count of pages', pages.length, this.#addon.imageCountKnown(pages, NO_BYTES, this.held, pageBytes))
    return new DataView(known.buffer, known.byteOffset).getUint32(0, true)
  }

  keep(): number {
    return this.#addon.imageKeep(this.held)
  }

  unkeep(): number {
    return this.#addon.imageUnkeep(this.held)
  }

  get lengthBytes(): number {
    return this.#addon.imageLength(this.held)
  }

  close(): void {
    if (this.#held !== undefined) this.#addon.imageClose(this.#held)
    this.#held = undefined
  }

  grow(region: number, pages: Uint32Array): void {
    const end = (pages.at(-1) ?? -1) + 1
    this.#endPages[region] = Math.max(this.endPage(region), end)
  }
}

class NativePageBatch implements PageBatch {
  readonly #addon: Addon
  readonly #image: NativePageImage | undefined
  readonly #held: Held<'batch'>
  readonly #closing = new AbortController()
  #pageBytes = 1

  constructor(addon: Addon, image: NativePageImage | undefined) {
    this.#addon = addon
    this.#image = image
    this.#held = addon.batchCreate(image?.held)
  }

  async take({ region, pageBytes, pages, bytes }: OwnedPages, options: TakeOptions): Promise<TakenPages> {
    this.#pageBytes = pageBytes
    const numbers = new Uint8Array(pages.buffer, pages.byteOffset, pages.byteLength)
    const { zeros, duplicates, delta, changedPages } = options
    const found = await this.#run('pages of a memory', bytes.length, (stop) =>
      this.#addon.batchTake(bytes, numbers, this.#held, region, pageBytes, zeros, duplicates, delta, changedPages, stop),
    )
    const [taken = 0, changed = 0, sources = 0, references = 0] = new Uint32Array(found.buffer, found.byteOffset, TAKEN_WORDS)
    const words = new Uint32Array(found.buffer, found.byteOffset + TAKEN_WORDS * WORD_BYTES, references)
    const rest = found.subarray((TAKEN_WORDS + references) * WORD_BYTES)
    this.#image?.grow(region, pages.subarray(0, taken))
    const [hashes, outcomes] = [rest.subarray(0, taken * DIGEST_BYTES), rest.subarray(taken * DIGEST_BYTES)]
    return { taken, changed, sources, references: words, hashes, outcomes }
  }

  sample(mostPages: number): SampledPages {
    this.#closing.signal.throwIfAborted()
    const lengthBytes = mostPages * this.#pageBytes
    const [pages, old] = [new Uint8Array(lengthBytes), new Uint8Array(lengthBytes)]
    const end = this.#addon.batchSample(this.#held, pages, old, this.#pageBytes) * this.#pageBytes
    return { pages: pages.subarray(0, end), old: old.subarray(0, end) }
  }

  async pack({ method, level, spareBytes }: PackOptions): Promise<PackedPages> {
    const bytes = await this.#run('changed pages', Number.POSITIVE_INFINITY, (stop) =>
      this.#addon.batchPack(NO_BYTES, NO_BYTES, this.#held, method, level, spareBytes, stop),
    )
    const [used = 0, payloadBytes = 0, count = 0] = new Uint32Array(bytes.buffer, bytes.byteOffset, PACKED_WORDS)
    const sources = new Uint32Array(bytes.buffer, bytes.byteOffset + PACKED_WORDS * WORD_BYTES, count)
    const payloadOffset = (PACKED_WORDS + count) * WORD_BYTES + spareBytes + count * SOURCE_SPARE_BYTES
    return { method: used, sources, bytes, payloadOffset, payloadBytes }
  }

  close(): void {
    this.#closing.abort(closed('a batch of pages'))
    this.#addon.batchClose(this.#held)
  }

  #run(what: string, maxBytes: number, start: (stop?: Int32Array) => Promise<Uint8Array>): Promise<Uint8Array> {
    return settle(what, maxBytes, stoppable(this.#closing.signal, start))
  }
}

class NativePageReader implements PageReader {
  readonly #addon: Addon
  readonly #image: NativePageImage | undefined
  readonly #held: Held<'reader'>
  readonly #closing = new AbortController()

  constructor(addon: Addon, image: NativePageImage | undefined) {
    this.#addon = addon
    this.#image = image
    this.#held = addon.readerCreate(image?.held)
  }

  async read(frame: PageFrame, memory?: Uint8Array): Promise<Uint8Array> {
    const { region, pageBytes, pages, outcomes, references, sources, method, payload, head, check } = frame
    requireRoom(memory, frame)
    const bytes = await settle(
      'a frame of pages',
      pages.length * pageBytes,
      stoppable(this.#closing.signal, (stop) => {
        const target = memory ?? NO_BYTES
        return this.#addon.readerRead(
          payload,
          target,
          this.#held,
          region,
          pageBytes,
          pages,
          outcomes,
          references,
          sources,
          method,
          head,
          check ?? NO_BYTES,
          stop,
        )
      }),
    )
    this.#image?.grow(region, pages)
    return bytes
  }

  close(): void {
    this.#closing.abort(closed('a reader of pages'))
    this.#addon.readerClose(this.#held)
  }
}

/** Images of the JavaScript twin hold other memory. */
function ownImage(image: PageImage): NativePageImage {
  if (image instanceof NativePageImage) return image
  throw new TypeError('the image must be one that the same PageImages made')
}

function shapesOf(regions: readonly PageRegion[]): Float64Array {
  return Float64Array.from(regions.flatMap(({ pageBytes, maxPages, firstPage }) => [pageBytes, maxPages, firstPage]))
}
