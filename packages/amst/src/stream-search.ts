/** Of the delivered total: less may be chance. */
const GAIN = 1.03
/** After a change of the number, until what is delivered shows it; then as many that count. */
const SETTLE_PERIODS = 1
const COUNTED_PERIODS = 2
const STEP = 1.5
/** After neither more nor fewer were better. */
const REST_PERIODS = 30
/** One for messages and one for objects. */
const LEAST = 2

/**
 * Finds how many streams a path is best used with: takes more, and keeps them where the delivered total grows by more than 3 %, and fewer,
 * and stays with those where it does not fall by as much.
 */
export class StreamSearch {
  readonly #most: number
  readonly #least: number
  #count: number
  /** What is tried, beside what was known to do. */
  #trial: { readonly former: number; readonly isMore: boolean } | undefined
  /** Delivered by the number that was kept. */
  #known: number | undefined
  #triesFewer = false
  #waits = 0
  #counted: readonly number[] = []

  constructor(first: number, most: number, least: number = LEAST) {
    this.#count = first
    this.#most = most
    this.#least = least
  }

  get count(): number {
    return this.#count
  }

  /** A period is over. @param bytesPerSecond - Delivered in it; undefined where there was not always something to deliver. */
  observe(bytesPerSecond: number | undefined): void {
    if (bytesPerSecond === undefined) {
      this.#counted = []
      return
    }
    if (this.#waits > 0) {
      this.#waits -= 1
      return
    }
    this.#counted = [...this.#counted, bytesPerSecond]
    if (this.#counted.length < COUNTED_PERIODS) return
    const delivered = this.#counted.reduce((sum, each) => sum + each, 0) / COUNTED_PERIODS
    this.#counted = []
    if (this.#trial) this.#judge(this.#trial, delivered)
    else {
      this.#known = delivered
      this.#try()
    }
  }

  #judge({ former, isMore }: { readonly former: number; readonly isMore: boolean }, delivered: number): void {
    const known = this.#known ?? 0
    this.#trial = undefined
    if (isMore ? delivered > known * GAIN : delivered * GAIN >= known) {
      // Fewer are never worth what many small losses add up to.
      this.#known = isMore ? delivered : Math.max(known, delivered)
      return this.#try()
    }
    this.#set(former)
    if (isMore) this.#triesFewer = true
    else {
      this.#triesFewer = false
      this.#known = undefined
      this.#waits = REST_PERIODS
    }
    if (this.#triesFewer) this.#try()
  }

  #try(): void {
    const former = this.#count
    const next = this.#triesFewer ? Math.max(this.#least, Math.floor(former / STEP)) : Math.min(this.#most, Math.ceil(former * STEP))
    if (next === former) {
      this.#triesFewer = !this.#triesFewer
      this.#known = undefined
      this.#waits = REST_PERIODS
      return
    }
    this.#trial = { former, isMore: next > former }
    this.#set(next)
  }

  #set(count: number): void {
    this.#count = count
    this.#waits = SETTLE_PERIODS
  }
}
