import { allocate } from './allocate.js'
import type { DeltaStreams } from './delta-streams.js'
import { broken, VarintReader } from './varint-reader.js'

const PATCH_BYTES = 4

/** As {@link deltaApply}, on the calling thread. */
export function applyStreams(streams: DeltaStreams, base: Uint8Array, position: number, lengthBytes: number): Uint8Array {
  const target = allocate('a delta', lengthBytes)
  const words = new DataView(target.buffer)
  const literalLengths = new VarintReader(streams.literalLengths)
  const copyLengths = new VarintReader(streams.copyLengths)
  const shifts = new VarintReader(streams.shifts)
  const literals = new VarintReader(streams.literals)
  const gaps = new VarintReader(streams.patchGaps)
  const values = new VarintReader(streams.patchValues)
  let patch = gaps.atEnd ? Number.POSITIVE_INFINITY : gaps.varint()
  let shift = 0
  for (let at = 0; at < lengthBytes; ) {
    const literal = literalLengths.varint()
    if (literal > lengthBytes - at) throw broken('literals past their end')
    target.set(literals.take(literal), at)
    at += literal
    if (at === lengthBytes) break
    const length = copyLengths.varint()
    shift += shifts.zigzag()
    if (length === 0 || length > lengthBytes - at) throw broken('a copy past the end')
    const source = position + at + shift
    if (!Number.isSafeInteger(shift) || source < 0 || source + length > base.length) throw broken('a copy from outside the base')
    target.set(base.subarray(source, source + length), at)
    const end = at + length
    while (patch < end) {
      if (patch < at) throw broken('a patch to what is not a copy')
      const whole = patch + PATCH_BYTES <= end
      if (whole) words.setUint32(patch, (words.getUint32(patch, true) + values.zigzag()) % 2 ** 32, true)
      else target[patch] = (target[patch] ?? 0) + (values.take(1)[0] ?? 0)
      patch = gaps.atEnd ? Number.POSITIVE_INFINITY : patch + (whole ? PATCH_BYTES : 1) + gaps.varint()
    }
    at = end
  }
  const usedUp = [literalLengths, copyLengths, shifts, literals, values].every(({ atEnd }) => atEnd)
  if (!usedUp || Number.isFinite(patch)) throw broken('more than its length needs')
  return target
}
