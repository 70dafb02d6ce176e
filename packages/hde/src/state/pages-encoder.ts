import type { PageBatch, PageImage, TakenPages } from '@dwcp/native-rdma/codec'
import type { Kernels } from '../kernels.js'
import { CODECS, PAGE_DELTA } from '../packing.js'
import { beginFrame, FRAME_KINDS, HASH_BYTES, sealInPlace } from './frame.js'
import { BATCH_BYTES, IMAGE_BATCH_BYTES, LISTED_BYTES, LISTED_PAGES } from './limits.js'
import { OUTCOMES } from './outcomes.js'
import { type PagesHead, writePagesHead } from './pages-frame.js'
import { PayloadChoice, type Steering } from './payload-choice.js'
import type { Profile } from './profiles.js'
import type { Tally } from './tally.js'

const NO_PAGES = new Uint32Array(0)

/** Pages of one region, as their owner hands them over. */
export interface PageList {
  readonly region: number
  readonly pageBytes: number
  readonly pages: Uint32Array
  /** The pages, one after the other. */
  readonly bytes: Uint8Array
}

/** Turns lists of pages into frames: as many pages in each as change {@link IMAGE_BATCH_BYTES}, in jobs off this thread. */
export class PagesEncoder {
  readonly #kernels: Kernels
  readonly #profile: () => Profile
  readonly #hasImage: boolean
  readonly #batch: PageBatch
  readonly #tally: Tally
  readonly #choice: PayloadChoice
  readonly #steering: Steering | undefined

  constructor(kernels: Kernels, profile: () => Profile, image: PageImage | undefined, tally: Tally, steering: Steering | undefined) {
    this.#kernels = kernels
    this.#profile = profile
    this.#hasImage = image !== undefined
    this.#batch = kernels.images.batch(image)
    this.#tally = tally
    this.#choice = new PayloadChoice(kernels, steering)
    this.#steering = steering
  }

  /** One frame of the first of these pages, and how many they are. */
  async encode(list: PageList, sequence: number): Promise<{ readonly frame: Uint8Array; readonly count: number }> {
    const { region, pageBytes } = list
    const profile = this.#profile()
    const startedMs = this.#steering?.clock.monotonicMs() ?? 0
    const listed = Math.max(1, Math.min(LISTED_PAGES, LISTED_BYTES / pageBytes))
    const pages = list.pages.slice(0, listed)
    const taken = await this.#batch.take(
      { region, pageBytes, pages, bytes: list.bytes.subarray(0, pages.length * pageBytes) },
      {
        zeros: profile.zeros,
        duplicates: profile.duplicates,
        delta: profile.delta,
        changedPages: Math.max(1, (this.#hasImage ? IMAGE_BATCH_BYTES : BATCH_BYTES) / pageBytes),
      },
    )
    const sharedMs = (this.#steering?.clock.monotonicMs() ?? 0) - startedMs
    const frame = await this.#pack(profile, list, pages.subarray(0, taken.taken), { ...taken, sharedMs }, sequence)
    return { frame, count: taken.taken }
  }

  close(): void {
    this.#batch.close()
  }

  async #pack(
    profile: Profile,
    { region, pageBytes }: PageList,
    pages: Uint32Array,
    taken: TakenPages & { readonly sharedMs: number },
    sequence: number,
  ): Promise<Uint8Array> {
    const { outcomes, references, hashes, changed, sharedMs } = taken
    const hasImage = taken.sources > 0 || outcomes.includes(OUTCOMES.delta)
    const headOf = (method: number): PagesHead => ({ region, pages, outcomes, references, method, sources: NO_PAGES })
    // Sources come with the packed pages, and what saves nothing goes out raw: neither makes this head longer than there is room for.
    const spareBytes = (method: number): number => headBytes(headOf(method), sequence).length + HASH_BYTES
    const packed = await this.#choice.pack(profile, { batch: this.#batch, pageBytes, count: changed, hasImage, sharedMs }, spareBytes)
    const { method, sources, bytes, payloadOffset, payloadBytes } = packed
    const final = method === PAGE_DELTA ? { ...headOf(method), sources } : withoutDeltas(headOf(method))
    const written = headBytes(final, sequence)
    this.#tally.outcomes(final.outcomes)
    this.#tally.payload(changed === 0 ? CODECS.raw : method, payloadBytes)
    const frame = bytes.subarray(payloadOffset - written.length, payloadOffset + payloadBytes + HASH_BYTES)
    frame.set(written)
    return sealInPlace(frame, written.length, hashes, this.#kernels.hash)
  }
}

/** The same without reference to old content: what goes out where that gains nothing. */
function withoutDeltas(head: PagesHead): PagesHead {
  return { ...head, outcomes: head.outcomes.map((outcome) => (outcome === OUTCOMES.delta ? OUTCOMES.full : outcome)) }
}

function headBytes(head: PagesHead, sequence: number): Uint8Array {
  const writer = beginFrame(FRAME_KINDS.pages, sequence)
  writePagesHead(writer, head)
  return writer.view()
}
