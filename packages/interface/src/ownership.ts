import type { NodeId } from './identity.js'

/** The lasting name of a workload, the same on every node. */
export type WorkloadId = string

/** The right to run one workload. Epochs only grow; each change of hands is a new one. */
export interface Grant {
  readonly workload: WorkloadId
  readonly epoch: number
  readonly owner: NodeId
  /** Whether the owner has declared that it runs (or ran) the workload under this epoch. */
  readonly active: boolean
  /** Why nobody runs it any more, where it has ended. */
  readonly ended?: string
}

/** What happens to a grant while it is held. */
export type GrantChange =
  | { readonly kind: 'lost'; readonly grant: Grant; readonly reason: string }
  | { readonly kind: 'renewed'; readonly grant: Grant }

/**
 * Who may run a workload. Implementations: a journal on disk (two nodes), a replicated log, etcd.
 *
 * At most one node holds an active grant for a workload, ever. Codes:
 * `ERR_OWNERSHIP_EPOCH` (someone was faster: read again), `ERR_OWNERSHIP_REFUSED` (the target did not accept, and never
 * will accept this attempt; nothing changed), `ERR_OWNERSHIP_ACTIVE` (the owner has begun to run it),
 * `ERR_OWNERSHIP_OUTCOME_UNKNOWN` (retryable: nothing may run until {@link Ownership.current} answers).
 */
export interface Ownership {
  /**
   * Whether the target is asked during {@link Ownership.transfer} and consents only when it holds the verified state.
   * Where it is not asked, the source waits for the target's word before it transfers.
   */
  readonly targetConsents: boolean
  /** The grant as it stands, or undefined where this implementation knows none. Settles an attempt whose outcome was unknown, or rejects with `ERR_OWNERSHIP_OUTCOME_UNKNOWN`. */
  current(workload: WorkloadId): Promise<Grant | undefined>
  /** The first grant of a new workload, to this node, inactive. Rejects with `ERR_OWNERSHIP_EPOCH` where one exists that has not ended. */
  create(workload: WorkloadId): Promise<Grant>
  /**
   * Compare and swap on the epoch: the one moment at which a workload changes hands. The owner gives to `to`; a former
   * owner may take back (`to` is itself) a grant that was never activated, since it still keeps the paused state.
   */
  transfer(workload: WorkloadId, expectEpoch: number, to: NodeId, options?: { readonly signal?: AbortSignal }): Promise<Grant>
  /**
   * For the target: waits until `from` has given `workload` to this node, with an epoch above `afterEpoch`. `consent` is
   * asked where {@link Ownership.targetConsents}; it must resolve to true only when the state is here, verified and ready
   * to run. An attempt that comes while nobody waits, or after `signal` aborts, is refused for good.
   */
  awaitGrant(
    workload: WorkloadId,
    options: { readonly from: NodeId; readonly afterEpoch: number; readonly consent: () => Promise<boolean>; readonly signal: AbortSignal },
  ): Promise<Grant>
  /** Durable before the first slice runs. From here on nobody but the owner can give the workload away. */
  activate(grant: Grant): Promise<Grant>
  /** The workload has ended or its state is lost: nobody runs it again under this name. */
  end(grant: Grant, reason: string): Promise<void>
  /** Ends after `lost`: stop at once. */
  hold(grant: Grant, options?: { readonly signal?: AbortSignal }): AsyncIterable<GrantChange>
}
