import { applyBatch } from './apply-batch.js'
import { type Classified, classify, type PageBatch } from './classify.js'
import { beginFrame, FRAME_KINDS, layFrame, sealFrame, sealInPlace } from './frame.js'
import { gatherChanged, gatherOld, withSources } from './gather.js'
import type { Image } from './image.js'
import type { Kernels } from './kernels.js'
import { findSources } from './moved-pages.js'
import { countChanged, OUTCOMES } from './outcomes.js'
import { CODECS, methodOf, OLD_USES, PAGE_DELTA } from './packing.js'
import { PageHashes } from './page-hashes.js'
import { type PagesHead, writePagesHead } from './pages-frame.js'
import { PayloadChoice } from './payload-choice.js'
import type { Profile } from './profiles.js'
import type { Tally } from './tally.js'

const RAW = methodOf(CODECS.raw, OLD_USES.none)
const NO_PAGES = new Uint32Array(0)

/** What the decoder has that helps with the changed pages of a batch. */
interface Known {
  /** The old content of the changed pages, then the sources; empty where nothing helps. */
  readonly old: Buffer
  readonly sources: Uint32Array
}

const NOTHING_KNOWN: Known = { old: Buffer.alloc(0), sources: NO_PAGES }

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
    const known = this.#image === undefined ? NOTHING_KNOWN : this.#learn(batch, classified, profile, this.#image)
    const head: PagesHead = {
      region: batch.region,
      pages: batch.pages.slice(),
      outcomes,
      references,
      method: PAGE_DELTA,
      sources: known.sources,
    }
    const plain = { ...withoutDeltas(head), method: RAW, sources: NO_PAGES }
    const plainHead = headBytes(plain, sequence)
    const payloadBytes = countChanged(outcomes) * batch.pageBytes
    const frame = layFrame(plainHead, payloadBytes)
    gatherChanged(batch.bytes, batch.pageBytes, outcomes, frame, plainHead.length)

    const payload = frame.subarray(plainHead.length, plainHead.length + payloadBytes)
    const packed = payloadBytes === 0 ? undefined : await this.#choice.choose(profile, payload, known.old, batch.pageBytes)
    if (packed === undefined) {
      this.#count(plain, payloadBytes)
      return sealInPlace(frame, plainHead.length, hashes, this.#kernels.hash)
    }
    const chosen = packed.method === PAGE_DELTA ? head : { ...plain, method: packed.method }
    this.#count(chosen, packed.bytes.length)
    return sealFrame(headBytes(chosen, sequence), packed.bytes, hashes, this.#kernels.hash)
  }

  /** Finds what helps, and brings the image up to date. */
  #learn(batch: PageBatch, classified: Classified, profile: Profile, image: Image): Known {
    const { region, pageBytes, pages, bytes } = batch
    const { outcomes } = classified
    const tags = this.#kernels.tagPages(bytes, pageBytes)
    let known = NOTHING_KNOWN
    const held = image.regions[region]
    if (profile.delta && held !== undefined && countChanged(outcomes) > 0) {
      const hasOld = outcomes.includes(OUTCOMES.delta)
      const old = hasOld ? gatherOld(held, pages, outcomes) : NOTHING_KNOWN.old
      const own = new Set(Array.from(pages, (page) => image.numberOf(region, page)))
      const sources = findSources(image, pageBytes, outcomes, tags, this.#kernels.tagPages(old, pageBytes), own)
      if (hasOld) known = { old: withSources(old, image, sources, pageBytes), sources }
      else if (sources.length > 0) known = { old: withSources(gatherOld(held, pages, outcomes), image, sources, pageBytes), sources }
    }
    applyBatch({ ...batch, ...classified }, tags, image)
    return known
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
