import type { LinkSample, NetworkMode } from '@dwcp/interface'

/** DESIGN § 3: a gigabit port delivers 0.94 Gbit/s of payload at the best. */
const DATACENTER_RTT_MS = 10
const DATACENTER_BYTES_PER_SECOND = 0.9e9 / 8
const INTERNET_RTT_MS = 50

/** Samples that the smoothed values look back on. */
const WINDOW = 10
/** A class is left only when the values are this far past its border, for so many samples in a row. A gigabit port is just 4 % above its border. */
const RTT_HYSTERESIS_RATIO = 0.1
const RATE_HYSTERESIS_RATIO = 0.02
const HYSTERESIS_SAMPLES = 3

export interface LinkMeasure {
  readonly rttMs: number | undefined
  readonly bytesPerSecond: number | undefined
  readonly samples: number
}

/**
 * Names the class of one link from what it measured. Pure: samples in, mode out.
 *
 * Bandwidth counts only where the network was the limit, or where the sample raises what was seen: traffic that was
 * limited by the application, the receiver or pacing proves at least as much and never less.
 */
export class ModeDetector {
  readonly #rtts: number[] = []
  readonly #rates: number[] = []
  #samples = 0
  #mode: NetworkMode = 'hybrid'
  #decided = false
  #candidate: NetworkMode = 'hybrid'
  #candidateSamples = 0

  get mode(): NetworkMode {
    return this.#mode
  }

  /** Whether both round-trip time and bandwidth have been measured; until then the mode is 'hybrid' or, by RTT alone, 'internet'. */
  get decided(): boolean {
    return this.#decided
  }

  /** Slow though near: a host that stood still while it was measured looks the same, so that this is believed only after more of it. */
  get isDoubtful(): boolean {
    const { rttMs = Number.POSITIVE_INFINITY } = this.measure
    return this.#mode === 'internet' && rttMs < DATACENTER_RTT_MS && this.#rates.length < WINDOW
  }

  get measure(): LinkMeasure {
    return { rttMs: mean(this.#rtts), bytesPerSecond: this.#bytesPerSecond(), samples: this.#samples }
  }

  observe(sample: Pick<LinkSample, 'rttMs' | 'deliveredBytesPerSecond' | 'limitedBy'>): NetworkMode {
    this.#samples++
    if (sample.rttMs > 0) push(this.#rtts, sample.rttMs)
    const known = this.#bytesPerSecond()
    if (
      sample.deliveredBytesPerSecond > 0 &&
      (sample.limitedBy === 'network' || (known !== undefined && sample.deliveredBytesPerSecond > known))
    ) {
      push(this.#rates, sample.deliveredBytesPerSecond)
    }
    const { rttMs, bytesPerSecond } = this.measure
    if (rttMs === undefined) return this.#mode
    const first = !this.#decided && bytesPerSecond !== undefined
    this.#decided ||= first
    const named = classify(rttMs, bytesPerSecond, this.#mode)
    if (named === this.#mode) this.#candidateSamples = 0
    else {
      this.#candidateSamples = named === this.#candidate ? this.#candidateSamples + 1 : 1
      this.#candidate = named
      if (first || this.#candidateSamples >= HYSTERESIS_SAMPLES) {
        this.#mode = named
        this.#candidateSamples = 0
      }
    }
    return this.#mode
  }

  #bytesPerSecond(): number | undefined {
    return mean(this.#rates)
  }
}

/** By the borders of DESIGN § 3, moved away from the class that the link is in. */
function classify(rttMs: number, bytesPerSecond: number | undefined, now: NetworkMode): NetworkMode {
  const rttMargin = (mode: NetworkMode): number => (mode === now ? 1 + RTT_HYSTERESIS_RATIO : 1)
  if (rttMs > INTERNET_RTT_MS / rttMargin('internet')) return 'internet'
  if (bytesPerSecond === undefined) return 'hybrid'
  const rateMargin = now === 'internet' ? 1 + RATE_HYSTERESIS_RATIO : 1 - RATE_HYSTERESIS_RATIO
  if (bytesPerSecond < DATACENTER_BYTES_PER_SECOND * rateMargin) return 'internet'
  return rttMs < DATACENTER_RTT_MS * rttMargin('datacenter') ? 'datacenter' : 'hybrid'
}

function push(values: number[], value: number): void {
  values.push(value)
  if (values.length > WINDOW) values.shift()
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
}
