import { quantile } from '../quantile.js'
import type { Conversation } from './demo-options.js'

/** Of the newest so many answers the latencies are kept. */
const MAX_SAMPLES = 1 << 18

/** Counts one stretch of a client's talk with one workload. */
export class Tally {
  readonly #latenciesMs: number[] = []
  readonly #gapsMs: number[] = []
  answered = 0
  lost = 0
  repeated = 0
  wrong = 0
  resent = 0

  /** @param gapMs - Since the answer before this one; absent for a client's first. */
  answer(latencyMs: number, gapMs: number | undefined): void {
    keep(this.#latenciesMs, latencyMs, this.answered)
    if (gapMs !== undefined) keep(this.#gapsMs, gapMs, this.answered)
    this.answered++
  }

  report(): Conversation {
    return Tally.together([this])
  }

  static together(tallies: readonly Tally[]): Conversation {
    const sum = (count: 'answered' | 'lost' | 'repeated' | 'wrong' | 'resent'): number =>
      tallies.reduce((total, tally) => total + tally[count], 0)
    const latencies = sorted(tallies.flatMap((tally) => tally.#latenciesMs))
    const gaps = sorted(tallies.flatMap((tally) => tally.#gapsMs))
    return {
      answered: sum('answered'),
      lost: sum('lost'),
      repeated: sum('repeated'),
      wrong: sum('wrong'),
      resent: sum('resent'),
      latencyMs: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), max: latencies.at(-1) ?? 0 },
      gapMs: { median: quantile(gaps, 0.5), max: gaps.at(-1) ?? 0 },
    }
  }
}

function keep(samples: number[], value: number, index: number): void {
  if (samples.length < MAX_SAMPLES) samples.push(value)
  else samples[index % MAX_SAMPLES] = value
}

function sorted(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b)
}
