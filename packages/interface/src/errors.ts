/** Marks every {@link DwcpError}, also one made by another copy of this package or in another realm. */
const BRAND = Symbol.for('dwcp.error')

/** What goes with an error besides its code and message; `cause` is that of every Error. */
export interface DwcpErrorOptions extends ErrorOptions {
  /** Whether the same call, made again, may succeed. @defaultValue false */
  readonly retryable?: boolean
  /** The facts behind the message (peer, limit, offset …), for programs. */
  readonly details?: Readonly<Record<string, unknown>>
}

/**
 * The one error class of the SDK. Switch on `code`, never on the message.
 *
 * @example
 * ```ts
 * import { isDwcpError } from '@dwcp/interface'
 * const code = (error: unknown) => (isDwcpError(error) ? error.code : 'not ours')
 * ```
 */
export class DwcpError<Code extends string = string> extends Error {
  override readonly name: string = 'DwcpError'
  /** `ERR_<PACKAGE>_<WHAT>`; each package exports the union of its codes. */
  readonly code: Code
  readonly retryable: boolean
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: Code, message: string, options: DwcpErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retryable = options.retryable ?? false
    this.details = options.details ?? {}
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** Whether `value` is a {@link DwcpError}, of this copy of the package or another; with `code`, of that code. */
export function isDwcpError<Code extends string = string>(value: unknown, code?: Code): value is DwcpError<Code> {
  return value instanceof Error && BRAND in value && (code === undefined || ('code' in value && value.code === code))
}
