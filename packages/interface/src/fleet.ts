import type { NodeId } from './identity.js'
import type { NetworkMode } from './transport.js'

/** Amounts of what a node has or a task asks for. */
export interface Resources {
  /** Thousandths of a core. */
  readonly cpuMilli: number
  readonly memoryBytes: number
  readonly diskBytes?: number
  readonly networkBytesPerSecond?: number
}

/** One device of a node, and what of it is still free. */
export interface GpuDevice {
  readonly model: string
  readonly memoryBytes: number
  /** Thousandths of the device not yet given away. */
  readonly freeMilli: number
}

/** The devices that a task asks for. */
export interface GpuDemand {
  /** Thousandths of one device (count 1), or 1000 for whole ones. */
  readonly milli: number
  readonly count: number
  /** Any of these; absent: any. */
  readonly models?: readonly string[]
}

/** Where a node stands, in degrees and in law. */
export interface GeoLocation {
  readonly latitude: number
  readonly longitude: number
  readonly region: string
  readonly zone?: string
  /** ISO 3166-1 alpha-2. */
  readonly jurisdiction: string
}

/** A node as placement sees it. */
export interface FleetNode {
  readonly id: NodeId
  readonly capacity: Resources
  readonly free: Resources
  readonly gpus: readonly GpuDevice[]
  readonly architecture: string
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly string[]
  readonly location?: GeoLocation
  readonly usdPerHour?: number
}

/** Something to be placed on a node. A higher `priority` goes first. */
export interface FleetTask {
  readonly id: string
  readonly demand: Resources
  readonly gpu?: GpuDemand
  readonly architecture?: string
  readonly tolerations: readonly string[]
  readonly jurisdictions?: readonly string[]
  readonly priority: number
}

/** What is measured of a link between two nodes. */
export interface FleetLink {
  readonly from: NodeId
  readonly to: NodeId
  readonly rttMs: number
  readonly bytesPerSecond: number
  readonly mode: NetworkMode
}
