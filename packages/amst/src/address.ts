import { isIP } from 'node:net'
import type { Address } from '@dwcp/interface'

/** @throws RangeError */
export function parseAddress(address: Address | string): Address {
  if (typeof address !== 'string') return address
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port < 1 || port > 65_535) throw new RangeError(`"${address}" is no address: write host:port or [ipv6]:port`)
  return { host, port }
}

/** An IP literal with a port. No names: who calls does not look up what a peer says. */
export function isLiteral(text: string): boolean {
  try {
    return isIP(parseAddress(text).host) !== 0
  } catch {
    return false
  }
}

/** What {@link parseAddress} reads. */
export const formatAddress = ({ host, port }: Address): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
