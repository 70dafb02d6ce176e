import { DwcpError, isDwcpError } from '@dwcp/interface'

/** What goes wrong in the command itself; causes and remedies are in this package's README. */
export type CliErrorCode =
  | 'ERR_CLI_USAGE'
  | 'ERR_CLI_CONTROL'
  | 'ERR_CLI_NODE_RUNNING'
  | 'ERR_CLI_NO_NODE'
  | 'ERR_CLI_NO_WORKLOAD'
  | 'ERR_CLI_NO_LAB'
  | 'ERR_CLI_NOT_VERIFIED'
  | 'ERR_CLI_CHILD'
  | 'ERR_CLI_SSH'
  | 'ERR_CLI_INTERRUPTED'

/** What the command ends with. */
export const EXIT = { done: 0, failed: 1, usage: 2, notHere: 3, notVerified: 4, interrupted: 130 } as const

const EXIT_BY_CODE: Readonly<Partial<Record<string, number>>> = {
  ERR_CLI_USAGE: EXIT.usage,
  ERR_CLI_NO_LAB: EXIT.notHere,
  ERR_CLI_NOT_VERIFIED: EXIT.notVerified,
  ERR_CLI_INTERRUPTED: EXIT.interrupted,
}

export function cliError(code: CliErrorCode, message: string, cause?: unknown): DwcpError<CliErrorCode> {
  return new DwcpError(code, message, cause === undefined ? {} : { cause })
}

export function exitCodeOf(error: unknown): number {
  return (isDwcpError(error) ? EXIT_BY_CODE[error.code] : undefined) ?? EXIT.failed
}

/** An error as it crosses a process or a JSON line. */
export interface ErrorRecord {
  readonly code: string
  readonly message: string
}

export function errorRecord(error: unknown): ErrorRecord {
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_UNKNOWN'
  return { code, message }
}
