import type { Digest } from '@dwcp/interface'
import type { WasmErrorCode } from './errors.js'
import type { HostState } from './host-state.js'
import type { WorkloadRequest } from './mailbox.js'
import type { SliceInput } from './slice-input.js'
import type { WasmLimits } from './wasm-options.js'

/** How a worker's program begins. */
export interface WorkerSetup {
  readonly module: Uint8Array<ArrayBuffer>
  readonly limits: WasmLimits
  readonly seed: number
  /** Whether its state will arrive. */
  readonly restoring: boolean
  /** The memory is grown to it at once: V8 counts all of a memory anew each time that it grows, and collects garbage for that. */
  readonly memoryBytes: number
  readonly recording: boolean
  readonly dirtyTracking: 'userfaultfd' | 'compare' | undefined
}

/** A look at a workload, taken between two slices. */
export interface WasmStats {
  readonly running: boolean
  readonly finished: boolean
  readonly slices: number
  readonly memoryBytes: number
  /** Units of work that the next slice is given. */
  readonly budget: number
  /** Time spent in slices on this host, ms. */
  readonly busyMs: number
  /** The longest slice on this host, ms. */
  readonly longestSliceMs: number
  /** Requests accepted and not answered. */
  readonly requestsWaiting: number
  /** The program's clock, ms. */
  readonly nowMs: number
  /** How dirty pages are found while an export is under way. */
  readonly dirtyTracking: 'userfaultfd' | 'compare' | undefined
}

/** What the main thread asks of the worker, and what it gets. */
export interface Commands {
  readonly load: { readonly takes: WorkerSetup; readonly gives: undefined }
  /** Gives its bytes back, for the next ones. */
  readonly write: { readonly takes: { readonly pages: Uint32Array; readonly bytes: Uint8Array }; readonly gives: Uint8Array }
  readonly restore: { readonly takes: HostState; readonly gives: undefined }
  readonly run: { readonly takes: undefined; readonly gives: undefined }
  readonly stop: { readonly takes: undefined; readonly gives: Uint32Array }
  readonly track: { readonly takes: undefined; readonly gives: { readonly pages: number } }
  readonly collect: { readonly takes: undefined; readonly gives: Uint32Array }
  /** Gives the front of a buffer that is long enough, filled. */
  readonly copy: { readonly takes: { readonly pages: Uint32Array; readonly into: ArrayBuffer }; readonly gives: Uint8Array }
  readonly untrack: { readonly takes: undefined; readonly gives: undefined }
  readonly throttle: { readonly takes: number; readonly gives: undefined }
  readonly state: { readonly takes: undefined; readonly gives: Uint8Array }
  readonly digest: { readonly takes: undefined; readonly gives: Digest }
  readonly stats: { readonly takes: undefined; readonly gives: WasmStats }
  /** Settles with the answer, whenever the program gives it. */
  readonly request: { readonly takes: WorkloadRequest; readonly gives: Uint8Array }
}
export type CommandName = keyof Commands
export interface Command<Name extends CommandName> {
  readonly id: number
  readonly name: Name
  readonly value: Commands[Name]['takes']
}
/** `LATER` stands for an answer that will be sent by itself. */
export type Handlers = {
  readonly [Name in CommandName]: (value: Commands[Name]['takes'], id: number) => Commands[Name]['gives'] | typeof LATER
}
export const LATER: unique symbol = Symbol('later')

/** An error as it crosses threads, where only plain data does. */
export interface PlainError {
  readonly code: WasmErrorCode | undefined
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

export type WorkerMessage =
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refused'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'record'; readonly input: SliceInput }
  | { readonly kind: 'log'; readonly text: string }
  | { readonly kind: 'finished' }
  | { readonly kind: 'trapped'; readonly error: PlainError }
