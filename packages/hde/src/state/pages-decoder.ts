import { isDwcpError } from '@dwcp/interface'
import type { PageFrame, PageImage, PageReader, PageRegion } from '@dwcp/native-rdma/codec'
import { corrupt } from '../errors.js'
import type { Kernels } from '../kernels.js'
import { checkMethod, PAGE_DELTA } from '../packing.js'
import type { OpenFrame } from './frame.js'
import { OUTCOMES } from './outcomes.js'
import { type PagesHead, readPagesHead } from './pages-frame.js'

export interface DecodedPages {
  readonly region: number
  readonly pages: Uint32Array
  /** Empty where they were written to a memory. */
  readonly bytes: Uint8Array
}

/** The memory of a region, of at least so many bytes. */
export type MemoryOf = (region: number, lengthBytes: number) => Uint8Array

/** Turns frames of kind `pages` back into pages, in one job off this thread that verifies them and brings the image up to date. */
export class PagesDecoder {
  readonly #layout: readonly PageRegion[]
  readonly #hasImage: boolean
  readonly #bounds: { readonly endNumber: number; readonly chunkBytes: number }
  readonly #reader: PageReader

  constructor(kernels: Kernels, layout: readonly PageRegion[], image: PageImage | undefined, chunkBytes: number) {
    this.#layout = layout
    this.#hasImage = image !== undefined
    this.#bounds = { endNumber: image?.endNumber ?? 0, chunkBytes }
    this.#reader = kernels.images.reader(image)
  }

  async decode(frame: OpenFrame, memoryOf: MemoryOf | undefined): Promise<DecodedPages> {
    const { reader, check } = frame
    const read = readPagesHead(reader, this.#layout, this.#bounds)
    const head = frame.head(reader.offset)
    checkUse(read, this.#hasImage)
    const { region, pages } = read
    const pageBytes = this.#layout[region]?.pageBytes ?? 0
    const memory = pages.length === 0 ? undefined : memoryOf?.(region, ((pages.at(-1) ?? 0) + 1) * pageBytes)
    const bytes = await this.#read({ ...read, pageBytes, payload: reader.rest(), head, check }, memory)
    return { region, pages, bytes }
  }

  /** Ends a job under way. */
  close(): void {
    this.#reader.close()
  }

  async #read(frame: PageFrame, memory: Uint8Array | undefined): Promise<Uint8Array> {
    try {
      return await this.#reader.read(frame, memory)
    } catch (error) {
      throw isDwcpError(error, 'ERR_NATIVE_CORRUPT')
        ? corrupt('a frame that does not decode to the pages it was made of', {}, error)
        : error
    }
  }
}

function checkUse({ outcomes, method }: PagesHead, hasImage: boolean): void {
  const needsImage = method === PAGE_DELTA || outcomes.some((outcome) => outcome !== OUTCOMES.zero && outcome !== OUTCOMES.full)
  if (!hasImage && needsImage) throw corrupt('a frame that refers to an image, in a stream without one')
  if (method === PAGE_DELTA) return
  checkMethod(method, false)
  if (outcomes.includes(OUTCOMES.delta)) throw corrupt('changed pages without use of the old ones')
}
