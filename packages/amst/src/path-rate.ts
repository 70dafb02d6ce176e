/** What the kernel counts of one stream. */
export interface PathSample {
  readonly serial: number
  /** Since its beginning, what was lost and came again only once. */
  readonly deliveredBytes: number
  readonly rttMs: number
  /** Given to the kernel and not yet on the wire. */
  readonly notSentBytes: number
}

/** Parts of a round after which a queue is looked for. */
const TICKS_PER_ROUND = 4
const ROUND_LEAST_MS = 40
/** The rate is the best of so many rounds: one that was disturbed does not lower it. */
const FILTER_ROUNDS = 10
/** Rounds of a cycle. In the first the sum is offered more: a rate that nothing exceeds is never found to have grown. */
const CYCLE_ROUNDS = 8
const PROBE = 1.25
/** In the second it is offered less, so that the queue of the first is gone before it adds up. */
const DRAIN = 0.8
/** As there, where a queue is left: what is offered shows a round later. Not always: others who share the path may keep it filled. */
const LATER_DRAINS: readonly number[] = [3, 5]
/** By then a queue that the first round made has been seen. */
const JUDGED_ROUND = 3
/** A queue is more than the wobble of a round-trip time. */
const QUEUE_LEAST_MS = 6
const QUEUE_SHARE = 0.06
/** For how long the least round-trip time is that of an empty path. */
const BASE_MS = 10_000
/** Shorter spans are mostly the clock's grain. */
const LEAST_SPAN_MS = 5
/** A stream that is given less learns nothing of its path. */
const STREAM_LEAST_BYTES_PER_SECOND = 65_536

interface Tick {
  readonly timeMs: number
  readonly delivered: ReadonlyMap<number, number>
}

/**
 * What the streams of one session may send at together, on the path that they share: the model of BBR (Cardwell et al., 2016) for their
 * sum. Each stream's own BBR takes the best that it ever had for its share; together these are more than the path has, and the queue in
 * front of it stays full. So once there is a queue, the sum is held to what was delivered, and each stream to its part of it. Where none
 * is found, loss is chance and the streams are free.
 */
export class PathRate {
  #ticks: readonly Tick[] = []
  #bases: readonly { readonly timeMs: number; readonly rttMs: number }[] = []
  /** Of the sum, by round. */
  #rounds: readonly number[] = []
  /** Of each stream, by round. */
  #shares: ReadonlyMap<number, readonly number[]> = new Map()
  #isLimited = false
  /** In the cycle. */
  #round = 0
  #roundEndsMs = 0
  /** Since the cycle began. */
  #mostQueueMs = 0
  /** There was nothing to send for a moment of this round: it does not show what the path takes. */
  #isStarved = false

  /** Delivered, at best, in one of the last rounds. */
  get bytesPerSecond(): number {
    return Math.max(0, ...this.#rounds)
  }

  /** When to look again. */
  get tickMs(): number {
    return this.#roundMs / TICKS_PER_ROUND
  }

  /** @returns what each stream may send at from now on, in bytes per second; undefined: as before. */
  observe(timeMs: number, samples: readonly PathSample[]): ReadonlyMap<number, number> | undefined {
    if (samples.length === 0) return undefined
    const rttMs = Math.min(...samples.map((sample) => sample.rttMs))
    const tick = { timeMs, delivered: new Map(samples.map(({ serial, deliveredBytes }) => [serial, deliveredBytes])) }
    this.#bases = [...this.#bases.filter((base) => base.timeMs > timeMs - BASE_MS && base.rttMs < rttMs), { timeMs, rttMs }]
    this.#ticks = [...this.#ticks.filter((past) => past.timeMs >= timeMs - this.#roundMs * 1.5), tick]
    const queueMs = rttMs - this.#baseMs
    this.#mostQueueMs = Math.max(this.#mostQueueMs, queueMs)
    this.#isStarved ||= samples.every(({ notSentBytes }) => notSentBytes === 0)
    if (!this.#isLimited && queueMs > this.#queueBoundMs) {
      // What came since the queue began: half a round ago at most, where the streams still grow.
      this.#count(this.#roundMs / 2)
      this.#isLimited = true
      this.#begin(1, timeMs)
      return this.#parts(DRAIN)
    }
    if (timeMs < this.#roundEndsMs) return undefined
    this.#count(this.#roundMs)
    this.#begin((this.#round + 1) % CYCLE_ROUNDS, timeMs)
    if (!this.#isLimited) return undefined
    this.#isLimited = this.#round !== JUDGED_ROUND || this.#mostQueueMs > this.#queueBoundMs
    return this.#isLimited
      ? this.#parts(this.#gain(queueMs))
      : new Map([...this.#shares.keys()].map((serial) => [serial, Number.POSITIVE_INFINITY]))
  }

  #gain(queueMs: number): number {
    if (this.#round === 0) return PROBE
    return this.#round === 1 || (LATER_DRAINS.includes(this.#round) && queueMs > this.#queueBoundMs) ? DRAIN : 1
  }

  get #baseMs(): number {
    return this.#bases[0]?.rttMs ?? 0
  }

  get #roundMs(): number {
    return Math.max(ROUND_LEAST_MS, this.#baseMs)
  }

  get #queueBoundMs(): number {
    return Math.max(QUEUE_LEAST_MS, this.#baseMs * QUEUE_SHARE)
  }

  #begin(round: number, timeMs: number): void {
    this.#round = round
    this.#roundEndsMs = timeMs + this.#roundMs
    if (round === 0) this.#mostQueueMs = 0
    this.#isStarved = false
  }

  #count(spanMs: number): void {
    const [first, last] = [this.#ticks.find(({ timeMs }) => timeMs >= (this.#ticks.at(-1)?.timeMs ?? 0) - spanMs * 1.1), this.#ticks.at(-1)]
    if (first === undefined || last === undefined || last.timeMs - first.timeMs < LEAST_SPAN_MS) return
    const rates = [...last.delivered].map(([serial, bytes]) => {
      const since = bytes - (first.delivered.get(serial) ?? bytes)
      return [serial, Math.max(0, (since * 1000) / (last.timeMs - first.timeMs))] as const
    })
    const sum = rates.reduce((total, [, rate]) => total + rate, 0)
    if (this.#isStarved && sum < this.bytesPerSecond) return
    this.#shares = new Map(rates.map(([serial, rate]) => [serial, kept(this.#shares.get(serial) ?? [], rate)]))
    this.#rounds = kept(this.#rounds, sum)
  }

  #parts(gain: number): ReadonlyMap<number, number> {
    const mean = this.bytesPerSecond / Math.max(1, this.#shares.size)
    // One that is new has not shown what it can have.
    const bests = [...this.#shares].map(([serial, rates]) => [serial, Math.max(...rates, rates.length < FILTER_ROUNDS ? mean : 0)] as const)
    const sum = bests.reduce((total, [, best]) => total + best, 0)
    const part = (best: number): number => Math.max(STREAM_LEAST_BYTES_PER_SECOND, gain * this.bytesPerSecond * (best / Math.max(1, sum)))
    return new Map(bests.map(([serial, best]) => [serial, part(best)]))
  }
}

const kept = (rates: readonly number[], rate: number): readonly number[] => [...rates, rate].slice(-FILTER_ROUNDS)
