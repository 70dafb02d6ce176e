import { isDwcpError } from '@dwcp/interface'
import { applyBatch } from './apply-batch.js'
import { corrupt } from './errors.js'
import type { OpenFrame } from './frame.js'
import { gatherOld, gatherSources } from './gather.js'
import type { Image } from './image.js'
import type { Kernels } from './kernels.js'
import { locate, type RegionShape } from './layout.js'
import { countChanged, isChanged, OUTCOMES } from './outcomes.js'
import { checkMethod, PAGE_DELTA, unpack } from './packing.js'
import { PageHashes } from './page-hashes.js'
import { type PagesHead, readPagesHead } from './pages-frame.js'
import type { RegionImage } from './region-image.js'

const NOTHING = new Uint8Array(0)

export interface DecodedPages {
  readonly region: number
  readonly pages: Uint32Array
  readonly bytes: Uint8Array
}

/** Turns frames of kind `pages` back into pages, and brings the image up to date once the check holds. */
export class PagesDecoder {
  readonly #kernels: Kernels
  readonly #layout: readonly RegionShape[]
  readonly #image: Image | undefined
  readonly #chunkBytes: number
  readonly #pageHashes: PageHashes

  constructor(kernels: Kernels, layout: readonly RegionShape[], image: Image | undefined, chunkBytes: number) {
    this.#kernels = kernels
    this.#layout = layout
    this.#image = image
    this.#chunkBytes = chunkBytes
    this.#pageHashes = new PageHashes(kernels.hash)
  }

  async decode(frame: OpenFrame): Promise<DecodedPages> {
    const head = readPagesHead(frame.reader, this.#layout, this.#chunkBytes)
    const headBytes = frame.reader.offset
    const { region, pages, outcomes } = head
    const pageBytes = this.#layout[region]?.pageBytes ?? 0
    const image = this.#image?.regions[region]
    this.#checkReferences(head, image, pageBytes)
    const changed = await this.#changed(head, frame.reader.rest(), image, pageBytes)
    const bytes = Buffer.from(new ArrayBuffer(pages.length * pageBytes))
    this.#fill(head, image, changed, pageBytes, bytes)
    const hashes = this.#pageHashes.of(bytes, pageBytes, outcomes)
    frame.verify(headBytes, hashes)
    if (this.#image !== undefined) {
      applyBatch({ region, pageBytes, pages, bytes, outcomes, hashes }, this.#kernels.tagPages(bytes, pageBytes), this.#image)
    }
    return { region, pages, bytes: new Uint8Array(bytes.buffer) }
  }

  #checkReferences({ outcomes, references, sources, method }: PagesHead, image: RegionImage | undefined, pageBytes: number): void {
    const needsImage = method === PAGE_DELTA || outcomes.some((outcome) => outcome !== OUTCOMES.zero && outcome !== OUTCOMES.full)
    if (image === undefined && needsImage) throw corrupt('a frame that refers to an image, in a stream without one')
    if (method !== PAGE_DELTA) {
      checkMethod(method, false)
      if (outcomes.includes(OUTCOMES.delta)) throw corrupt('changed pages without use of the old ones')
    }
    for (const reference of [...references, ...sources]) {
      const place = locate(this.#layout, reference)
      const target = place === undefined ? undefined : this.#image?.regions[place.region]
      if (place === undefined || target?.pageBytes !== pageBytes || !target.holds(place.page)) {
        throw corrupt(`a reference to page ${reference}, which was never sent`)
      }
    }
  }

  async #changed(head: PagesHead, payload: Uint8Array, image: RegionImage | undefined, pageBytes: number): Promise<Buffer> {
    const count = countChanged(head.outcomes)
    if (count === 0) {
      if (payload.length > 0) throw corrupt('a payload where no page is changed')
      return Buffer.alloc(0)
    }
    if (head.method === PAGE_DELTA && image !== undefined && this.#image !== undefined) {
      const old = gatherOld(image, head.pages, head.outcomes)
      const sources = gatherSources(this.#image, head.sources, pageBytes)
      const pages = sources.length === 0 ? old : Buffer.concat([old, sources])
      await this.#applyDelta(payload, pages, pageBytes, count)
      return pages
    }
    const changed = await unpack(this.#kernels, { method: head.method, bytes: payload }, NOTHING, count * pageBytes)
    return Buffer.from(changed.buffer, changed.byteOffset, changed.length)
  }

  async #applyDelta(delta: Uint8Array, pages: Buffer, pageBytes: number, count: number): Promise<void> {
    try {
      await this.#kernels.applyPageDelta(delta, pages, { pageBytes, count })
    } catch (error) {
      throw isDwcpError(error, 'ERR_NATIVE_CORRUPT') ? corrupt('a page delta that does not decode', {}, error) : error
    }
  }

  /** `bytes` holds zeros. */
  #fill(
    { pages, outcomes, references }: PagesHead,
    image: RegionImage | undefined,
    changed: Buffer,
    pageBytes: number,
    bytes: Buffer,
  ): void {
    let nextReference = 0
    let changedEnd = 0
    for (const [index, page] of pages.entries()) {
      const outcome = outcomes[index]
      const offset = index * pageBytes
      if (isChanged(outcome)) changedEnd += changed.copy(bytes, offset, changedEnd, changedEnd + pageBytes)
      if (outcome === OUTCOMES.unchanged) image?.read(page, bytes, offset)
      if (outcome !== OUTCOMES.duplicate) continue
      const place = locate(this.#layout, references[nextReference] ?? 0)
      nextReference += 1
      if (place !== undefined) this.#image?.regions[place.region]?.read(place.page, bytes, offset)
    }
  }
}
