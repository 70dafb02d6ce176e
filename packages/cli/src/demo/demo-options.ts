import type { MigrationProgress, MigrationReport } from '@dwcp/core'
import type { BundledProgram } from '../program-source.js'

/** The link between the two nodes: this host's loopback, or one emulated by the WAN lab. */
export type DemoLink =
  | { readonly kind: 'loopback' }
  | {
      readonly kind: 'lan' | 'wan'
      readonly rttMs: number
      readonly rateBitsPerSecond: number
      /** Independent loss of packets, 0..1. */
      readonly lossRatio: number
    }

/**
 * What to show: the programs, the memory, the link, the budget.
 *
 * @public
 */
export interface DemoOptions {
  /** `all`: the simulation with a hash chain and a key-value ledger beside it. @defaultValue 'all' */
  readonly workload?: BundledProgram | 'all'
  /** Memory of the simulation, or what the key-value store holds. Up to 1.9 GiB. @defaultValue 64 MiB; for kv 8 MiB */
  readonly bytes?: number
  /** What of the simulation's memory is written anew each second; 0 to 4 GiB/s. @defaultValue 20 MiB/s */
  readonly dirtyBytesPerSecond?: number
  /** @defaultValue loopback */
  readonly link?: DemoLink
  /** What the engine aims to let a workload stand still for; where the rounds do not converge it takes longer, and the report shows it. @defaultValue 100 */
  readonly downtimeMs?: number
  /** Leaves nodes, workloads and lab as they are at the end. @defaultValue false */
  readonly keep?: boolean
  /** Ends the demo; everything is cleaned up before it rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** How it goes. */
  readonly onStep?: (step: DemoStep) => void
}

/** What a demo does just now. */
export type DemoStep =
  | { readonly kind: 'place'; readonly place: string; readonly nodes: readonly DemoNode[] }
  | { readonly kind: 'filling'; readonly workload: string; readonly done: number; readonly of: number }
  | { readonly kind: 'ready'; readonly workloads: readonly DemoWorkload[] }
  | { readonly kind: 'answered'; readonly answered: number }
  | { readonly kind: 'begins'; readonly workload: string; readonly from: string; readonly to: string }
  | { readonly kind: 'progress'; readonly workload: string; readonly progress: MigrationProgress }
  | { readonly kind: 'verifying'; readonly workload: string; readonly done: number; readonly of: number }
  | { readonly kind: 'moved'; readonly from: string; readonly to: string; readonly migrations: readonly DemoMigration[] }

/** One of the two nodes of a demonstration. */
export interface DemoNode {
  readonly id: string
  readonly address: string
  readonly pid: number
  readonly directory: string
}

/** What was measured of one program of a demonstration. */
export interface DemoWorkload {
  readonly id: string
  readonly program: BundledProgram
  /** What it does, in words. */
  readonly about: string
}

/** What the client saw between two moments. */
export interface Conversation {
  readonly answered: number
  /** Requests that nobody answered in time. */
  readonly lost: number
  /** Answers that show a request done twice, or a state from before one that was seen already. */
  readonly repeated: number
  /** Answers that contradict what the client computed itself. */
  readonly wrong: number
  /** Requests sent again because an answer did not come at once. */
  readonly resent: number
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Between two answered requests. */
  readonly gapMs: { readonly median: number; readonly max: number }
}

/** What was checked, and whether it was right. */
export interface Proof {
  readonly verified: boolean
  readonly text: string
}

/** One workload's way from one node to the other. All of it measured. */
export interface DemoMigration extends MigrationReport {
  /** Longest gap between two answers during the migration, less the usual gap before it. */
  readonly downtimeMs: number
  readonly before: Conversation
  readonly during: Conversation
  readonly proof: Proof
}

/**
 * What a demonstration measured.
 *
 * @public
 */
export interface DemoReport {
  /** Every proof and every answer right, nothing lost, nothing repeated. */
  readonly verified: boolean
  /** The worst of all migrations, as the client saw it. */
  readonly downtimeMs: number
  /** Of all migrations together, as are the bytes and the rounds. */
  readonly totalMs: number
  readonly rawBytes: number
  readonly wireBytes: number
  readonly rounds: number
  readonly place: string
  readonly nodes: readonly DemoNode[]
  readonly workloads: readonly DemoWorkload[]
  readonly migrations: readonly DemoMigration[]
  /** From its first question to its last. */
  readonly client: Conversation
  /** With `keep`: how to end what runs on. */
  readonly cleanUp?: readonly string[]
}
