import type { Digest, EncoderStats, NodeId, WorkloadId } from '@dwcp/interface'

/** How long the workload may stand still, when to give up, how to follow and to cancel. */
export interface MigrateOptions {
  /** How long the workload may stand still. @defaultValue 100 */
  readonly downtimeMs?: number
  /** Passes over changed state before the engine gives up or, with `exceedDowntime`, stops anyway. @defaultValue 30 */
  readonly maxRounds?: number
  /** Stop and move even where the rest does not fit `downtimeMs`. @defaultValue false */
  readonly exceedDowntime?: boolean
  /** Until ownership is offered to the target, an abort leaves the workload running here. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: MigrationProgress) => void
}

/**
 * `settling`: the target may own the workload and cannot be asked; nothing runs until it can.
 */
export type MigrationPhase = 'preparing' | 'copying' | 'stopped' | 'transferring' | 'settling' | 'starting' | 'done'

/** How far a migration has come. */
export interface MigrationProgress {
  readonly phase: MigrationPhase
  /** From 1. */
  readonly round: number
  /** Of this round. */
  readonly rawBytes: number
  readonly roundRawBytes: number
  /** In all. */
  readonly wireBytes: number
  readonly ackedBytes: number
}

/** One pass over the state, as it was measured. */
export interface MigrationRound {
  readonly rawBytes: number
  readonly wireBytes: number
  readonly durationMs: number
  /** Changed while this round ran, raw. */
  readonly remainingBytes: number
  readonly dirtyBytesPerSecond: number
  readonly throttleRatio: number
  /** Had the workload been stopped after this round. */
  readonly downtimeMsPredicted: number
}

/** All of it measured in this migration. */
export interface MigrationReport {
  readonly workload: WorkloadId
  readonly from: NodeId
  readonly to: NodeId
  readonly epoch: number
  readonly digest: Digest
  readonly totalMs: number
  /** From the stop until the source heard that the target runs: what a user waits is at most this. */
  readonly pausedMs: number
  /** Where that went: the last round into the queue; until ownership had moved (the last bytes' way, their verification, the journals); until the target ran. */
  readonly pause: { readonly lastRoundMs: number; readonly transferMs: number; readonly startMs: number }
  readonly rawBytes: number
  readonly wireBytes: number
  /** The last one is the one after the stop. */
  readonly rounds: readonly MigrationRound[]
  readonly budgetMs: number
  /** What became of its pages, and what they were packed by. */
  readonly encoding: EncoderStats
}
