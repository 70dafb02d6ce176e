import type { Address } from '@dwcp/interface'
import type { SimulationOptions } from '@dwcp/migration'

/** How a node moves workloads: @dwcp/core as it is, with one encoding for the link's class, under `forceV1Mode`, or the plainest way. */
export type MoveStyle = 'v3' | 'v3 profile' | 'v1' | 'stop-and-copy'

export interface OpenNode {
  readonly id: string
  readonly host: string
  readonly style: MoveStyle
  /** For what the nodes of one contender write. */
  readonly directory: string
}

export interface OpenedNode {
  /** Where other nodes send state. */
  readonly address: Address
  /** Where clients ask; with @dwcp/core the same. */
  readonly door: Address
}

export interface OnWorkload {
  readonly workload: string
  readonly options: SimulationOptions
}

export interface MoveOrder {
  readonly workload: string
  readonly to: Address
}

/** As the source measured it. */
export interface MoveReport {
  readonly totalMs: number
  readonly rawBytes: number
  readonly wireBytes: number
  readonly rounds: number
}

/** What a node of either kind can do. */
export interface SuiteNode extends OpenedNode {
  run(workload: string): Promise<void>
  request(workload: string, payload: Uint8Array): Promise<Uint8Array>
  move(workload: string, to: Address): Promise<MoveReport>
  end(workload: string): Promise<void>
}
