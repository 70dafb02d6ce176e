import type { Clock, Logger, MessageTransport, NodeId, Ownership, RateAdvisor, StateCodec, WorkloadDriver } from '@dwcp/interface'
import type { Asker } from './ask.js'

/** The channel of the state streams; questions go over `migration`. */
export const STATE_CHANNEL = 'migration/state'

/** What both ends of a migration work with. */
export interface MigrationContext {
  readonly self: NodeId
  readonly transport: MessageTransport
  readonly codec: StateCodec
  readonly ownership: Ownership
  readonly drivers: ReadonlyMap<string, WorkloadDriver>
  readonly advisor: Pick<RateAdvisor, 'forecast'> | undefined
  readonly asker: Asker
  readonly clock: Clock
  readonly logger: Logger
  /** Aborted when the node closes. */
  readonly closing: AbortSignal
  readonly limits: MigrationLimits
}

/** Bounds on what a migration may hold and wait for. */
export interface MigrationLimits {
  /** How long the target may take to make room. @defaultValue 10000 */
  readonly prepareTimeoutMs: number
  /** How long a target keeps a place for a source of which nothing is heard. @defaultValue 30000 */
  readonly idleTimeoutMs: number
  /** How long a target that closes stays to tell the sources of what was arriving. @defaultValue 2000 */
  readonly partingTimeoutMs: number
  /** How long the target may take in nothing of what was sent before the source gives up. @defaultValue 10000 */
  readonly stallTimeoutMs: number
  /** Workloads that arrive at once. @defaultValue 16 */
  readonly maxArrivals: number
  /** Of one encoded frame. @defaultValue 16777216 */
  readonly maxFrameBytes: number
  /** Encoded and not yet taken by the transport. @defaultValue 2097152 */
  readonly queueBytes: number
}

/** The bounds where none are given. */
export const MIGRATION_LIMITS: MigrationLimits = {
  prepareTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  stallTimeoutMs: 10_000,
  partingTimeoutMs: 2_000,
  maxArrivals: 16,
  maxFrameBytes: 16 * 1024 * 1024,
  queueBytes: 2 * 1024 * 1024,
}

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const onAbort = (): void => {
      timer[Symbol.dispose]()
      reject(signal.reason)
    }
    const timer = clock.after(delayMs, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
