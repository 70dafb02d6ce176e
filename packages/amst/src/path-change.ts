/** What was seen of a path's streams at one time. */
export interface PathGlance {
  readonly timeMs: number
  /** The least of its streams' round-trip times now. */
  readonly rttMs: number
  /** And the least that they ever had: what their congestion control goes by. */
  readonly minRttMs: number
}

/** A queue that streams make when they start is gone by then, or the path is as good as that long. */
const WINDOW_LEAST_MS = 250
const WINDOW_ROUNDS = 8
const LONGER = 2
const LONGER_BY_MS = 10
/** Streams are not given up again before they have shown what they can do. */
const REST_MS = 2000

/**
 * Notices that a path has become longer, such as by another route or a workload's move. Streams that were opened before do not: BBR holds
 * them to the round-trip time that they had for up to 10 s (Cardwell et al., 2016, 4.1), loss-based ones grow by a packet a round.
 */
export class PathChange {
  #glances: readonly PathGlance[] = []
  #restsUntilMs = 0

  /** Whether fresh streams would do better. */
  observe(glance: PathGlance): boolean {
    const { timeMs, rttMs, minRttMs } = glance
    const windowMs = Math.max(WINDOW_LEAST_MS, WINDOW_ROUNDS * minRttMs)
    const since = this.#glances.filter((past) => past.timeMs >= timeMs - windowMs * 1.25)
    this.#glances = rttMs > Math.max(minRttMs * LONGER, minRttMs + LONGER_BY_MS) ? [...since, glance] : []
    const [first] = this.#glances
    if (!first || timeMs < first.timeMs + windowMs || timeMs < this.#restsUntilMs) return false
    this.#restsUntilMs = timeMs + REST_MS
    this.#glances = []
    return true
  }
}
