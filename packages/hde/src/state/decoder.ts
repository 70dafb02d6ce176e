import type { DecodeLimits, Decoder, Digest, StateChunk } from '@dwcp/interface'
import { DwcpError } from '@dwcp/interface'
import type { PageImage, PageRegion } from '@dwcp/native-rdma/codec'
import { corrupt, type HdeErrorCode } from '../errors.js'
import type { Kernels } from '../kernels.js'
import { beginImage } from './begin-image.js'
import { fits, fitsNumbers } from './fits.js'
import { FRAME_KINDS, type OpenFrame, openFrame } from './frame.js'
import { OpaqueJoin } from './opaque-frame.js'
import { type MemoryOf, PagesDecoder } from './pages-decoder.js'
import { readStart } from './start-frame.js'
import { Turn } from './turn.js'

const NOTHING = new Uint8Array(0)

export interface DecoderParts {
  readonly kernels: () => Promise<Kernels>
  /** Told of each chunk and frame. */
  readonly active: () => void
  readonly workload: string
  readonly layout: readonly PageRegion[]
  readonly limits: DecodeLimits
  readonly findBaseline: (digest: Digest) => PageImage | undefined
  /** Makes `findBaseline` find one that was written to a store. */
  readonly fetchBaseline: (digest: Digest) => Promise<void>
  readonly baselines: () => readonly Digest[]
  /** Keeps the image on close. */
  readonly keep: (digest: Digest, image: PageImage | undefined, whole: boolean) => void
}

/**
 * What a frame held: a chunk of state, or which pages were written to a memory.
 *
 * @public
 */
export type AppliedChunk =
  | Exclude<StateChunk, { kind: 'pages' }>
  | { readonly kind: 'applied'; readonly region: number; readonly pages: Uint32Array }

/**
 * The decoder of this package: {@link Decoder}, which can write pages to where they belong instead of handing them out.
 *
 * @public
 */
export interface PageDecoder extends Decoder {
  /**
   * As `decode`, but pages are written to the memory of their region once all of them are verified, each at its number times its length,
   * off the calling thread: with the addon in half of the time that it takes to have them handed out and to place them.
   *
   * @param memoryOf - Gives the memory of a region, at least so many bytes of it: asked for each frame of pages, so that it may grow or move
   * between two of them. It is lent until the promise settles, in no resizable buffer, and not to be read before.
   * @throws `ERR_HDE_*` as `decode`, and then no memory was written to; `RangeError` for a memory that is shorter; what `memoryOf` throws.
   */
  apply(frame: Uint8Array, memoryOf: (region: number, lengthBytes: number) => Uint8Array): Promise<readonly AppliedChunk[]>
}

export class StateDecoder implements PageDecoder {
  readonly #parts: DecoderParts
  readonly #turn = new Turn('decoder')
  readonly #opaque: OpaqueJoin
  #image: PageImage | undefined
  #pagesDecoder: PagesDecoder | undefined
  #sequence = 0

  constructor(parts: DecoderParts) {
    this.#parts = parts
    this.#opaque = new OpaqueJoin(parts.limits.chunkBytes)
  }

  decode(frame: Uint8Array): Promise<readonly StateChunk[]> {
    return this.#take(frame, undefined)
  }

  async apply(frame: Uint8Array, memoryOf: MemoryOf): Promise<readonly AppliedChunk[]> {
    const chunks = await this.#take(frame, memoryOf)
    return chunks.map((chunk) => (chunk.kind === 'pages' ? { kind: 'applied', region: chunk.region, pages: chunk.pages } : chunk))
  }

  #take(frame: Uint8Array, memoryOf: MemoryOf | undefined): Promise<readonly StateChunk[]> {
    this.#parts.active()
    return this.#turn.take(async () => {
      const kernels = await this.#parts.kernels()
      this.#turn.refuseClosed()
      const open = openFrame(frame, this.#sequence, this.#parts.limits, kernels.hash)
      if ((open.kind === FRAME_KINDS.start) !== (this.#sequence === 0)) throw corrupt(`a frame of kind ${open.kind} at ${this.#sequence}`)
      if (this.#opaque.open && open.kind !== FRAME_KINDS.opaque) throw corrupt('opaque state that breaks off')
      const chunks = await this.#decode(open, kernels, memoryOf)
      this.#sequence += 1
      return chunks
    })
  }

  close(keepAs?: Digest): void {
    const whole = this.#turn.close() && !this.#opaque.open
    const image = this.#image
    this.#image = undefined
    this.#pagesDecoder?.close()
    this.#pagesDecoder = undefined
    if (keepAs !== undefined) this.#parts.keep(keepAs, image, whole)
    else image?.close()
  }

  async #decode(frame: OpenFrame, kernels: Kernels, memoryOf: MemoryOf | undefined): Promise<readonly StateChunk[]> {
    switch (frame.kind) {
      case FRAME_KINDS.start:
        await this.#start(frame, kernels)
        return []
      case FRAME_KINDS.pages:
        return this.#pagesDecoder === undefined ? [] : [{ kind: 'pages', ...(await this.#pagesDecoder.decode(frame, memoryOf)) }]
      case FRAME_KINDS.opaque: {
        const bytes = await this.#opaque.add(frame, kernels)
        return bytes === undefined ? [] : [{ kind: 'opaque', bytes }]
      }
      case FRAME_KINDS.round: {
        const [remainingBytes, dirtyBytesPerSecond] = [frame.reader.float64(), frame.reader.float64()]
        verifyWhole(frame)
        if (!(remainingBytes >= 0 && dirtyBytesPerSecond >= 0)) throw corrupt('a round that cannot be')
        return [{ kind: 'round', remainingBytes, dirtyBytesPerSecond }]
      }
      case FRAME_KINDS.stopped:
        verifyWhole(frame)
        return [{ kind: 'stopped' }]
      case FRAME_KINDS.final: {
        const digest = frame.reader.digest()
        verifyWhole(frame)
        if (digest === undefined) throw corrupt('a final frame without digest')
        return [{ kind: 'final', digest }]
      }
      default:
        throw corrupt(`a frame of kind ${frame.kind}`)
    }
  }

  async #start(frame: OpenFrame, kernels: Kernels): Promise<void> {
    const { layout, limits } = this.#parts
    const { image, baseline, siblings } = readStart(frame.reader, layout)
    verifyWhole(frame)
    if (baseline !== undefined) await this.#parts.fetchBaseline(baseline)
    this.#turn.refuseClosed()
    const others = siblings.map((digest) => this.#held(digest))
    if (!fitsNumbers(layout, others)) throw corrupt('more pages than can be counted through')
    const ground = baseline === undefined ? undefined : this.#baseline(baseline)
    if (image) this.#image = beginImage(kernels.images, layout, ground, others)
    this.#pagesDecoder = new PagesDecoder(kernels, layout, this.#image, limits.chunkBytes)
  }

  #baseline(digest: Digest): PageImage {
    const found = this.#held(digest)
    if (fits(found, this.#parts.layout)) return found
    throw this.#missing(digest, 'does not fit the regions')
  }

  #held(digest: Digest): PageImage {
    const found = this.#parts.findBaseline(digest)
    if (found !== undefined) return found
    throw this.#missing(digest, 'is not here')
  }

  #missing(digest: Digest, why: string): DwcpError<HdeErrorCode> {
    const text = `the frames build on baseline ${digest} of ${this.#parts.workload}, which ${why}: encode again without \`have\``
    const details = { digest, workload: this.#parts.workload, held: this.#parts.baselines() }
    return new DwcpError<HdeErrorCode>('ERR_HDE_BASELINE_MISSING', text, { details })
  }
}

/** Of a frame that is all head. */
function verifyWhole(frame: OpenFrame): void {
  frame.reader.end()
  frame.verify(frame.reader.offset, NOTHING)
}
