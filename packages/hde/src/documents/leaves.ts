import { corrupt } from '../errors.js'
import { codeInteger } from './integers.js'
import type { Coder, Odds } from './range-coder.js'
import type { Session } from './session.js'
import { Double, Extension, KINDS, type Node, Opaque, Single } from './tree.js'

/** Leaves that are neither texts nor numbers of few decimals: at even odds, or in the payload. */
export function codeRareLeaves(session: Session, kind: number, given: readonly Node[], count: number, lengths: Odds): Node[] {
  return Array.from({ length: count }, (_, nth) => codeRareLeaf(session, kind, given[nth] ?? null, lengths))
}

function codeRareLeaf(session: Session, kind: number, node: Node, lengths: Odds): Node {
  const { coder } = session
  switch (kind) {
    case KINDS.null:
      return null
    case KINDS.false:
      return false
    case KINDS.true:
      return true
    case KINDS.float:
      return codeFloat64(coder, typeof node === 'number' ? node : 0)
    case KINDS.double:
      return new Double(codeFloat64(coder, node instanceof Double ? node.value : 0))
    case KINDS.single:
      return new Single(codeFloat32(coder, node instanceof Single ? node.value : 0))
    case KINDS.wide:
      return codeWide(coder, typeof node === 'bigint' ? node : 0n)
    case KINDS.bytes:
      return codeBytes(session, node instanceof Uint8Array ? node : NOTHING, lengths)
    case KINDS.extension: {
      const type = coder.bits(node instanceof Extension ? node.type & 0xff : 0, 8)
      return new Extension((type << 24) >> 24, codeBytes(session, node instanceof Extension ? node.bytes : NOTHING, lengths))
    }
    case KINDS.opaque:
      return new Opaque(codeBytes(session, node instanceof Opaque ? node.bytes : NOTHING, lengths))
    default:
      throw corrupt('a leaf of a kind that is not known')
  }
}

const NOTHING = new Uint8Array()
const WORD = new DataView(new ArrayBuffer(8))

function codeFloat64(coder: Coder, value: number): number {
  WORD.setFloat64(0, value)
  const [high, low] = [coder.bits(WORD.getUint32(0), 32), coder.bits(WORD.getUint32(4), 32)]
  WORD.setUint32(0, high)
  WORD.setUint32(4, low)
  return WORD.getFloat64(0)
}

function codeFloat32(coder: Coder, value: number): number {
  WORD.setFloat32(0, value)
  WORD.setUint32(0, coder.bits(WORD.getUint32(0), 32))
  return WORD.getFloat32(0)
}

/** 64 bits, and one that tells negative ones from those above 2^63. */
function codeWide(coder: Coder, value: bigint): bigint {
  const isNegative = coder.bits(value < 0n ? 1 : 0, 1) === 1
  const high = coder.bits(Number(BigInt.asUintN(32, value >> 32n)), 32)
  const low = coder.bits(Number(BigInt.asUintN(32, value)), 32)
  const bits = (BigInt(high) << 32n) | BigInt(low)
  return isNegative ? BigInt.asIntN(64, bits) : bits
}

function codeBytes({ coder, payload, budget }: Session, bytes: Uint8Array, lengths: Odds): Uint8Array {
  const lengthBytes = codeInteger(coder, lengths, bytes.length)
  budget.spendBytes(lengthBytes)
  return payload.bytes(bytes, lengthBytes)
}
