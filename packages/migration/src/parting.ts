import type { Arrival } from './arrival.js'
import type { MigrationContext } from './migration-context.js'

/**
 * A target that closes while workloads arrive. A source that has offered ownership may not resume before it is told that
 * nothing came of it, and nobody could tell it while this node is gone: so the node stays until it has.
 */
export class Parting {
  /** Resolves when no source is in doubt, or after `partingTimeoutMs`. */
  readonly over: Promise<void>
  readonly #context: MigrationContext
  readonly #told = new Map<string, () => void>()

  constructor(context: MigrationContext, arrivals: readonly Arrival[]) {
    this.#context = context
    const { clock, limits } = context
    const late = new AbortController()
    const timer = clock.after(limits.partingTimeoutMs, () => late.abort())
    this.over = Promise.race([
      Promise.all(arrivals.map((arrival) => this.#until(arrival, late.signal))).then(() => undefined),
      new Promise<void>((resolve) => late.signal.addEventListener('abort', () => resolve(), { once: true })),
    ]).finally(() => {
      timer[Symbol.dispose]()
      late.abort()
    })
  }

  /** The source says that it gave that migration up: it knows. */
  cancelled(migration: string): void {
    this.#told.get(migration)?.()
  }

  async #until(arrival: Arrival, late: AbortSignal): Promise<void> {
    const told = new Promise<void>((resolve) => this.#told.set(arrival.migration, resolve))
    if ((await arrival.outcome).outcome !== 'not-started') return
    const { ownership, self, logger } = this.#context
    try {
      const grant = await ownership.current(arrival.workload)
      if (grant?.owner !== self || grant.active) return await told
      // It was accepted and never ran: the source is told so when it asks, and takes it back.
      for await (const change of ownership.hold(grant, { signal: late })) if (change.kind === 'lost') return
    } catch (error) {
      logger.warn({ workload: arrival.workload, from: arrival.from, error }, 'a source may wait until this node is back')
    }
  }
}
