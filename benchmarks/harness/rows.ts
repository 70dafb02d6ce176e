import { type Spread, spreadOf } from './statistics.js'
import type { Case, Contender, Measurement, Metric } from './suite.js'

/**
 * One comparison; without `peer…`, a figure of ours that nothing stands beside; without `value`, a peer's in a case that we have
 * nothing for yet. `ratio` is value / peerValue.
 */
export interface Row {
  readonly suite: string
  readonly case: string
  readonly metric: string
  readonly unit: string
  readonly better: 'lower' | 'higher'
  readonly value?: number
  readonly min?: number
  readonly max?: number
  readonly runs?: number
  readonly peer?: string
  readonly peerValue?: number
  readonly peerMin?: number
  readonly peerMax?: number
  readonly peerRuns?: number
  readonly ratio?: number
  /** What `ratio` may be at most, or, where higher is better, at least. */
  readonly limit?: number
}

/** All measurements of one contender, in the order of its runs. */
export interface Measured {
  readonly contender: Pick<Contender, 'name' | 'ours'>
  readonly measurements: readonly Measurement[]
}

/** The rows of one case, metric by metric: each of ours beside each peer; the peers alone where there is none of ours. */
export function rowsOf(suite: string, subject: Pick<Case, 'name' | 'metrics'>, measured: readonly Measured[]): Row[] {
  const ours = measured.filter(({ contender }) => contender.ours)
  const peers = measured.filter(({ contender }) => !contender.ours)
  const rows: Row[] = []
  for (const metric of subject.metrics) {
    const { name, quantile, unit, better } = metric
    const base = { suite, case: subject.name, metric: quantile === undefined ? name : `${name} p${quantile * 100}`, unit, better }
    if (ours.length === 0) rows.push(...peers.flatMap((peer) => besidePeer(base, undefined, peer, metric)))
    for (const own of ours) {
      const spread = spreadIn(own, metric)
      if (spread === undefined) continue
      const row: Row = { ...base, case: ours.length > 1 ? `${subject.name}, ${own.contender.name}` : subject.name, ...spread }
      const beside = peers.flatMap((peer) => besidePeer(row, own.contender.name, peer, metric))
      rows.push(...(beside.length > 0 ? beside : [row]))
    }
  }
  return rows
}

function besidePeer(base: Row, own: string | undefined, peer: Measured, metric: Metric): Row[] {
  const spread = spreadIn(peer, metric)
  if (spread === undefined) return []
  const limit = own === undefined ? undefined : metric.limits?.[own]?.[peer.contender.name]
  const row: Row = {
    ...base,
    peer: peer.contender.name,
    peerValue: spread.value,
    peerMin: spread.min,
    peerMax: spread.max,
    peerRuns: spread.runs,
    // Beside a peer that has nothing of it there is no ratio.
    ...(base.value === undefined || spread.value === 0 ? {} : { ratio: base.value / spread.value }),
  }
  return [limit === undefined ? row : { ...row, limit }]
}

function spreadIn({ measurements }: Measured, { name, quantile }: Metric): Spread | undefined {
  const values = measurements.flatMap((measurement) => measurement[name] ?? [])
  return values.length === 0 ? undefined : spreadOf(values, quantile)
}

/** Whether the row keeps its limit; a row without one always does. */
export function keepsLimit({ ratio, limit, better }: Row): boolean {
  if (limit === undefined || ratio === undefined) return true
  return better === 'lower' ? ratio <= limit : ratio >= limit
}
