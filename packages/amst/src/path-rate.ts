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
/** As there, before the first is found: streams that double their rate each round fill a queue within a part of one. */
const FIRST_TICKS_PER_ROUND = 16
const ROUND_LEAST_MS = 40
const TICK_LEAST_MS = 5
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
/** Of the best known: what is delivered in a whole round before which the queue never emptied is all that the path has, and less by much. */
const SHRUNK = 0.6
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
  #plan: ReadonlyMap<number, number> = new Map()
  #factor = 1
  #isLimited = false
  #hasFoundQueue = false
  /** In the cycle. */
  #round = 0
  #roundEndsMs = 0
  /** Since the cycle began. */
  #mostQueueMs = 0
  /** Since the round began. */
  #leastQueueMs = 0
  #queueMs = 0
  /** There was nothing to send for a moment of this round: it does not show what the path takes. */
  #isStarved = false

  /** Delivered, at best, in one of the last rounds. */
  get bytesPerSecond(): number {
    return Math.max(0, ...this.#rounds)
  }

  /** Whether the streams are free to find out what the path takes. */
  get isFree(): boolean {
    return !this.#isLimited
  }

  /** Whether no queue was there just now. */
  get isClear(): boolean {
    return this.#queueMs <= this.#queueBoundMs
  }

  /** When to look again. */
  get tickMs(): number {
    return Math.max(TICK_LEAST_MS, this.#roundMs / (this.#hasFoundQueue ? TICKS_PER_ROUND : FIRST_TICKS_PER_ROUND))
  }

  /** @returns what each stream may send at from now on, in bytes per second; undefined: as before. */
  observe(timeMs: number, samples: readonly PathSample[]): ReadonlyMap<number, number> | undefined {
    if (samples.length === 0) return undefined
    const plan = this.#decide(timeMs, samples)
    this.#plan = plan ?? this.#plan
    // What those with nothing to send leave is for the others: else an object's last chunks are slower the fewer they are.
    const busy = samples.filter(({ notSentBytes }) => notSentBytes > 0).length
    const factor = busy === 0 ? 1 : samples.length / busy
    if (!plan && factor === this.#factor) return undefined
    this.#factor = factor
    return new Map([...this.#plan].map(([serial, bytesPerSecond]) => [serial, bytesPerSecond * factor]))
  }

  #decide(timeMs: number, samples: readonly PathSample[]): ReadonlyMap<number, number> | undefined {
    const rtts = samples.map((sample) => sample.rttMs).toSorted((a, b) => a - b)
    const [rttMs = 0] = rtts
    const tick = { timeMs, delivered: new Map(samples.map(({ serial, deliveredBytes }) => [serial, deliveredBytes])) }
    this.#bases = [...this.#bases.filter((base) => base.timeMs > timeMs - BASE_MS && base.rttMs < rttMs), { timeMs, rttMs }]
    this.#ticks = [...this.#ticks.filter((past) => past.timeMs >= timeMs - this.#roundMs * 1.5), tick]
    // At first most streams have not heard of it yet.
    const queueMs = (this.#hasFoundQueue ? rttMs : (rtts[rtts.length >> 2] ?? 0)) - this.#baseMs
    this.#queueMs = queueMs
    this.#mostQueueMs = Math.max(this.#mostQueueMs, queueMs)
    this.#leastQueueMs = Math.min(this.#leastQueueMs, queueMs)
    this.#isStarved ||= samples.every(({ notSentBytes }) => notSentBytes === 0)
    if (!this.#isLimited && queueMs > this.#queueBoundMs) {
      this.#isLimited = true
      if (this.#hasFoundQueue) {
        // What came since the queue began: half a round ago at most, where the streams still grow.
        this.#count(this.#roundMs / 2)
        this.#begin(1, timeMs)
        return this.#parts(DRAIN)
      }
      this.#hasFoundQueue = true
      this.#countBest(this.#roundMs / 8)
      this.#begin(2, timeMs)
      return this.#parts(1)
    }
    if (timeMs < this.#roundEndsMs) return undefined
    const former = this.bytesPerSecond
    this.#count(this.#roundMs)
    if (this.#leastQueueMs > this.#queueBoundMs && (this.#rounds.at(-1) ?? former) < SHRUNK * former) {
      this.#forget()
      this.#begin(1, timeMs)
      return this.#parts(DRAIN)
    }
    this.#begin((this.#round + 1) % CYCLE_ROUNDS, timeMs)
    if (!this.#isLimited) return undefined
    this.#isLimited = this.#round !== JUDGED_ROUND || this.#mostQueueMs > this.#queueBoundMs
    if (this.#isLimited) return this.#parts(this.#gain(queueMs))
    this.#hasFoundQueue = false
    return new Map([...this.#shares.keys()].map((serial) => [serial, Number.POSITIVE_INFINITY]))
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
    this.#leastQueueMs = Number.POSITIVE_INFINITY
  }

  /** All but the last round: the path is a smaller one now. */
  #forget(): void {
    this.#rounds = this.#rounds.slice(-1)
    this.#shares = new Map([...this.#shares].map(([serial, rates]) => [serial, rates.slice(-1)]))
  }

  #count(spanMs: number): void {
    const last = this.#ticks.at(-1)
    const first = last && this.#ticks.find(({ timeMs }) => timeMs >= last.timeMs - spanMs * 1.1)
    if (first) this.#keep(ratesBetween(first, last))
  }

  /** The best of the last ticks: what a path passes on while there is a queue in front of it, however short. Its parts are those of a round. */
  #countBest(spanMs: number): void {
    const best = Math.max(
      ...this.#ticks.map((last) => {
        const first = this.#ticks.findLast(({ timeMs }) => timeMs <= last.timeMs - spanMs)
        return first ? sumOf(ratesBetween(first, last)) : 0
      }),
    )
    const [first, last] = [this.#ticks[0], this.#ticks.at(-1)]
    const rates = first && last ? ratesBetween(first, last) : []
    const sum = sumOf(rates)
    if (sum > 0) this.#keep(rates.map(([serial, rate]) => [serial, (rate * best) / sum] as const))
  }

  #keep(rates: Rates): void {
    const sum = sumOf(rates)
    if (rates.length === 0 || (this.#isStarved && sum < this.bytesPerSecond)) return
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

/** Of each stream, in bytes per second; none where the span is mostly the clock's grain. */
type Rates = readonly (readonly [serial: number, bytesPerSecond: number])[]

function ratesBetween(first: Tick, last: Tick): Rates {
  const spanMs = last.timeMs - first.timeMs
  if (spanMs < LEAST_SPAN_MS) return []
  return [...last.delivered].map(([serial, bytes]) => {
    const since = bytes - (first.delivered.get(serial) ?? bytes)
    return [serial, Math.max(0, (since * 1000) / spanMs)] as const
  })
}

const sumOf = (rates: Rates): number => rates.reduce((total, [, rate]) => total + rate, 0)
