import { setImmediate } from 'node:timers/promises'
import { applyBatch } from './apply-batch.js'
import { type Classified, classify, type PageBatch } from './classify.js'
import { beginFrame, FRAME_KINDS, layFrame, sealFrame, sealInPlace } from './frame.js'
import { gatherChanged, gatherOld, gatherSources } from './gather.js'
import type { Image } from './image.js'
import type { Kernels } from './kernels.js'
import { BATCH_BYTES } from './limits.js'
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

/** What a frame needs of some of its pages, taken at one moment, so that they may change under us. */
interface Part extends Classified {
  readonly changed: Buffer
  /** The old content of the changed pages; empty where there is none. */
  readonly old: Buffer
  readonly sources: Uint32Array
  readonly sourcePages: Buffer
}

const NO_BYTES = Buffer.alloc(0)

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
    const profile = this.#profile()
    const pages = batch.pages.slice()
    const parts: Part[] = []
    // Pages that this frame changes: nothing in it may refer to them, for the other side has them only after it.
    const written = new Set<number>()
    for (const piece of piecesOf({ ...batch, pages })) {
      if (parts.length > 0) await setImmediate()
      parts.push(this.#take(piece, profile, written, parts))
    }
    const hashes = Buffer.concat(parts.map((part) => part.hashes))
    const head: PagesHead = {
      region: batch.region,
      pages,
      outcomes: Buffer.concat(parts.map(({ outcomes }) => outcomes)),
      references: Uint32Array.from(parts.flatMap(({ references }) => [...references])),
      method: PAGE_DELTA,
      sources: Uint32Array.from(parts.flatMap(({ sources }) => [...sources])),
    }
    const plain = { ...withoutDeltas(head), method: RAW, sources: NO_PAGES }
    const plainHead = headBytes(plain, sequence)
    const payloadBytes = countChanged(head.outcomes) * batch.pageBytes
    const frame = layFrame(plainHead, payloadBytes)
    const payload = frame.subarray(plainHead.length, plainHead.length + payloadBytes)
    parts.reduce((end, { changed }) => end + changed.copy(payload, end), 0)

    const packed = payloadBytes === 0 ? undefined : await this.#choice.choose(profile, payload, knownOf(parts), batch.pageBytes)
    if (packed === undefined) {
      this.#count(plain, payloadBytes)
      return sealInPlace(frame, plainHead.length, hashes, this.#kernels.hash)
    }
    const chosen = packed.method === PAGE_DELTA ? head : { ...plain, method: packed.method }
    this.#count(chosen, packed.bytes.length)
    return sealFrame(headBytes(chosen, sequence), packed.bytes, hashes, this.#kernels.hash)
  }

  /** In one go: reads and copies the pages, finds what helps, and brings the image up to date. */
  #take(piece: PageBatch, profile: Profile, written: Set<number>, before: readonly Part[]): Part {
    const { region, pageBytes, pages, bytes } = piece
    const image = this.#image
    const classified = classify(piece, image, profile, this.#pageHashes, written)
    const { outcomes } = classified
    const changed = Buffer.allocUnsafeSlow(countChanged(outcomes) * pageBytes)
    gatherChanged(bytes, pageBytes, outcomes, changed, 0)
    const part = { ...classified, changed, old: NO_BYTES, sources: NO_PAGES, sourcePages: NO_BYTES }
    if (image === undefined) return part
    const held = image.regions[region]
    const numbers = Array.from(pages, (page) => image.numberOf(region, page))
    const tags = this.#kernels.tagPages(bytes, pageBytes)
    const old = held !== undefined && profile.delta && outcomes.includes(OUTCOMES.delta) ? gatherOld(held, pages, outcomes) : NO_BYTES
    const excluded = new Set([...written, ...numbers, ...before.flatMap(({ sources }) => [...sources])])
    const oldTags = this.#kernels.tagPages(old, pageBytes)
    const sources = profile.delta ? findSources(image, pageBytes, outcomes, tags, oldTags, excluded) : NO_PAGES
    const sourcePages = gatherSources(image, sources, pageBytes)
    applyBatch({ ...piece, ...classified }, tags, image)
    for (const [index, number] of numbers.entries()) if (outcomes[index] !== OUTCOMES.unchanged) written.add(number)
    return { ...part, old, sources, sourcePages }
  }

  #count(head: PagesHead, payloadBytes: number): void {
    this.#tally.outcomes(head.outcomes)
    this.#tally.payload(head.method, payloadBytes)
  }
}

function* piecesOf({ region, pageBytes, pages, bytes }: PageBatch): Generator<PageBatch> {
  const piecePages = Math.max(1, BATCH_BYTES / pageBytes)
  for (let first = 0; first < pages.length; first += piecePages) {
    const end = Math.min(pages.length, first + piecePages)
    yield { region, pageBytes, pages: pages.subarray(first, end), bytes: bytes.subarray(first * pageBytes, end * pageBytes) }
  }
}

/** What the decoder has that helps with the changed pages: old ones, zeros where there are none, then the sources. Or nothing. */
function knownOf(parts: readonly Part[]): Buffer {
  if (parts.every(({ old, sources }) => old.length === 0 && sources.length === 0)) return NO_BYTES
  const old = parts.map((part) => (part.old.length > 0 ? part.old : Buffer.alloc(part.changed.length)))
  return Buffer.concat([...old, ...parts.map(({ sourcePages }) => sourcePages)])
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
