import type { NodeId } from './identity.js'
import type { TrafficClass } from './transport.js'

/** This node's link to one peer. */
export type LinkId = NodeId

/** One measurement of a link, as the transport saw it. */
export interface LinkSample {
  readonly link: LinkId
  /** On the clock's monotonic scale. */
  readonly timeMs: number
  readonly deliveredBytesPerSecond: number
  readonly rttMs: number
  readonly minRttMs: number
  /** 0..1 */
  readonly lossRatio: number
  readonly cwndBytes?: number
  /** A paced sender measures its own pacing: only 'network' samples speak of the link. */
  readonly limitedBy: 'network' | 'pacing' | 'sender' | 'receiver'
}

/** A forecast value with its spread, in the unit of the field that holds it. */
export interface Quantiles {
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

/** What a link is expected to do over the next `horizonMs`. */
export interface LinkForecast {
  readonly link: LinkId
  readonly issuedAtMs: number
  readonly horizonMs: number
  /** Which predictor spoke; 'prior' before any sample. */
  readonly source: string
  /** The link's. */
  readonly capacityBytesPerSecond: Quantiles
  /** What this traffic class will get of it: what hde and migration plan with. */
  readonly shareBytesPerSecond: Quantiles
  readonly rttMs: Quantiles
  readonly lossRatio: number
  readonly cwndBytes?: number
  readonly changedAtMs?: number
}

/** pba ↔ amst, hde, migration, itp. pba decides, amst alone enforces. Every call is synchronous, cheap and never throws. */
export interface RateAdvisor {
  observe(sample: LinkSample): void
  forecast(link: LinkId, options: { readonly horizonMs: number; readonly class?: TrafficClass }): LinkForecast
  demand(link: LinkId, demand: { readonly class: TrafficClass; readonly backlogBytes: number; readonly deadlineMs?: number }): void
  rates(link: LinkId): ReadonlyMap<TrafficClass, number>
}
