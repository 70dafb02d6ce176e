import type { Address } from '@dwcp/interface'
import { parseAddress } from '../address.js'
import { cliError } from '../errors.js'

/** Where `dwcp serve` listens unless it is told otherwise. */
export const TRANSFER_PORT = 7410

/** A place on another machine. */
export interface ServedLocation {
  readonly address: Address
  /** From the root of what is served there; what is in a directory where it ends with a slash. */
  readonly path: string
}

/**
 * Reads `dwcp://host:port/path`, as it is written: nothing in the path is decoded.
 *
 * @throws `ERR_CLI_USAGE`
 */
export function parseLocation(text: string): ServedLocation {
  const [, authority, path = ''] = /^dwcp:\/\/([^/]+)(?:\/(.*))?$/s.exec(text) ?? []
  if (authority === undefined) throw cliError('ERR_CLI_USAGE', `${text}: write dwcp://host:port/path`)
  const hasPort = /:\d+$/.test(authority) && !authority.endsWith(']')
  return { address: parseAddress(hasPort ? authority : `${authority}:${TRANSFER_PORT}`, text), path }
}
