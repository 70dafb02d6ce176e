import {
  type Clock,
  DwcpError,
  type Logger,
  type MessageTransport,
  type NodeId,
  type Ownership,
  type RateAdvisor,
  type StateCodec,
  silentLogger,
  systemClock,
  type Workload,
  type WorkloadDriver,
  type WorkloadId,
} from '@dwcp/interface'
import { Arrival, type Arrived, openStateStream } from './arrival.js'
import { createAsker } from './ask.js'
import { Departure } from './departure.js'
import { LinkedAbort } from './linked-abort.js'
import { MIGRATION_LIMITS, type MigrationContext, type MigrationLimits, STATE_CHANNEL } from './migration-context.js'
import { MAX_BASELINES, type MigrationQuestion, type Outcome, parseMigrationQuestion } from './migration-message.js'
import type { MigrateOptions, MigrationPhase, MigrationReport } from './migration-report.js'
import { Parting, Untold } from './parting.js'

/** What a migrator moves workloads with: seams, drivers and bounds. */
export interface MigratorOptions {
  readonly transport: MessageTransport
  readonly codec: StateCodec
  readonly ownership: Ownership
  readonly drivers: readonly WorkloadDriver[]
  /** A workload has begun to run here. Awaited before the source hears so. */
  readonly onArrived: (arrived: Arrived) => Promise<void>
  /** Whether this node takes `workload` in; throw to refuse, the message reaches the source. @defaultValue every workload */
  readonly admit?: (workload: WorkloadId, from: NodeId) => Promise<void>
  /** Forecasts of the link's round-trip time. */
  readonly advisor?: Pick<RateAdvisor, 'forecast'>
  readonly clock?: Clock
  readonly logger?: Logger
  readonly limits?: Partial<MigrationLimits>
}

/** Moves workloads to other nodes and takes theirs in. Needs nothing of DWCP but the seams in `@dwcp/interface`. */
export interface Migrator extends AsyncDisposable {
  /**
   * Moves `workload`, which runs here, to `to`.
   *
   * Rejects with the workload running on here, except for `ERR_MIGRATION_OUTCOME_UNKNOWN` (the signal was aborted after
   * ownership was offered, and the target cannot be asked: {@link Migrator.settled} tells when it is known),
   * `ERR_MIGRATION_LOST` (the target took it over, and it ended there before this node heard that it ran),
   * `ERR_MIGRATION_RELEASE_FAILED` (it runs on the target, and what is left here could not be freed) and
   * `ERR_MIGRATION_CLOSED` (this node is closing).
   * @throws `ERR_MIGRATION_*`, `ERR_OWNERSHIP_*`, the transport's and the codec's errors, `signal.reason`.
   */
  migrate(workload: Workload, to: NodeId, options?: MigrateOptions): Promise<MigrationReport>
  /** Where a departure under way stands; undefined where there is none. */
  phase(workload: WorkloadId): MigrationPhase | undefined
  /** Where a departure under way leads. */
  destination(workload: WorkloadId): NodeId | undefined
  /** Resolves when no departure of `workload` is under way any more, whatever came of it. */
  settled(workload: WorkloadId): Promise<void>
  /** Workloads arriving and not yet running. */
  arriving(): readonly WorkloadId[]
  /** Settles when a workload that is arriving runs here, or will not from this migration; undefined where none is. */
  arrival(workload: WorkloadId): Promise<void> | undefined
  close(): Promise<void>
}

/** A place that is being made. */
interface Preparing {
  readonly migration: string
  readonly from: NodeId
  cancel(reason: unknown): void
}

/** Moves workloads with what it is given, and answers its peers from now on. */
export function createMigrator(options: MigratorOptions): Migrator {
  return new TransportMigrator(options)
}

class TransportMigrator implements Migrator {
  readonly #context: MigrationContext
  readonly #options: MigratorOptions
  readonly #departures = new Map<WorkloadId, Departure>()
  readonly #arrivals = new Map<WorkloadId, Arrival>()
  readonly #preparing = new Map<WorkloadId, Preparing>()
  readonly #closing = new AbortController()
  #parting: Parting | undefined
  readonly #untold: Untold
  readonly #receiver: Disposable
  #closed: Promise<void> | undefined

  constructor(options: MigratorOptions) {
    const { transport, codec, ownership, drivers, advisor, clock = systemClock, logger = silentLogger } = options
    this.#options = options
    this.#context = {
      self: transport.self,
      transport,
      codec,
      ownership,
      drivers: new Map(drivers.map((driver) => [driver.kind, driver])),
      advisor,
      asker: createAsker({ transport, channel: 'migration', clock, answer: (from, question) => this.#answer(from, question) }),
      clock,
      logger,
      closing: this.#closing.signal,
      limits: { ...MIGRATION_LIMITS, ...options.limits },
    }
    this.#untold = new Untold(this.#context)
    this.#receiver = transport.receiveObject(STATE_CHANNEL, async (from, object) => {
      await openStateStream(object, this.#context.limits.maxFrameBytes, (migration) => this.#arrivalOf(from.nodeId, migration))
    })
  }

  migrate(workload: Workload, to: NodeId, options: MigrateOptions = {}): Promise<MigrationReport> {
    if (to === this.#context.self) throw new RangeError(`${workload.id} is on ${to} already`)
    if (this.#departures.has(workload.id)) {
      throw new DwcpError('ERR_MIGRATION_IN_PROGRESS', `${workload.id} is already on its way; wait for that to end`, {
        details: { workload: workload.id },
      })
    }
    return new Promise((resolve, reject) => {
      const { signal, onProgress } = options
      /** Nobody can say where the workload is, and the caller does not want to wait for it. */
      const giveUp = (): void => {
        if (signal?.aborted !== true || departure.phase !== 'settling') return
        reject(
          new DwcpError(
            'ERR_MIGRATION_OUTCOME_UNKNOWN',
            `${workload.id} was offered to ${to}, which cannot be asked; nothing runs until it can, and this node goes on asking`,
            {
              retryable: true,
              details: { workload: workload.id, to },
            },
          ),
        )
      }
      const departure = new Departure(this.#context, workload, to, {
        ...options,
        onProgress(progress) {
          try {
            onProgress?.(progress)
          } finally {
            giveUp()
          }
        },
      })
      this.#departures.set(workload.id, departure)
      signal?.addEventListener('abort', giveUp)
      const leave = (): void => {
        this.#departures.delete(workload.id)
        signal?.removeEventListener('abort', giveUp)
      }
      departure.settled.finally(leave).then(resolve, reject)
    })
  }

  phase(workload: WorkloadId): MigrationPhase | undefined {
    return this.#departures.get(workload)?.phase
  }

  destination(workload: WorkloadId): NodeId | undefined {
    return this.#departures.get(workload)?.to
  }

  async settled(workload: WorkloadId): Promise<void> {
    await this.#departures.get(workload)?.settled.catch(() => undefined)
  }

  arriving(): readonly WorkloadId[] {
    return [...this.#arrivals.keys()]
  }

  arrival(workload: WorkloadId): Promise<void> | undefined {
    return this.#arrivals.get(workload)?.finished
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const reason = new DwcpError('ERR_MIGRATION_CLOSED', 'this node is closing')
    const arrivals = [...this.#arrivals.values()]
    this.#parting = new Parting(this.#context, arrivals)
    this.#closing.abort(reason)
    for (const arrival of arrivals) arrival.cancel(reason)
    await Promise.allSettled([
      ...[...this.#departures.values()].map((departure) => departure.settled),
      ...arrivals.map((arrival) => arrival.finished),
    ])
    await this.#parting.over
    await this.#untold.over()
    this.#receiver[Symbol.dispose]()
    this.#context.asker[Symbol.dispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #answer(from: NodeId, value: unknown): Promise<unknown> {
    const question = parseMigrationQuestion(value)
    if (question === undefined)
      throw new DwcpError('ERR_MIGRATION_PROTOCOL', 'a question about a migration that this version does not know')
    if (question.question === 'outcome') return this.#outcome(from, question)
    if (question.question === 'heard') {
      this.#untold.told(question.workload, from)
      return {}
    }
    if (question.question === 'prepare') {
      this.#closing.signal.throwIfAborted()
      return this.#prepare(from, question)
    }
    this.#parting?.cancelled(question.migration)
    const cancelled = new DwcpError('ERR_MIGRATION_CANCELLED', `${from} gave the migration up`)
    for (const each of [...this.#arrivals.values(), ...this.#preparing.values()]) {
      if (each.migration === question.migration && each.from === from) each.cancel(cancelled)
    }
    return {}
  }

  async #prepare(from: NodeId, question: Extract<MigrationQuestion, { question: 'prepare' }>): Promise<unknown> {
    const { migration, epoch, manifest } = question
    const { drivers, codec, ownership, limits } = this.#context
    const { workload } = manifest
    const older = this.#arrivals.get(workload)
    if (older?.from === from && older.migration === migration) return { have: codec.baselines(workload).slice(0, MAX_BASELINES) }
    if (older?.from === from) {
      older.cancel(new DwcpError('ERR_MIGRATION_CANCELLED', `${from} begins again`))
      await older.finished
    }
    // The paused copy of a departure that is not settled is a second one; it has to go before another comes.
    if (this.#departures.has(workload))
      throw new DwcpError('ERR_MIGRATION_IN_PROGRESS', `${workload} has not finished leaving ${this.#context.self}; try again`, {
        retryable: true,
      })
    if (this.#arrivals.has(workload) || this.#preparing.has(workload))
      throw new DwcpError('ERR_MIGRATION_IN_PROGRESS', `${workload} is already arriving here`)
    if (this.#arrivals.size + this.#preparing.size >= limits.maxArrivals)
      throw new DwcpError('ERR_MIGRATION_BUSY', `this node takes in ${limits.maxArrivals} workloads at once`, { retryable: true })
    const abort = new LinkedAbort(this.#closing.signal)
    const { signal } = abort
    this.#preparing.set(workload, { migration, from, cancel: (reason) => abort.abort(reason) })
    try {
      const driver = drivers.get(manifest.kind)
      if (driver === undefined)
        throw new DwcpError(
          'ERR_MIGRATION_UNSUPPORTED',
          `this node runs no workloads of kind ${manifest.kind}, only ${[...drivers.keys()].join(', ')}`,
        )
      const grant = await ownership.current(workload)
      if (grant?.owner === this.#context.self && grant.ended === undefined)
        throw new DwcpError('ERR_OWNERSHIP_EPOCH', `this node already owns a workload named ${workload}`)
      await this.#options.admit?.(workload, from)
      signal.throwIfAborted()
      const target = driver.target()
      await target.prepare(manifest)
      if (signal.aborted) {
        await target.discard()
        throw signal.reason
      }
      const arrival = new Arrival(this.#context, { migration, from, epoch, manifest, target }, this.#options.onArrived)
      this.#arrivals.set(workload, arrival)
      void arrival.outcome.then(({ outcome }) => outcome === 'running' && this.#untold.began(workload, from))
      void arrival.finished.then(() => this.#arrivals.get(workload) === arrival && this.#arrivals.delete(workload))
      return { have: codec.baselines(workload).slice(0, MAX_BASELINES) }
    } finally {
      abort[Symbol.dispose]()
      this.#preparing.delete(workload)
    }
  }

  /** From the place while there is one; afterwards, and after a restart, from what ownership says. */
  async #outcome(from: NodeId, question: Extract<MigrationQuestion, { question: 'outcome' }>): Promise<Outcome> {
    const arrival = this.#arrivals.get(question.workload)
    if (arrival?.from === from) return arrival.outcome
    const grant = await this.#context.ownership.current(question.workload)
    if (grant === undefined) throw new DwcpError('ERR_MIGRATION_PROTOCOL', `this node's journal knows nothing of ${question.workload}`)
    const { owner, active, ended } = grant
    if (grant.epoch === question.epoch && owner === this.#context.self) {
      if (ended !== undefined) return { outcome: 'lost', reason: ended }
      if (!active) return { outcome: 'not-started', reason: 'it ended before it began to run the workload' }
    }
    // The answer that gave it back was lost on the way. A workload that ran here cannot have come back to `from` since: it is
    // still on its way out there.
    if (owner === from && grant.epoch === question.epoch + 1) return { outcome: 'not-started', reason: 'it has been given back' }
    return { outcome: 'running' }
  }

  #arrivalOf(from: NodeId, migration: string): Arrival {
    for (const arrival of this.#arrivals.values()) {
      if (arrival.migration === migration && arrival.from === from) return arrival
    }
    throw new DwcpError('ERR_MIGRATION_CANCELLED', `no place is kept here for migration ${migration}`)
  }
}
