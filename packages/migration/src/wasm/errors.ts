import { DwcpError } from '@dwcp/interface'

/**
 * What goes wrong with a WebAssembly workload; causes and remedies are in this package's README.
 *
 * @public
 */
export type WasmErrorCode =
  | 'ERR_MIGRATION_UNSUPPORTED'
  | 'ERR_MIGRATION_STATE_INVALID'
  | 'ERR_WORKLOAD_BUSY'
  | 'ERR_WORKLOAD_CRASHED'
  | 'ERR_WORKLOAD_FINISHED'
  | 'ERR_WORKLOAD_LIMIT'
  | 'ERR_WORKLOAD_MOVED'
  | 'ERR_WORKLOAD_STALE_REQUEST'
  | 'ERR_WORKLOAD_STATE'
  | 'ERR_WORKLOAD_STOPPED'
  | 'ERR_WORKLOAD_TRAPPED'
  | 'ERR_WORKLOAD_UNRESPONSIVE'

/** All of {@link WasmErrorCode}, for checks of completeness. */
export const WASM_ERROR_CODES: readonly WasmErrorCode[] = [
  'ERR_MIGRATION_UNSUPPORTED',
  'ERR_MIGRATION_STATE_INVALID',
  'ERR_WORKLOAD_BUSY',
  'ERR_WORKLOAD_CRASHED',
  'ERR_WORKLOAD_FINISHED',
  'ERR_WORKLOAD_LIMIT',
  'ERR_WORKLOAD_MOVED',
  'ERR_WORKLOAD_STALE_REQUEST',
  'ERR_WORKLOAD_STATE',
  'ERR_WORKLOAD_STOPPED',
  'ERR_WORKLOAD_TRAPPED',
  'ERR_WORKLOAD_UNRESPONSIVE',
]

const RETRYABLE: ReadonlySet<WasmErrorCode> = new Set([
  'ERR_WORKLOAD_BUSY',
  'ERR_WORKLOAD_MOVED',
  'ERR_WORKLOAD_STOPPED',
  'ERR_WORKLOAD_UNRESPONSIVE',
])

/** Whether a code is retryable is a property of the code, so it is decided here and nowhere else. */
export function wasmError(
  code: WasmErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): DwcpError<WasmErrorCode> {
  return new DwcpError(code, message, { retryable: RETRYABLE.has(code), details, ...(cause === undefined ? {} : { cause }) })
}

/** `reason` completes "this module cannot be run as a workload: …". */
export function unsupported(reason: string, details: Readonly<Record<string, unknown>> = {}): DwcpError<WasmErrorCode> {
  return wasmError('ERR_MIGRATION_UNSUPPORTED', `this workload cannot be carried: ${reason}`, { reason, ...details })
}

/** `reason` says which part of the arriving state broke which rule. */
export function invalidState(reason: string, details: Readonly<Record<string, unknown>> = {}): DwcpError<WasmErrorCode> {
  return wasmError('ERR_MIGRATION_STATE_INVALID', `the arriving state is refused: ${reason}; export it again`, { reason, ...details })
}
