import type { Address } from '@dwcp/interface'
import { parseAddress } from '../address.js'
import { cliError } from '../errors.js'

/** Where `dwcp serve` listens unless it is told otherwise. */
export const TRANSFER_PORT = 7410

/** A place on another machine, where `dwcp serve` runs. */
export interface ServedLocation {
  readonly kind: 'served'
  readonly address: Address
  /** From the root of what is served there; what is in a directory where it ends with a slash. */
  readonly path: string
}

/** A place on another machine that ssh reaches. */
export interface SshLocation {
  readonly kind: 'ssh'
  /** As ssh takes it, with a user or without. */
  readonly host: string
  /** From the home there, unless it begins with a slash. */
  readonly path: string
}

/** One of two kinds. @throws `ERR_CLI_USAGE` */
export function parseLocation(text: string): ServedLocation | SshLocation {
  const [, host, path = ''] = /^((?:[^@:/]+@)?[^@:/]+):(?!\/\/)(.*)$/s.exec(text) ?? []
  if (host === undefined) return parseServed(text)
  // It would be an option of ssh.
  if (host.startsWith('-')) throw cliError('ERR_CLI_USAGE', `${text}: no host begins with a dash`)
  return { kind: 'ssh', host, path }
}

/** Reads `dwcp://host:port/path`, as it is written: nothing in the path is decoded. */
function parseServed(text: string): ServedLocation {
  const [, authority, path = ''] = /^dwcp:\/\/([^/]+)(?:\/(.*))?$/s.exec(text) ?? []
  if (authority === undefined) throw cliError('ERR_CLI_USAGE', `${text}: write dwcp://host:port/path, or user@host:path for ssh`)
  const hasPort = /:\d+$/.test(authority) && !authority.endsWith(']')
  return { kind: 'served', address: parseAddress(hasPort ? authority : `${authority}:${TRANSFER_PORT}`, text), path }
}
