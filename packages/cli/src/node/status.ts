import type { FlagsStatus, LinkStatus, WorkloadStatus } from '@dwcp/core'
import type { Address } from '@dwcp/interface'
import { cliError } from '../errors.js'
import type { ReachedNode } from '../state-directory.js'

/** What a running node says of itself. */
export interface NodeStatus {
  readonly id: string
  readonly pid: number
  readonly address: Address
  readonly workloads: readonly WorkloadStatus[]
  readonly links: readonly LinkStatus[]
  readonly flags: FlagsStatus
}

export async function statusOf({ caller }: Pick<ReachedNode, 'caller'>): Promise<NodeStatus> {
  const status: unknown = await caller.call('status')
  if (isStatus(status)) return status
  throw cliError('ERR_CLI_CONTROL', 'the node answers in another version of this protocol: use the same version of dwcp on both sides')
}

function isStatus(value: unknown): value is NodeStatus {
  return typeof value === 'object' && value !== null && 'workloads' in value && 'links' in value && 'address' in value && 'pid' in value
}
