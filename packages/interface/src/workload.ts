import type { Digest } from './identity.js'
import type { Grant, WorkloadId } from './ownership.js'

/** A range of pages of one size. It may grow while it is exported; it never shrinks. */
export interface Region {
  /** A power of two. */
  readonly pageBytes: number
  /** A multiple of `pageBytes`. */
  readonly lengthBytes: number
  /** The bound that the target reserves for. */
  readonly maxLengthBytes: number
}

/** What a target has to know before any state arrives. */
export interface WorkloadManifest {
  readonly workload: WorkloadId
  /** Which driver: 'wasm', later 'qemu', 'volume'. */
  readonly kind: string
  /** Of the driver's state format; a target refuses a version it does not know. */
  readonly version: number
  readonly regions: readonly Region[]
  /** What a target must offer, by name; the driver on the target checks it in `prepare`. */
  readonly requires: Readonly<Record<string, string>>
}

/** The engine's wishes for the rounds to come. */
export interface ExportSteering {
  /** What the link will carry of this workload's raw state. */
  readonly bytesPerSecond: number
  readonly downtimeMs: number
  /** Share of its running time, 0..1, that the workload gives up so that the rounds converge. */
  readonly throttleRatio: number
}

/** How the engine steers an export that is under way. */
export interface ExportControl {
  /** The driver installs itself; the engine calls. Latest value wins. */
  readonly steering: ExportSteering
  /** Aborted by the engine when the workload shall stop and send its last round. */
  readonly stop: AbortSignal
  /** Aborted when the migration is given up: the export ends by throwing `signal.reason`. */
  readonly signal: AbortSignal
}

/**
 * A running workload, as its driver shows it to the engine. A machine monitor owns its own dirty tracking and rounds and
 * emits an opaque device state; a WebAssembly driver can do the same. The driver pushes, the engine steers.
 */
export interface Workload {
  readonly id: WorkloadId
  describe(): Promise<WorkloadManifest>
  /**
   * Pages of the first pass, then rounds of changed ones; after each pass a `round`. Once `stop` is aborted the
   * workload stops running, then come `stopped`, the last pages, opaque state and `final`. Slow reading slows it.
   */
  export(control: ExportControl): AsyncIterable<StateChunk>
  /** Undo: the workload runs on as if nothing had been. Possible until `release`. */
  resume(): Promise<void>
  /** After the commit: fence and free. `lost` is the grant that another node now holds. */
  release(lost: Grant): Promise<void>
}

/** One piece of the state on its way, or a mark between the pieces. */
export type StateChunk =
  /**
   * `bytes` holds the pages one after the other, in the order of `pages` (page numbers, ascending). From `export` and to `import` they are
   * lent until the next chunk is asked for; then their memory may hold other pages, or be gone.
   */
  | { readonly kind: 'pages'; readonly region: number; readonly pages: Uint32Array; readonly bytes: Uint8Array }
  | { readonly kind: 'opaque'; readonly bytes: Uint8Array }
  | { readonly kind: 'round'; readonly remainingBytes: number; readonly dirtyBytesPerSecond: number }
  | { readonly kind: 'stopped' }
  /** Over regions and opaque state alike; what the target must arrive at. */
  | { readonly kind: 'final'; readonly digest: Digest }

/** The place where a workload arrives. Empty until `start`; after `discard` as if it had never been. */
export interface WorkloadTarget {
  /** Reserves what the manifest asks for, or throws `ERR_MIGRATION_UNSUPPORTED` with the reason. */
  prepare(manifest: WorkloadManifest): Promise<void>
  /** Takes everything in and resolves to the digest of what is here now, computed from the bytes that arrived. */
  import(chunks: AsyncIterable<StateChunk>): Promise<Digest>
  /** Runs the first slice, under an activated grant. */
  start(grant: Grant): Promise<Workload>
  discard(): Promise<void>
}

/** One kind of workload on this node. */
export interface WorkloadDriver {
  readonly kind: string
  target(): WorkloadTarget
}
