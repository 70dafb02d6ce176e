/** What a measurement of the method itself counts, and one of another level of the same kind. */
const OWN_WEIGHT = 1
const KIND_WEIGHT = 0.9
/** Of a region that cannot be compared, because only one of the two has old content: a slow host is slow at both. */
const APART_WEIGHT = 0.15
/** That predictions are right counts as much as this many measurements. */
const TRUST = 4
/** One measurement may be of a thread that was not scheduled for long: no more than this many doublings are believed. */
const MOST_SURPRISE = 4
/** Each measurement makes all before it count this much less: a host gets busy, content goes. */
const FADING = 0.95
/** What came before would count less than a thousandth. */
const MOST_MEASUREMENTS = 64

/** A region, as predictions see it. */
export interface Place {
  readonly hasOld: boolean
  /** Normalised features. */
  readonly at: readonly number[]
}

/** By how much predictions are to be multiplied. */
export interface Factors {
  readonly time: number
  readonly bytes: number
}

interface Measured extends Place {
  readonly method: number
  /** In doublings. */
  readonly time: number
  readonly bytes: number
}

/**
 * How measured figures differ from predicted ones: the mean of what was seen of the same kind of method, the most of it of regions that
 * looked alike (kernel regression: Nadaraya and Watson, 1964), drawn towards no difference.
 */
export class Correction {
  readonly #kinds: readonly string[]
  readonly #measured: Measured[] = []

  /** @param kinds - Of each method, which others it shares corrections with. */
  constructor(kinds: readonly string[]) {
    this.#kinds = kinds
  }

  /** @returns the factors of a method there. */
  factorsAt(place: Place): (method: number) => Factors {
    const last = this.#measured.length - 1
    const weights = this.#measured.map((each, index) => FADING ** (last - index) * likeness(each, place))
    return (method) => {
      let [all, time, bytes] = [TRUST, 0, 0]
      for (const [index, each] of this.#measured.entries()) {
        if (this.#kinds[each.method] !== this.#kinds[method]) continue
        const isOwn = each.method === method || each.hasOld !== place.hasOld
        const weight = (isOwn ? OWN_WEIGHT : KIND_WEIGHT) * (weights[index] ?? 0)
        all += weight
        time += weight * each.time
        bytes += weight * each.bytes
      }
      return { time: 2 ** (time / all), bytes: 2 ** (bytes / all) }
    }
  }

  /** @param ratios - Measured by predicted, before any correction. */
  learn(method: number, place: Place, ratios: Factors): void {
    const [time, bytes] = [surprise(ratios.time), surprise(ratios.bytes)]
    if (Number.isNaN(time + bytes)) return
    this.#measured.push({ ...place, method, time, bytes })
    if (this.#measured.length > MOST_MEASUREMENTS) this.#measured.shift()
  }
}

/** 1 at the same place, 1/e where every feature is one standard deviation away. */
function likeness(one: Place, other: Place): number {
  if (one.hasOld !== other.hasOld) return APART_WEIGHT
  let square = 0
  for (let index = 0; index < one.at.length; index += 1) square += ((one.at[index] ?? 0) - (other.at[index] ?? 0)) ** 2
  return Math.exp(-square / Math.max(1, one.at.length))
}

function surprise(ratio: number): number {
  return Math.max(-MOST_SURPRISE, Math.min(MOST_SURPRISE, Math.log2(ratio)))
}
