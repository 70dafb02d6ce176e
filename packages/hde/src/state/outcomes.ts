import type { EncoderStats } from '@dwcp/interface'

export type Outcome = keyof EncoderStats['pages']

/** Codes on the wire. */
export const OUTCOMES: Readonly<Record<Outcome, number>> = { zero: 0, unchanged: 1, duplicate: 2, delta: 3, full: 4 }

/** By code. */
export const OUTCOME_NAMES: readonly Outcome[] = ['zero', 'unchanged', 'duplicate', 'delta', 'full']

/** Whether the new bytes of such a page are in the frame's payload. */
function isChanged(outcome: number | undefined): boolean {
  return outcome === OUTCOMES.delta || outcome === OUTCOMES.full
}

export function countChanged(outcomes: Uint8Array): number {
  let count = 0
  for (const outcome of outcomes) if (isChanged(outcome)) count += 1
  return count
}
