import { DwcpError, type DwcpErrorOptions } from '@dwcp/interface'

/** Every code of this package; causes and remedies are in its README. */
export const SECURITY_ERROR_CODES = [
  'ERR_SECURITY_CERTIFICATE',
  'ERR_SECURITY_CLUSTER',
  'ERR_SECURITY_CORRUPT',
  'ERR_SECURITY_EXISTS',
  'ERR_SECURITY_EXPIRED',
  'ERR_SECURITY_KEY',
  'ERR_SECURITY_LIMIT',
  'ERR_SECURITY_LOCKED',
  'ERR_SECURITY_MISSING',
  'ERR_SECURITY_NAME',
  'ERR_SECURITY_NAME_TAKEN',
  'ERR_SECURITY_NOT_ADMITTED',
  'ERR_SECURITY_REVOKED',
  'ERR_SECURITY_SIGNATURE',
  'ERR_SECURITY_TOKEN',
  'ERR_SECURITY_TOKEN_USED',
  'ERR_SECURITY_UNSAFE_FILE',
  'ERR_SECURITY_UNTRUSTED',
] as const
/**
 * One of {@link SECURITY_ERROR_CODES}.
 *
 * @public
 */
export type SecurityErrorCode = (typeof SECURITY_ERROR_CODES)[number]
/**
 * What this package throws and rejects with.
 *
 * @public
 */
export type SecurityError = DwcpError<SecurityErrorCode>

export const securityError = (code: SecurityErrorCode, message: string, options?: DwcpErrorOptions): SecurityError =>
  new DwcpError(code, message, options)

export const isSystemError = (error: unknown, code: string): boolean => error instanceof Error && 'code' in error && error.code === code
