/** What the engine knows at the end of a round. */
export interface RoundFacts {
  /** State that changed since it was sent, raw. */
  readonly remainingBytes: number
  readonly dirtyBytesPerSecond: number
  /** Raw state that this round sent and that may not be all zero, and how long that took until the target had it. */
  readonly roundBytes: number
  readonly roundMs: number
  readonly rttMs: number
}

export type RoundDecision =
  | { readonly action: 'stop'; readonly downtimeMsPredicted: number }
  | { readonly action: 'continue'; readonly downtimeMsPredicted: number; readonly throttleRatio: number }
  | { readonly action: 'give-up'; readonly downtimeMsPredicted: number; readonly reason: string }

export interface RoundPolicyOptions {
  readonly downtimeMs: number
  readonly maxRounds: number
  readonly exceedDowntime: boolean
}

/** A floor for stopping, the last scan, the journals and the first slice: assumed, not measured. What it took is in the report's `pause`. */
const FIXED_DOWNTIME_MS = 3
/** A shorter round measures latencies, not the path. */
const MEASURABLE_BYTES = 64 * 1024
/** A round that leaves more than this of what the round before left does not converge. */
const CONVERGING_RATIO = 0.8
/** Each step takes away half to most of what the workload still has. */
const THROTTLE_STEPS: readonly number[] = [0, 0.5, 0.75, 0.9, 0.97]
/** Rounds after the budget is met, while each leaves this much less: on a fast link they are nearly free, and each shortens the pause. */
const WORTHWHILE_RATIO = 0.7
const MAX_EXTRA_ROUNDS = 4

/**
 * Decides after each round of pre-copy whether to stop now, go on, slow the workload down, or give up.
 * Pre-copy: Clark et al., "Live Migration of Virtual Machines", NSDI 2005; throttling as QEMU's auto-converge.
 */
export function createRoundPolicy(options: RoundPolicyOptions): (facts: RoundFacts) => RoundDecision {
  let rounds = 0
  let msPerByte = 0
  let extra = 0
  let step = 0
  let previousBytes = Number.POSITIVE_INFINITY
  let stalled = 0
  return (facts) => {
    rounds++
    const measurable = facts.roundBytes >= MEASURABLE_BYTES
    if (measurable) msPerByte = Math.max(0, facts.roundMs - facts.rttMs) / facts.roundBytes
    // A short round takes what it takes; a stop with as little left takes as long.
    const carryMs = measurable
      ? facts.rttMs + facts.remainingBytes * msPerByte
      : facts.roundMs + Math.max(0, facts.remainingBytes - MEASURABLE_BYTES) * (msPerByte || facts.roundMs / MEASURABLE_BYTES)
    const downtimeMsPredicted = FIXED_DOWNTIME_MS + carryMs
    const shrinks = facts.remainingBytes <= previousBytes * WORTHWHILE_RATIO
    const converges = facts.remainingBytes <= previousBytes * CONVERGING_RATIO
    previousBytes = facts.remainingBytes
    if (downtimeMsPredicted <= options.downtimeMs) {
      const worthMore = facts.remainingBytes > 0 && (shrinks || rounds === 1) && extra < MAX_EXTRA_ROUNDS && rounds < options.maxRounds
      if (!worthMore) return { action: 'stop', downtimeMsPredicted }
      extra++
      return { action: 'continue', downtimeMsPredicted, throttleRatio: THROTTLE_STEPS[step] ?? 0 }
    }
    stalled = converges ? 0 : stalled + 1
    if (stalled >= 2 && step < THROTTLE_STEPS.length - 1) {
      step++
      stalled = 0
    }
    if (rounds >= options.maxRounds || stalled >= 3) {
      if (options.exceedDowntime) return { action: 'stop', downtimeMsPredicted }
      return { action: 'give-up', downtimeMsPredicted, reason: explain(facts, downtimeMsPredicted, options, rounds) }
    }
    return { action: 'continue', downtimeMsPredicted, throttleRatio: THROTTLE_STEPS[step] ?? 0 }
  }
}

function explain(facts: RoundFacts, downtimeMs: number, options: RoundPolicyOptions, rounds: number): string {
  const kib = (bytes: number): string => Math.round(bytes / 1024).toLocaleString('en')
  return (
    `after ${rounds} rounds ${kib(facts.remainingBytes)} KiB are left, changing at ${kib(facts.dirtyBytesPerSecond)} KiB/s; the last round carried ` +
    `${kib(facts.roundBytes)} KiB in ${Math.round(facts.roundMs)} ms. Stopping now would take about ${Math.round(downtimeMs)} ms, the budget is ` +
    `${options.downtimeMs} ms. The workload runs on here. Allow a longer downtime (downtimeMs), or any (exceedDowntime)`
  )
}
