import { DwcpError } from '@dwcp/interface'

/**
 * The codes of this package's errors; the README has cause and remedy of each.
 * @public
 */
export type NativeErrorCode =
  | 'ERR_NATIVE_UNAVAILABLE'
  | 'ERR_NATIVE_TOO_LARGE'
  | 'ERR_NATIVE_CORRUPT'
  | 'ERR_NATIVE_OUT_OF_MEMORY'
  | 'ERR_NATIVE_CLOSED'
  | 'ERR_NATIVE_FORGED'
  | 'ERR_NATIVE_PEER_LOST'

/** @internal */
export function unavailable(what: string, reason: string): DwcpError<NativeErrorCode> {
  return new DwcpError('ERR_NATIVE_UNAVAILABLE', `${what} is not possible here: ${reason}`, { details: { reason } })
}

/** @internal */
export function tooLarge(what: string, maxBytes: number, reason: string): DwcpError<NativeErrorCode> {
  return new DwcpError('ERR_NATIVE_TOO_LARGE', `${what} is past the limit of ${maxBytes} bytes: ${reason}`, { details: { maxBytes } })
}

/** @internal */
export function corrupt(what: string, reason: string, cause?: unknown): DwcpError<NativeErrorCode> {
  return new DwcpError('ERR_NATIVE_CORRUPT', `${what} is corrupt: ${reason}`, cause === undefined ? {} : { cause })
}

/** @internal */
export function outOfMemory(what: string, reason: string): DwcpError<NativeErrorCode> {
  return new DwcpError('ERR_NATIVE_OUT_OF_MEMORY', `${what}: ${reason}`, { retryable: true })
}

/** @internal */
export function closed(what: string): DwcpError<NativeErrorCode> {
  return new DwcpError('ERR_NATIVE_CLOSED', `${what} was closed: make another`)
}

/** @internal */
export function streamError(code: NativeErrorCode, what: string): DwcpError<NativeErrorCode> {
  return new DwcpError(code, `${what}: open another stream`, { retryable: code !== 'ERR_NATIVE_TOO_LARGE' })
}
