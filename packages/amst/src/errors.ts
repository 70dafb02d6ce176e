import { DwcpError, type DwcpErrorOptions } from '@dwcp/interface'

/** Every code of this package; causes and remedies are in its README. */
export const AMST_ERROR_CODES = [
  'ERR_AMST_CANCELLED',
  'ERR_AMST_CLOSED',
  'ERR_AMST_CORRUPT',
  'ERR_AMST_HANDSHAKE',
  'ERR_AMST_IDENTITY',
  'ERR_AMST_INCOMPLETE',
  'ERR_AMST_LIMIT',
  'ERR_AMST_LOCKED',
  'ERR_AMST_NO_HANDLER',
  'ERR_AMST_PATH',
  'ERR_AMST_PEER_LOST',
  'ERR_AMST_PLAINTEXT_REFUSED',
  'ERR_AMST_PROTOCOL',
  'ERR_AMST_READ_ONLY',
  'ERR_AMST_REFUSED',
  'ERR_AMST_REJECTED',
  'ERR_AMST_REQUEST_FAILED',
  'ERR_AMST_SECURITY_MISMATCH',
  'ERR_AMST_SINK',
  'ERR_AMST_SOURCE_CHANGED',
  'ERR_AMST_SOURCE_LENGTH',
  'ERR_AMST_TIMEOUT',
  'ERR_AMST_TLS',
  'ERR_AMST_UNREACHABLE',
  'ERR_AMST_UNTRUSTED',
  'ERR_AMST_VERSION',
] as const
/**
 * One of {@link AMST_ERROR_CODES}.
 *
 * @public
 */
export type AmstErrorCode = (typeof AMST_ERROR_CODES)[number]
/**
 * What this package throws and rejects with.
 *
 * @public
 */
export type AmstError = DwcpError<AmstErrorCode>

export const amstError = (code: AmstErrorCode, message: string, options?: DwcpErrorOptions): AmstError =>
  new DwcpError(code, message, options)

/** The code to tell a peer: ours or the application's, never a stack or a path. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_UNKNOWN'
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)))
