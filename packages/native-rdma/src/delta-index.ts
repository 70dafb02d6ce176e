import type { Pair } from './delta-extend.js'

/** Compared at once where a match may be. */
export const SEED_BYTES = 16
const STRIDE_BYTES = 8
const MAX_ENTRIES = 1 << 22
const MIN_TABLE_LOG = 12

/** Finds a place in the base whose first 16 bytes are those of the target at `at`. */
export function indexOf({ target, base }: Pair): (at: number) => number | undefined {
  const stride = Math.max(STRIDE_BYTES, Math.ceil(base.length / MAX_ENTRIES))
  const tableLog = Math.max(MIN_TABLE_LOG, Math.ceil(Math.log2(base.length / stride + 1)))
  const table = new Uint32Array(2 ** tableLog)
  const [targetWords, baseWords] = [wordsOf(target), wordsOf(base)]
  for (let at = 0; at + SEED_BYTES <= base.length; at += stride) table[slot(baseWords, at, tableLog)] = at / stride + 1
  return (at) => {
    const entry = table[slot(targetWords, at, tableLog)] ?? 0
    const source = (entry - 1) * stride
    return entry !== 0 && isSeed(targetWords, at, baseWords, source) ? source : undefined
  }
}

export function wordsOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

export function isSeed(target: DataView, at: number, base: DataView, source: number): boolean {
  return (
    target.getInt32(at, true) === base.getInt32(source, true) &&
    target.getInt32(at + 4, true) === base.getInt32(source + 4, true) &&
    target.getInt32(at + 8, true) === base.getInt32(source + 8, true) &&
    target.getInt32(at + 12, true) === base.getInt32(source + 12, true)
  )
}

function slot(words: DataView, at: number, tableLog: number): number {
  let mixed = Math.imul(words.getInt32(at, true), 0x9e3779b1) ^ Math.imul(words.getInt32(at + 4, true), 0x85ebca77)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae3d) + Math.imul(words.getInt32(at + 8, true), 0x27d4eb2f)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x165667b1) + Math.imul(words.getInt32(at + 12, true), 0x9e3779b1)
  return (mixed ^ (mixed >>> 13)) >>> (32 - tableLog)
}
