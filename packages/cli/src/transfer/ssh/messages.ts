import type { ErrorRecord } from '../../errors.js'
import { cliError } from '../../errors.js'

/** The names in the certificates of both ends. */
export const CALLER = 'dwcp-ssh-caller'
export const AGENT = 'dwcp-ssh-agent'

export const LINE_BYTES_MAX = 65_536
const VERSION = 1

/** What the caller says over ssh, in one line of JSON. */
export interface Order {
  readonly version: typeof VERSION
  /** Of the files, as the agent sees it. */
  readonly direction: 'in' | 'out'
  /** Of the caller, who shows no other: PEM. */
  readonly cert: string
  /** To listen on; 0: any. */
  readonly port: number
  /** Where the files go; or which are asked for. */
  readonly paths: readonly string[]
  readonly links: 'inside' | 'all'
  /** Names what is resumed. */
  readonly staging: string
}

/** What the agent answers. */
export interface Welcome {
  readonly version: typeof VERSION
  readonly cert: string
  readonly port: number
  /** What to ask for. */
  readonly paths: readonly string[]
}

export const encodeOrder = (order: Omit<Order, 'version'>): string => `${JSON.stringify({ version: VERSION, ...order })}\n`
export const encodeWelcome = (welcome: Omit<Welcome, 'version'>): string => `${JSON.stringify({ version: VERSION, ...welcome })}\n`
export const encodeRefusal = (error: ErrorRecord): string => `${JSON.stringify({ version: VERSION, error })}\n`

/** @throws `ERR_CLI_SSH` */
export function decodeOrder(value: unknown): Order {
  const { direction, links, staging, ...rest } = fieldsOf(value)
  if ((direction !== 'in' && direction !== 'out') || (links !== 'inside' && links !== 'all') || typeof staging !== 'string')
    throw notUnderstood()
  return { ...common(rest), direction, links, staging }
}

/** @throws `ERR_CLI_SSH`, also with what the agent says that went wrong. */
export function decodeWelcome(value: unknown): Welcome {
  const fields = fieldsOf(value)
  const { error } = fields
  if (error instanceof Object && 'code' in error && 'message' in error)
    throw cliError('ERR_CLI_SSH', `the other end says ${String(error.code)}: ${String(error.message)}`)
  return common(fields)
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  const fields: Readonly<Record<string, unknown>> = value instanceof Object ? Object.fromEntries(Object.entries(value)) : {}
  if (fields['version'] !== VERSION) throw cliError('ERR_CLI_SSH', 'the other end is another version of dwcp: update the older one')
  return fields
}

function common({ cert, port, paths }: Readonly<Record<string, unknown>>): Welcome {
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535
  if (typeof cert !== 'string' || !isPort || !Array.isArray(paths)) throw notUnderstood()
  const texts = paths.filter((path): path is string => typeof path === 'string')
  if (texts.length !== paths.length) throw notUnderstood()
  return { version: VERSION, cert, port, paths: texts }
}

const notUnderstood = (): Error => cliError('ERR_CLI_SSH', 'what came over ssh is not what dwcp says: use the same version on both ends')
