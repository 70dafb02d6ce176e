import type { Logger } from '@dwcp/interface'
import type { MailboxLimits } from './mailbox.js'
import type { SliceInput } from './slice-input.js'

/**
 * Bounds and habits of the WebAssembly driver.
 *
 * @public
 */
export interface WasmDriverOptions {
  /** Most that one workload's memory may hold, in bytes. @defaultValue 2 GiB */
  readonly maxMemoryBytes?: number
  /** Longest module, in bytes. @defaultValue 64 MiB */
  readonly maxModuleBytes?: number
  /** Clients of one workload with a request waiting, and as many whose last answer is kept. @defaultValue 1024 */
  readonly maxClients?: number
  /** Longest request, in bytes. @defaultValue 1 MiB */
  readonly maxRequestBytes?: number
  /** Longest reply, in bytes; a program that gives more traps. @defaultValue 1 MiB */
  readonly maxReplyBytes?: number
  /** Bytes of all requests of one workload that wait, and as many of the answers kept. @defaultValue 64 MiB */
  readonly maxMailboxBytes?: number
  /** How long a slice shall last, in ms: what a stop waits for at most. @defaultValue 2 */
  readonly sliceMs?: number
  /** How often an idle program that asked for no time to wake is run, in ms. @defaultValue 10 */
  readonly tickMs?: number
  /** How long a stop waits for a slice that does not end, in ms, before `ERR_WORKLOAD_UNRESPONSIVE`. @defaultValue 10_000 */
  readonly stopTimeoutMs?: number
  /** How dirty pages are found: by the kernel where it can (Linux 6.7), or by comparing with a copy. @defaultValue whichever works */
  readonly dirtyTracking?: 'userfaultfd' | 'compare'
  /** Gets each input of each slice of each workload that runs here, before its answers: what `replay` needs. */
  readonly record?: (workload: string, input: SliceInput) => void
  /** For applications that bundle this package: where `dist/wasm-worker.js` is. @defaultValue beside this package */
  readonly workerFile?: string | URL
  readonly logger?: Logger
}

const MIB = 1 << 20

export const DEFAULT_MAX_MEMORY_BYTES: number = 2048 * MIB
export const DEFAULT_MAILBOX_LIMITS: MailboxLimits = {
  maxClients: 1024,
  maxRequestBytes: MIB,
  maxReplyBytes: MIB,
  maxMailboxBytes: 64 * MIB,
}

/** The numbers with the defaults filled in. */
export interface WasmLimits extends MailboxLimits {
  readonly maxMemoryBytes: number
  readonly maxModuleBytes: number
  readonly sliceMs: number
  readonly tickMs: number
  readonly stopTimeoutMs: number
}

const DEFAULTS: WasmLimits = {
  ...DEFAULT_MAILBOX_LIMITS,
  maxMemoryBytes: DEFAULT_MAX_MEMORY_BYTES,
  maxModuleBytes: 64 * MIB,
  // Long enough that yielding costs nothing (a turn of the loop takes some 10 µs), short beside a network's round trip.
  sliceMs: 2,
  tickMs: 10,
  stopTimeoutMs: 10_000,
}

/** Throws RangeError for a number that is not positive. */
export function wasmLimits(options: WasmDriverOptions): WasmLimits {
  const pick = (name: keyof WasmLimits): number => {
    const value = options[name] ?? DEFAULTS[name]
    if (!(value > 0 && Number.isFinite(value))) throw new RangeError(`${name} is ${value}; it must be a positive number`)
    return value
  }
  return {
    maxMemoryBytes: pick('maxMemoryBytes'),
    maxModuleBytes: pick('maxModuleBytes'),
    maxClients: pick('maxClients'),
    maxRequestBytes: pick('maxRequestBytes'),
    maxReplyBytes: pick('maxReplyBytes'),
    maxMailboxBytes: pick('maxMailboxBytes'),
    sliceMs: pick('sliceMs'),
    tickMs: pick('tickMs'),
    stopTimeoutMs: pick('stopTimeoutMs'),
  }
}
