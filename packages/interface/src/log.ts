/** Chosen by the proposer, unique in its session: the same id is applied once. */
export type CommandId = string

/** How far the log has come on this member, and under which protocol. */
export interface LogStatus {
  readonly epoch: number
  readonly protocol: string
  readonly faultModel: 'crash' | 'byzantine'
  readonly appliedIndex: number
  /** Committed entries not applied here yet. */
  readonly lagEntries: number
}

/** acp → ass, migration, flags. One order, many machines: state, leases, flags and bans share a log, a snapshot and an epoch. */
export interface ReplicatedLog {
  mount(name: string, machine: StateMachine): LogPartition
  status(): LogStatus
  changes(): AsyncIterable<LogStatus>
}

/** Deterministic: time and seed arrive with the entry. */
export interface StateMachine {
  /** Nothing is committed that some member cannot apply. */
  readonly versions: readonly [min: number, max: number]
  apply(entry: {
    readonly index: number
    readonly epoch: number
    readonly timeMs: number
    readonly version: number
    readonly command: Uint8Array
  }): Uint8Array
  query(query: Uint8Array): Uint8Array
  snapshot(): AsyncIterable<Uint8Array>
  restore(snapshot: AsyncIterable<Uint8Array>): Promise<void>
}

/** The share of the log that one mounted machine has. */
export interface LogPartition {
  /** Rejects with `ERR_LOG_REFUSED` (surely not applied) or `ERR_LOG_OUTCOME_UNKNOWN` (ask again with the same id). */
  propose(
    command: Uint8Array,
    options: { readonly id: CommandId; readonly version: number; readonly signal?: AbortSignal },
  ): Promise<{ readonly index: number; readonly epoch: number; readonly result: Uint8Array; readonly proof?: Uint8Array }>
  read(
    query: Uint8Array,
    options?: { readonly stale?: boolean; readonly signal?: AbortSignal },
  ): Promise<{ readonly index: number; readonly result: Uint8Array }>
}
