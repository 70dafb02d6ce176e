import type { tagPages } from '@dwcp/native-rdma/codec'
import { type Choice, MethodChooser } from './chooser.js'
import { type Cost, type CostModel } from './cost-model.js'
import { allowedMethods, PAGE_METHODS, type PageMethod } from './methods.js'
import { PageSampler, type PagesSample, pagesWorthSampling } from './page-features.js'

/**
 * What one method was chosen for, and what it came to: sums over all its batches. Times of encoding are as the clock saw them, other
 * work of this host included.
 *
 * @public
 */
export interface MethodStats {
  readonly batches: number
  readonly pageBytes: number
  readonly encodeMsExpected: number
  readonly encodeMs: number
  readonly bytesExpected: number
  readonly bytes: number
}

/**
 * Choices of an encoder, and why.
 *
 * @public
 */
export interface ChoiceStats {
  /** What the link was last taken to give; absent where nothing was known of it, so that the profile decided. */
  readonly bytesPerSecond?: number
  /** Which weights predicted. */
  readonly model: string
  /** Batches for which a method was tried that seemed not to be the best. */
  readonly explored: number
  /** By method, in the order of their first use. */
  readonly methods: Readonly<Record<string, MethodStats>>
}

/** Where an encoder stands when it asks. */
export interface Moment {
  readonly bytesPerSecond: number
  /** Whether the other side has an earlier version of any of the pages. */
  readonly hasOld: boolean
  /** Whether zstd can be made here. */
  readonly zstd: boolean
  /** What this batch has taken before it is packed. */
  readonly sharedMs: number
}

export interface Chosen extends Choice {
  readonly packing: PageMethod
  readonly pageBytes: number
}

export interface LiveChoiceOptions {
  readonly model: CostModel
  /** Most of the time that trying methods may add, 0 to 1. */
  readonly explorationRatio: number
  readonly tagPages: typeof tagPages
}

/** The choices of one encoder, corrected by what they come to. */
export class LiveChoice {
  readonly #model: CostModel
  readonly #chooser: MethodChooser
  readonly #sampler: PageSampler
  readonly #methods = new Map<string, MethodStats>()
  #bytesPerSecond: number | undefined
  #explored = 0
  #isLastRound = false

  constructor({ model, explorationRatio, tagPages: tags }: LiveChoiceOptions) {
    this.#model = model
    this.#chooser = new MethodChooser(model, { explorationRatio })
    this.#sampler = new PageSampler(tags)
  }

  /** From now on somebody waits for the last byte: nothing is tried any more. */
  lastRound(): void {
    this.#isLastRound = true
  }

  /**
   * @param sample - Asked for this many pages, where looking at them is worth its time.
   */
  choose(payloadBytes: number, sample: (mostPages: number) => PagesSample, { bytesPerSecond, hasOld, zstd, sharedMs }: Moment): Chosen {
    this.#bytesPerSecond = bytesPerSecond
    const allowed = allowedMethods(hasOld, zstd)
    const question = { hasOld, payloadBytes, allowed, bytesPerSecond, sharedMs, mayExplore: !this.#isLastRound }
    const pages = pagesWorthSampling(payloadBytes, this.#chooser.roughMs({ ...question, sharedMs: 0 }))
    const choice = this.#chooser.choose(pages === 0 ? question : { ...question, features: this.#sampler.of(sample(pages)) })
    const packing = PAGE_METHODS[choice.method]
    if (packing === undefined) throw new RangeError(`method ${choice.method}: there are ${PAGE_METHODS.length}`)
    return { ...choice, packing, pageBytes: payloadBytes }
  }

  learn(chosen: Chosen, encodeMs: number, bytes: number): void {
    this.#chooser.learn(chosen, encodeMs, bytes)
    if (chosen.explores) this.#explored += 1
    const before = this.#methods.get(chosen.packing.name)
    this.#methods.set(chosen.packing.name, added(before ?? NOTHING_YET, chosen.expected, chosen.pageBytes, encodeMs, bytes))
  }

  stats(): ChoiceStats {
    const stats = { model: this.#model.version, explored: this.#explored, methods: Object.fromEntries(this.#methods) }
    return this.#bytesPerSecond === undefined ? stats : { ...stats, bytesPerSecond: this.#bytesPerSecond }
  }
}

const NOTHING_YET: MethodStats = { batches: 0, pageBytes: 0, encodeMsExpected: 0, encodeMs: 0, bytesExpected: 0, bytes: 0 }

function added(before: MethodStats, expected: Cost, pageBytes: number, encodeMs: number, bytes: number): MethodStats {
  return {
    batches: before.batches + 1,
    pageBytes: before.pageBytes + pageBytes,
    encodeMsExpected: before.encodeMsExpected + expected.encodeMs,
    encodeMs: before.encodeMs + encodeMs,
    bytesExpected: before.bytesExpected + expected.bytes,
    bytes: before.bytes + bytes,
  }
}
