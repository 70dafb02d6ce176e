import type { Address } from '@dwcp/interface'
import { cliError } from './errors.js'

/**
 * Reads `host:port`, an IPv6 host in brackets.
 *
 * @throws `ERR_CLI_USAGE`
 */
export function parseAddress(text: string, name: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:/[\]\s]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > 65_535)
    throw cliError('ERR_CLI_USAGE', `${name} ${text}: write host:port, such as 127.0.0.1:7400 or [::1]:7400`)
  return { host, port }
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
