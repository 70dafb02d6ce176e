import { BlockList, isIP } from 'node:net'
import { amstError } from '../errors.js'
import { isLoopback } from '../security.js'

/**
 * v1 has neither TLS nor names, so who calls says that this is wanted: `true` holds for loopback, `'trusted-network'` says that
 * everyone who can reach or read this network is trusted.
 *
 * @public
 */
export type V1Plaintext = true | 'trusted-network'

/** @throws `ERR_AMST_PLAINTEXT_REFUSED` */
export function requirePlaintext(plaintext: V1Plaintext, host: string): void {
  if (plaintext === 'trusted-network' || (plaintext && isLoopback(host))) return
  throw amstError(
    'ERR_AMST_PLAINTEXT_REFUSED',
    `v1 has no TLS and "${host}" is not loopback: say plaintext: 'trusted-network' where everyone who can reach this network is trusted`,
  )
}

const LOOPBACK = ['127.0.0.0/8', '::1']

/** Whom to take transfers from: addresses and networks. @throws RangeError */
export function addressList(entries: readonly string[] = LOOPBACK): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix, ...more] = entry.split('/')
    const family = isIP(address)
    const bits = Number(prefix ?? (family === 6 ? 128 : 32))
    if (family === 0 || more.length > 0 || prefix === '' || !Number.isInteger(bits) || bits < 0 || bits > (family === 6 ? 128 : 32))
      throw new RangeError(`"${entry}" is no address and no network: write 10.0.0.7 or 10.0.0.0/24`)
    list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}
