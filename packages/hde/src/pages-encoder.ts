import { applyBatch, classify, type PageBatch } from './classify.js'
import { beginFrame, FRAME_KINDS, layFrame, sealFrame, sealInPlace } from './frame.js'
import { gatherChanged, gatherOld } from './gather.js'
import type { Image } from './image.js'
import type { Kernels } from './kernels.js'
import { countChanged, OUTCOMES } from './outcomes.js'
import { CODECS, deltaUse, methodOf, OLD_USES, oldUseOf } from './packing.js'
import { PageHashes } from './page-hashes.js'
import { type PagesHead, writePagesHead } from './pages-frame.js'
import { PayloadChoice } from './payload-choice.js'
import type { Profile } from './profiles.js'
import type { Tally } from './tally.js'

const RAW = methodOf(CODECS.raw, OLD_USES.none)
const NOTHING = new Uint8Array(0)

/** Turns batches of pages into frames, one frame and one call into the thread pool per batch. */
export class PagesEncoder {
  readonly #kernels: Kernels
  readonly #profile: () => Profile
  readonly #image: Image | undefined
  readonly #tally: Tally
  readonly #choice: PayloadChoice
  readonly #pageHashes: PageHashes

  constructor(kernels: Kernels, profile: () => Profile, image: Image | undefined, tally: Tally) {
    this.#kernels = kernels
    this.#profile = profile
    this.#image = image
    this.#tally = tally
    this.#choice = new PayloadChoice(kernels)
    this.#pageHashes = new PageHashes(kernels.hash)
  }

  async encode(batch: PageBatch, sequence: number): Promise<Uint8Array> {
    // Until the first await the batch is read and copied: it may change under us afterwards.
    const profile = this.#profile()
    const classified = classify(batch, this.#image, profile, this.#pageHashes)
    const { outcomes, references, hashes } = classified
    const old = this.#gatherOld(batch, outcomes)
    const head: PagesHead = { region: batch.region, pages: batch.pages.slice(), outcomes, references, method: RAW }
    const plain = withoutDeltas(head)
    const plainHead = headBytes(plain, sequence)
    const payloadBytes = countChanged(outcomes) * batch.pageBytes
    const frame = layFrame(plainHead, payloadBytes)
    gatherChanged(batch.bytes, batch.pageBytes, outcomes, frame, plainHead.length)
    if (this.#image !== undefined) applyBatch(batch, classified, this.#image)

    const payload = frame.subarray(plainHead.length, plainHead.length + payloadBytes)
    const packed = payloadBytes === 0 ? undefined : await this.#choice.choose(profile, payload, old)
    if (packed === undefined) {
      this.#count(plain, payloadBytes)
      return sealInPlace(frame, plainHead.length, hashes, this.#kernels.hash)
    }
    const chosen = oldUseOf(packed.method) === OLD_USES.none ? { ...plain, method: packed.method } : { ...head, method: packed.method }
    this.#count(chosen, packed.bytes.length)
    return sealFrame(headBytes(chosen, sequence), packed.bytes, hashes, this.#kernels.hash)
  }

  #gatherOld(batch: PageBatch, outcomes: Uint8Array): Uint8Array {
    const image = this.#image?.regions[batch.region]
    if (image === undefined || !outcomes.includes(OUTCOMES.delta)) return NOTHING
    return gatherOld(image, batch.pages, outcomes, deltaUse(this.#kernels) === OLD_USES.xor)
  }

  #count(head: PagesHead, payloadBytes: number): void {
    this.#tally.outcomes(head.outcomes)
    this.#tally.payload(head.method, payloadBytes)
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
