import { corrupt } from './errors.js'
import { HASH_BYTES, type OpenFrame } from './frame.js'
import { gatherOld } from './gather.js'
import type { Image } from './image.js'
import type { Kernels } from './kernels.js'
import { locate, type RegionShape } from './layout.js'
import { countChanged, isChanged, OUTCOMES } from './outcomes.js'
import { checkMethod, OLD_USES, oldUseOf, unpack } from './packing.js'
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
    this.#apply(head, bytes, pageBytes, hashes)
    return { region, pages, bytes: new Uint8Array(bytes.buffer) }
  }

  #checkReferences({ outcomes, references, method }: PagesHead, image: RegionImage | undefined, pageBytes: number): void {
    const needsImage = outcomes.some((outcome) => outcome !== OUTCOMES.zero && outcome !== OUTCOMES.full)
    if (image === undefined && needsImage) throw corrupt('a frame that refers to an image, in a stream without one')
    const hasDelta = outcomes.includes(OUTCOMES.delta)
    checkMethod(method, hasDelta)
    if (hasDelta && oldUseOf(method) === OLD_USES.none) throw corrupt('changed pages without use of the old ones')
    for (const reference of references) {
      const place = locate(this.#layout, reference)
      const target = place === undefined ? undefined : this.#image?.regions[place.region]
      if (place === undefined || target?.pageBytes !== pageBytes || !target.holds(place.page)) {
        throw corrupt(`a reference to page ${reference}, which was never sent`)
      }
    }
  }

  async #changed(head: PagesHead, payload: Uint8Array, image: RegionImage | undefined, pageBytes: number): Promise<Buffer> {
    const lengthBytes = countChanged(head.outcomes) * pageBytes
    if (lengthBytes === 0) {
      if (payload.length > 0) throw corrupt('a payload where no page is changed')
      return Buffer.alloc(0)
    }
    const use = oldUseOf(head.method)
    const old = image === undefined || use === OLD_USES.none ? NOTHING : gatherOld(image, head.pages, head.outcomes, use === OLD_USES.xor)
    const changed = await unpack(this.#kernels, { method: head.method, bytes: payload }, old, lengthBytes)
    return Buffer.from(changed.buffer, changed.byteOffset, changed.length)
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

  #apply({ region, pages, outcomes }: PagesHead, bytes: Buffer, pageBytes: number, hashes: Buffer): void {
    if (this.#image === undefined) return
    for (const [index, page] of pages.entries()) {
      if (outcomes[index] === OUTCOMES.unchanged) continue
      if (outcomes[index] === OUTCOMES.zero) this.#image.regions[region]?.writeZeros(page)
      else this.#image.write(region, page, bytes, index * pageBytes, hashes, index * HASH_BYTES)
    }
  }
}
