import type { Clock, LinkForecast, LinkId, LinkSample, Quantiles, RateAdvisor, TrafficClass } from '@dwcp/interface'

/**
 * Says that the next sample will be like the last one, with no spread: what v1 does (DESIGN § 4). Rates are 0 before a sample that
 * the network limited: others say nothing of the link but that it gives as much.
 */
export function createLastValueAdvisor(clock: Clock, onSample: (sample: LinkSample) => void): RateAdvisor {
  const last = new Map<LinkId, LinkSample>()
  const rates: ReadonlyMap<TrafficClass, number> = new Map()
  return {
    observe(sample) {
      const known = last.get(sample.link)?.deliveredBytesPerSecond ?? 0
      const proves = sample.limitedBy === 'network' || (known > 0 && sample.deliveredBytesPerSecond > known)
      last.set(sample.link, { ...sample, deliveredBytesPerSecond: proves ? sample.deliveredBytesPerSecond : known })
      onSample(sample)
    },
    forecast(link, { horizonMs }): LinkForecast {
      const sample = last.get(link)
      const common = { link, issuedAtMs: clock.monotonicMs(), horizonMs }
      if (sample === undefined) {
        const unknown = { capacityBytesPerSecond: exactly(0), shareBytesPerSecond: exactly(0), rttMs: exactly(0), lossRatio: 0 }
        return { ...common, source: 'prior', ...unknown }
      }
      const rate = exactly(sample.deliveredBytesPerSecond)
      return {
        ...common,
        source: 'last-value',
        capacityBytesPerSecond: rate,
        shareBytesPerSecond: rate,
        rttMs: exactly(sample.rttMs),
        lossRatio: sample.lossRatio,
      }
    },
    demand: () => undefined,
    rates: () => rates,
  }
}

function exactly(value: number): Quantiles {
  return { p10: value, p50: value, p90: value }
}
