import type { DeltaStreams } from './delta-streams.js'
import { VarintWriter } from './varint-writer.js'

// The parameters of native/match.cc, for copies that are exact.
const SEED_BYTES = 16
const MIN_MOVED_BYTES = 32
const MIN_STRIDE = 4
const MAX_INDEX_ENTRIES = 1 << 22
const SKIP_SHIFT = 7

/** As {@link deltaMatch}, on the calling thread and without patches. */
export function matchStreams(target: Uint8Array, base: Uint8Array, position: number): DeltaStreams {
  const [literalLengths, copyLengths, shifts, literals] = [new VarintWriter(), new VarintWriter(), new VarintWriter(), new VarintWriter()]
  const find = indexOf(base)
  const targetWords = wordsOf(target)
  let done = 0
  let shift = 0
  let misses = 0
  const straightAt = (at: number): number | undefined => {
    const source = position + at + shift
    const fits = source >= 0 && source + SEED_BYTES <= base.length
    return fits && equalBytes(target, at, base, source, SEED_BYTES) === SEED_BYTES ? source : undefined
  }
  const literal = (end: number): void => {
    literalLengths.varint(end - done)
    literals.append(target.subarray(done, end))
  }
  for (let at = 0; at + SEED_BYTES <= target.length; ) {
    const source = straightAt(at) ?? find(target, targetWords, at)
    const change = source === undefined ? 0 : source - position - at - shift
    const forward = source === undefined ? 0 : equalBytes(target, at, base, source, Math.min(target.length - at, base.length - source))
    const backward = source === undefined ? 0 : equalBytesBefore(target, at, base, source, Math.min(at - done, source))
    if (forward === 0 || (change !== 0 && forward + backward < MIN_MOVED_BYTES)) {
      at += 1 + (misses >> SKIP_SHIFT)
      misses += 1
      continue
    }
    misses = 0
    literal(at - backward)
    copyLengths.varint(backward + forward)
    shifts.zigzag(change)
    shift += change
    at += forward
    done = at
  }
  if (done < target.length) literal(target.length)
  return {
    literalLengths: literalLengths.view(),
    copyLengths: copyLengths.view(),
    shifts: shifts.view(),
    literals: literals.view(),
    patchGaps: new Uint8Array(),
    patchValues: new Uint8Array(),
  }
}

function wordsOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Finds a place in `base` whose first 16 bytes are those at `at`. */
function indexOf(base: Uint8Array): (target: Uint8Array, words: DataView, at: number) => number | undefined {
  const stride = Math.max(MIN_STRIDE, Math.ceil(base.length / MAX_INDEX_ENTRIES))
  const bits = Math.max(12, Math.ceil(Math.log2(base.length / stride + 1)))
  const table = new Uint32Array(2 ** bits)
  const baseWords = wordsOf(base)
  for (let at = 0; at + SEED_BYTES <= base.length; at += stride) table[slot(baseWords, at, bits)] = at / stride + 1
  return (target, words, at) => {
    const entry = table[slot(words, at, bits)] ?? 0
    const source = (entry - 1) * stride
    return entry !== 0 && equalBytes(target, at, base, source, SEED_BYTES) === SEED_BYTES ? source : undefined
  }
}

function slot(words: DataView, at: number, bits: number): number {
  let mixed = Math.imul(words.getUint32(at, true), 0x9e3779b1) ^ Math.imul(words.getUint32(at + 4, true), 0x85ebca77)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae3d) + Math.imul(words.getUint32(at + 8, true), 0x27d4eb2f)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x165667b1) + Math.imul(words.getUint32(at + 12, true), 0x9e3779b1)
  return (mixed ^ (mixed >>> 13)) >>> (32 - bits)
}

function equalBytes(one: Uint8Array, at: number, other: Uint8Array, otherAt: number, most: number): number {
  let length = 0
  while (length < most && one[at + length] === other[otherAt + length]) length += 1
  return length
}

function equalBytesBefore(one: Uint8Array, at: number, other: Uint8Array, otherAt: number, most: number): number {
  let length = 0
  while (length < most && one[at - 1 - length] === other[otherAt - 1 - length]) length += 1
  return length
}
