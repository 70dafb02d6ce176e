import { refused } from './refusal.js'

/**
 * How hard a v1 node tried: zstd at level 0, 3 or 9. It says nothing about what the packet holds.
 *
 * @public
 */
export type V1Tier = 'local' | 'regional' | 'global'

/** In the order of the numbers on the wire. */
const TIERS: readonly V1Tier[] = ['local', 'regional', 'global']
const RESERVED_BYTES = 6
const LENGTH_AT = 8
export const HEADER_BYTES = 16

export interface Header {
  readonly isDelta: boolean
  readonly tier: V1Tier
}

export function requireTier(tier: V1Tier): V1Tier {
  if (!TIERS.includes(tier)) throw new RangeError(`tier must be one of ${TIERS.join(', ')}, not ${tier}`)
  return tier
}

/** Into the first 16 bytes of `packet`, whose other bytes are the frame. */
export function writeHeader(packet: Uint8Array, { isDelta, tier }: Header): void {
  const view = viewOf(packet)
  packet.fill(0, 0, LENGTH_AT)
  view.setUint8(0, isDelta ? 1 : 0)
  view.setUint8(1, TIERS.indexOf(tier))
  view.setBigUint64(LENGTH_AT, BigInt(packet.length - HEADER_BYTES))
}

/** Of a packet that is whole: its frame ends where the bytes do. */
export function readHeader(packet: Uint8Array): Header {
  if (packet.length < HEADER_BYTES) throw refused(`${packet.length} bytes where a header of ${HEADER_BYTES} belongs`)
  const view = viewOf(packet)
  const flag = view.getUint8(0)
  if (flag > 1) throw refused(`a first byte of ${flag}, where 0 (an object) or 1 (a delta) belongs`)
  const tier = TIERS[view.getUint8(1)]
  if (tier === undefined) throw refused(`a tier of ${view.getUint8(1)}, where 0 to 2 belongs`)
  if (packet.subarray(2, 2 + RESERVED_BYTES).some((byte) => byte !== 0)) throw refused('a header whose bytes 2 to 7 are not zero')
  const frameBytes = view.getBigUint64(LENGTH_AT)
  const heldBytes = packet.length - HEADER_BYTES
  if (frameBytes !== BigInt(heldBytes)) throw refused(`a header that declares ${frameBytes} bytes, before ${heldBytes}`)
  return { isDelta: flag === 1, tier }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
