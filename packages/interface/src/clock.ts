/** Where time comes in. A simulator passes its own, so that the same code runs in simulated time. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  nowMs(): number
  /** Milliseconds since an arbitrary origin; never goes back, finer than a millisecond. */
  monotonicMs(): number
  /** Calls `callback` once, `delayMs` from now, unless disposed before. The timer does not keep a process alive. */
  after(delayMs: number, callback: () => void): Disposable
}

/** The clock of this host. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}

/** Where chance comes in: a seeded generator wherever a decision depends on it. */
export interface Random {
  /** A uniform integer in [0, 2^32). */
  uint32(): number
}
