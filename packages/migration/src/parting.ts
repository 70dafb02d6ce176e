import type { NodeId, WorkloadId } from '@dwcp/interface'
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

interface Waiting {
  readonly from: NodeId
  readonly sinceMs: number
  readonly told: Promise<void>
  readonly tell: () => void
}

/** Sources that have given a workload to this node, where it runs, and have not heard so yet. */
export class Untold {
  readonly #context: Pick<MigrationContext, 'clock' | 'limits'>
  readonly #waiting = new Map<WorkloadId, Waiting>()

  constructor(context: Pick<MigrationContext, 'clock' | 'limits'>) {
    this.#context = context
  }

  /** It runs here from now on. A source that does not say in time that it knows is gone, and is forgotten. */
  began(workload: WorkloadId, from: NodeId): void {
    const { clock, limits } = this.#context
    const nowMs = clock.monotonicMs()
    for (const [each, { sinceMs }] of this.#waiting) if (nowMs - sinceMs > limits.partingTimeoutMs) this.#waiting.delete(each)
    let tell = (): void => undefined
    const told = new Promise<void>((resolve) => (tell = resolve))
    this.#waiting.set(workload, { from, sinceMs: nowMs, told, tell })
  }

  /** Its source says that it knows. That an answer was sent says nothing: it may be lost. */
  told(workload: WorkloadId, from: NodeId): void {
    const waiting = this.#waiting.get(workload)
    if (waiting?.from !== from) return
    waiting.tell()
    this.#waiting.delete(workload)
  }

  /** Resolves when each has been told, or was silent for `partingTimeoutMs`. */
  async over(): Promise<void> {
    const { clock, limits } = this.#context
    for (const { sinceMs, told } of [...this.#waiting.values()]) {
      const leftMs = sinceMs + limits.partingTimeoutMs - clock.monotonicMs()
      if (leftMs > 0) await Promise.race([told, new Promise<void>((resolve) => clock.after(leftMs, resolve))])
    }
  }
}
