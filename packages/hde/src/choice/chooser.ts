import { Correction, type Factors, type Place } from './correction.js'
import { type Cost, type CostFit, type CostModel, placeOf, predictCosts } from './cost-model.js'
import { expectedFinishMs, finishMs } from './finish-time.js'
import { PAGE_METHODS, withoutOldContent } from './methods.js'
import { OLD_PAGES_FEATURE } from './page-features.js'

/** A method is tried again after this many choices, where it seems to be hardly worse, or would be without what was last measured. */
const STALE_CHOICES = 16
const HARDLY_WORSE = 1.25
/** Less is not worth leaving the method that was best so far: predictions are not that good. By cross-validation over groups. */
const LEAST_GAIN = 0.03
/**
 * What a choice is made by.
 *
 * @public
 */
export interface Question {
  /** Of the model, in its order; without them regions are taken for average ones. */
  readonly features?: ArrayLike<number>
  readonly hasOld: boolean
  readonly payloadBytes: number
  /** Indexes of the model's methods. */
  readonly allowed: readonly number[]
  /** What the link gives to this traffic. */
  readonly bytesPerSecond: number
  /** What encoding takes whatever is chosen. */
  readonly sharedMs?: number
  /** Whether a method may be tried to learn its cost: not where somebody waits for this very region. */
  readonly mayExplore: boolean
}

/**
 * What was chosen, and what is expected of it.
 *
 * @public
 */
export interface Choice {
  readonly method: number
  readonly expected: Cost
  readonly explores: boolean
  /** By the model alone, for {@link MethodChooser.learn}. */
  readonly predicted: Cost
  readonly place: Place
}

/**
 * How much may be lost on learning.
 *
 * @public
 */
export interface ChooserOptions {
  /** Most of the time that trying methods may add, 0 to 1. */
  readonly explorationRatio: number
}

interface Candidate {
  readonly method: number
  readonly predicted: Cost
  readonly expected: Cost
  readonly ms: number
  /** The same, or what the model alone says where that is less. */
  readonly hopedMs: number
}

/**
 * Asks a model, corrects it by what was measured here, and takes what ends first.
 *
 * @public
 */
export class MethodChooser {
  readonly #model: CostModel
  readonly #options: ChooserOptions
  readonly #correction: Correction
  readonly #lastUse: Float64Array
  /** What all batches would have taken by each method alone. */
  readonly #fixedMs: Float64Array
  #choices = 0
  #spentMs = 0
  #exploredMs = 0

  constructor(model: CostModel, options: ChooserOptions) {
    this.#model = model
    this.#options = options
    this.#correction = new Correction(model.methods.map((_, method) => PAGE_METHODS[method]?.kind ?? 'raw'))
    this.#lastUse = new Float64Array(model.methods.length)
    this.#fixedMs = new Float64Array(model.methods.length)
  }

  /** When the last byte of a region is expected, by the best method, where nothing is known of it but its length. */
  roughMs(question: Omit<Question, 'features'>): number {
    return bestOf(this.#candidates(question, this.#placeOf(question))).ms
  }

  choose(question: Question): Choice {
    const place = this.#placeOf(question)
    const candidates = this.#candidates(question, place)
    const best = this.#steadied(candidates, bestOf(candidates))
    this.#choices += 1
    this.#spentMs += best.ms
    const tried = question.mayExplore ? candidates.filter((each) => this.#isWorthTrying(each, best.ms)) : []
    const taken = tried.length > 0 ? bestOf(tried) : best
    this.#exploredMs += taken.ms - best.ms
    this.#lastUse[taken.method] = this.#choices
    return { method: taken.method, expected: taken.expected, explores: taken !== best, predicted: taken.predicted, place }
  }

  /** What the choice came to. Decoding is elsewhere: its time is not known here. */
  learn({ method, predicted, place }: Choice, encodeMs: number, bytes: number): void {
    if (PAGE_METHODS[method]?.kind === 'raw') return
    this.#correction.learn(method, place, { time: encodeMs / predicted.encodeMs, bytes: bytes / predicted.bytes })
  }

  #placeOf({ hasOld, features }: Question): Place {
    const held = oldRatio(hasOld, features) > 0
    return { hasOld: held, at: placeOf(held ? this.#model.withOld : this.#model.withoutOld, features) }
  }

  #candidates(question: Question, place: Place): readonly Candidate[] {
    const { payloadBytes, allowed, bytesPerSecond, sharedMs = 0 } = question
    const costs = this.#predicted(question)
    const factorsOf = this.#correction.factorsAt(place)
    const raw = { encodeMs: 0, bytes: payloadBytes, decodeMs: 0 }
    return allowed.flatMap((method) => {
      const isRaw = PAGE_METHODS[method]?.kind === 'raw'
      const predicted = isRaw ? raw : costs.get(method)
      if (predicted === undefined) return []
      const expected = isRaw ? raw : corrected(predicted, factorsOf(method))
      // What raw pages take is known, and no corrections are: only the others are uncertain.
      const timeOf = isRaw ? finishMs : expectedFinishMs
      const ms = timeOf(expected, bytesPerSecond, sharedMs)
      return [{ method, predicted, expected, ms, hopedMs: Math.min(ms, timeOf(predicted, bytesPerSecond, sharedMs)) }]
    })
  }

  /** Pages that the other side has an earlier version of, and the others, each as if they were alone. */
  #predicted({ features, hasOld, payloadBytes }: Question): ReadonlyMap<number, Cost> {
    const { withOld, withoutOld } = this.#model
    const ratio = oldRatio(hasOld, features)
    const costsOf = (fit: CostFit, bytes: number): ReadonlyMap<number, Cost> =>
      predictCosts(fit, features === undefined ? undefined : placeOf(fit, features), bytes)
    if (ratio === 0) return costsOf(withoutOld, payloadBytes)
    const held = costsOf(withOld, ratio * payloadBytes)
    if (ratio === 1) return held
    const others = costsOf(withoutOld, (1 - ratio) * payloadBytes)
    return new Map(
      [...held].flatMap(([method, cost]) => {
        const other = others.get(method)
        return other === undefined ? [] : [[method, sumOf(cost, other)]]
      }),
    )
  }

  /** The method that would have been the best for all batches so far, unless another one gains more than predictions can tell. */
  #steadied(candidates: readonly Candidate[], best: Candidate): Candidate {
    const of = (method: number): Candidate | undefined => {
      const plain = withoutOldContent(method)
      return candidates.find((each) => each.method === method) ?? candidates.find((each) => each.method === plain)
    }
    const before = this.#choices === 0 ? undefined : of(this.#fixedMs.indexOf(Math.min(...this.#fixedMs)))
    for (const method of this.#fixedMs.keys())
      this.#fixedMs[method] = (this.#fixedMs[method] ?? 0) + (of(method)?.ms ?? Number.POSITIVE_INFINITY)
    return before !== undefined && before.ms <= (1 + LEAST_GAIN) * best.ms ? before : best
  }

  #isWorthTrying({ method, ms, hopedMs }: Candidate, bestMs: number): boolean {
    return (
      hopedMs <= HARDLY_WORSE * bestMs &&
      this.#choices - (this.#lastUse[method] ?? 0) > STALE_CHOICES &&
      this.#exploredMs + ms - bestMs <= this.#options.explorationRatio * this.#spentMs
    )
  }
}

/** Of the pages, those that the other side has an earlier version of. */
function oldRatio(hasOld: boolean, features: ArrayLike<number> | undefined): number {
  return hasOld ? (features?.[OLD_PAGES_FEATURE] ?? 1) : 0
}

/** The other side is taken for a host like this one. */
function corrected({ encodeMs, bytes, decodeMs }: Cost, { time, bytes: larger }: Factors): Cost {
  return { encodeMs: encodeMs * time, bytes: bytes * larger, decodeMs: decodeMs * time }
}

function sumOf(one: Cost, other: Cost): Cost {
  return { encodeMs: one.encodeMs + other.encodeMs, bytes: one.bytes + other.bytes, decodeMs: one.decodeMs + other.decodeMs }
}

function bestOf(candidates: readonly Candidate[]): Candidate {
  const [first] = candidates
  if (first === undefined) throw new RangeError('no method that the model knows is allowed: raw always is')
  return candidates.reduce((best, each) => (each.ms < best.ms ? each : best), first)
}
