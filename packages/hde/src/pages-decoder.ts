import { isDwcpError } from '@dwcp/interface'
import type { PageFrame, PageImage, PageRegion, ReadPages } from '@dwcp/native-rdma/codec'
import { corrupt } from './errors.js'
import type { OpenFrame } from './frame.js'
import type { Kernels } from './kernels.js'
import { OUTCOMES } from './outcomes.js'
import { checkMethod, PAGE_DELTA } from './packing.js'
import { type PagesHead, readPagesHead } from './pages-frame.js'

export interface DecodedPages {
  readonly region: number
  readonly pages: Uint32Array
  readonly bytes: Uint8Array
}

/** Turns frames of kind `pages` back into pages, in one job off this thread that brings the image up to date once the check holds. */
export class PagesDecoder {
  readonly #kernels: Kernels
  readonly #layout: readonly PageRegion[]
  readonly #image: PageImage | undefined
  readonly #chunkBytes: number
  readonly #closing = new AbortController()

  constructor(kernels: Kernels, layout: readonly PageRegion[], image: PageImage | undefined, chunkBytes: number) {
    this.#kernels = kernels
    this.#layout = layout
    this.#image = image
    this.#chunkBytes = chunkBytes
  }

  async decode(frame: OpenFrame): Promise<DecodedPages> {
    const head = readPagesHead(frame.reader, this.#layout, this.#chunkBytes)
    const headBytes = frame.reader.offset
    checkUse(head, this.#image !== undefined)
    const described = { ...head, pageBytes: this.#layout[head.region]?.pageBytes ?? 0, payload: frame.reader.rest() }
    const read = await this.#read(described)
    frame.verify(headBytes, read.hashes)
    read.commit()
    return { region: head.region, pages: head.pages, bytes: read.bytes }
  }

  /** Ends a job under way. */
  close(): void {
    this.#closing.abort()
  }

  async #read(frame: PageFrame): Promise<ReadPages> {
    try {
      return await this.#kernels.images.read(frame, this.#image, this.#closing.signal)
    } catch (error) {
      throw isDwcpError(error, 'ERR_NATIVE_CORRUPT') ? corrupt('a frame of pages that does not decode', {}, error) : error
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
