/** Of what the shared part follows of each surprise, and of what the method's own follows of the rest. */
const SHARED_GAIN = 0.2
const OWN_GAIN = 0.1
/** One measurement may be of a thread that was not scheduled for long: no more than this many doublings are believed. */
const MOST_SURPRISE = 2
/** All together: a host a hundred times as slow as that of the training is still corrected. */
const MOST_CORRECTION = 7

/**
 * How measured figures differ from predicted ones: for all methods of a kind together, because a slow host is slow at everything,
 * and for each method beside. Logarithms, exponentially averaged, bounded.
 */
export class Correction {
  readonly #kinds: readonly string[]
  readonly #shared = new Map<string, number>()
  readonly #own: Float64Array

  /** @param kinds - Of each method, which others it shares a correction with. */
  constructor(kinds: readonly string[]) {
    this.#kinds = kinds
    this.#own = new Float64Array(kinds.length)
  }

  /** What a prediction for this method is to be multiplied by. */
  factor(method: number): number {
    return 2 ** Math.max(-MOST_CORRECTION, Math.min(MOST_CORRECTION, this.#log(method)))
  }

  /** @param predicted - Before any correction. */
  learn(method: number, measured: number, predicted: number): void {
    if (!(measured > 0 && predicted > 0)) return
    const surprise = Math.max(-MOST_SURPRISE, Math.min(MOST_SURPRISE, Math.log2(measured / predicted) - this.#log(method)))
    const kind = this.#kinds[method] ?? ''
    const shared = SHARED_GAIN * surprise
    this.#shared.set(kind, (this.#shared.get(kind) ?? 0) + shared)
    this.#own[method] = (this.#own[method] ?? 0) + OWN_GAIN * (surprise - shared)
  }

  #log(method: number): number {
    return (this.#shared.get(this.#kinds[method] ?? '') ?? 0) + (this.#own[method] ?? 0)
  }
}
