import type { Clock } from '@dwcp/interface'

/** A clock that stands still until it is told to go on: minutes of timeouts pass in milliseconds, in one order. */
export interface VirtualClock extends Clock {
  /** Goes to the next timer and calls it; false where there is none up to `limitMs`. */
  next(limitMs: number): boolean
  /** Past all timers up to then. */
  goTo(atMs: number): void
}

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
}

export function createVirtualClock(): VirtualClock {
  const timers = new Set<Timer>()
  let nowMs = 0
  let order = 0
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, callback) {
      const timer: Timer = { atMs: nowMs + Math.max(0, delayMs), order: order++, callback }
      timers.add(timer)
      return { [Symbol.dispose]: () => void timers.delete(timer) }
    },
    next(limitMs) {
      let first: Timer | undefined
      for (const timer of timers) {
        if (first === undefined || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order)) first = timer
      }
      if (first === undefined || first.atMs > limitMs) return false
      nowMs = Math.max(nowMs, first.atMs)
      timers.delete(first)
      first.callback()
      return true
    },
    goTo(atMs) {
      nowMs = Math.max(nowMs, atMs)
    },
  }
}
