import type { WorkloadStatus } from '../src/index.ts'
import type { NodeFleet } from './node-fleet.ts'

export type Seen = WorkloadStatus | undefined

/** What two nodes say of a workload once neither is in the middle of anything. */
export function settled(fleet: NodeFleet, workload: string, source: string, target: string): Promise<readonly [Seen, Seen]> {
  const look = async (): Promise<readonly [Seen, Seen]> => [await fleet.status(source, workload), await fleet.status(target, workload)]
  return fleet.until(`a settled ${workload}`, look, (seen) => seen.every(isFinal))
}

export function isFinal(status: Seen): boolean {
  return status === undefined || ['running', 'moved', 'ended'].includes(status.state)
}

/** It runs on, where it was. */
export function hasStayed(atSource: Seen, atTarget: Seen): boolean {
  return atSource?.state === 'running' && (atTarget === undefined || atTarget.state === 'moved')
}

export function hasMoved(atSource: Seen, atTarget: Seen): boolean {
  return atTarget?.state === 'running' && atSource?.state === 'moved'
}

/** It ended with the process of the source, which says so; the target runs nothing of it. */
export function diedWithSource(atSource: Seen, atTarget: Seen): boolean {
  return isLost(atSource) && (atTarget === undefined || atTarget.state === 'moved')
}

export function diedWithTarget(atSource: Seen, atTarget: Seen): boolean {
  return isLost(atTarget) && atSource?.state === 'moved'
}

function isLost(status: Seen): boolean {
  return status?.state === 'ended' && status.reason?.startsWith('lost') === true
}
