import { corrupt } from './errors.js'
import { streamBits } from './zstd-bits.js'
import type { SequenceTables } from './zstd-sequences.js'

/** Copies up to this are faster in steps of a word, each of which may write past the end of the copy; a call to copy them costs more. */
const MAX_STEPPED_BYTES = 64
const STEP_BYTES = 4
const OVERRUN_BYTES = STEP_BYTES - 1
/** What repeats after fewer bytes is written out to this many before it is copied as a whole. */
const MIN_STRETCH_BYTES = 24
/** That a load of the bit stream gives, at least. */
const LOAD_BITS = 24

/** What sequences are run on: `bytes` up to `length` is the content so far, and `prefix` stands before it. */
export interface SequenceRun {
  readonly words: DataView
  readonly bytes: Uint8Array
  readonly prefix: Uint8Array
  readonly literals: Uint8Array
  length: number
  /** How many literals were used. */
  used: number
  /** The three latest offsets (RFC 8878 § 3.1.1.5), handed on from block to block. */
  readonly recent: Float64Array
}

/**
 * Runs the `count` sequences whose bits are at `start` to `end`. Content may grow up to `limit`, past which `overflow` is thrown.
 * One function on local variables: as methods of a bit reader and of the content it took three times as long.
 */
export function runSequences(
  run: SequenceRun,
  count: number,
  { literalLengths, offsets, matchLengths }: SequenceTables,
  start: number,
  end: number,
  limit: number,
  overflow: () => Error,
): void {
  const { words, bytes, prefix, literals, recent } = run
  const [literalCells, offsetCells, matchCells] = [literalLengths.cells, offsets.cells, matchLengths.cells]
  const base = start - 3
  let left = streamBits(words, start, end)
  let literalState = bitsAt(words, base, left, literalLengths.accuracyLog) << 2
  left -= literalLengths.accuracyLog
  let offsetState = bitsAt(words, base, left, offsets.accuracyLog) << 2
  left -= offsets.accuracyLog
  let matchState = bitsAt(words, base, left, matchLengths.accuracyLog) << 2
  left -= matchLengths.accuracyLog
  let [first = 1, second = 4, third = 8] = recent
  const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const stored = new DataView(literals.buffer, literals.byteOffset, literals.length)
  const lastStep = bytes.length - OVERRUN_BYTES
  let at = run.length
  let used = run.used
  for (let turn = count; turn > 0; turn -= 1) {
    const offsetBits = offsetCells[offsetState + 1] ?? 0
    const matchBits = matchCells[matchState + 1] ?? 0
    const literalBits = literalCells[literalState + 1] ?? 0
    const matchBase = matchCells[matchState] ?? 0
    const literalBase = literalCells[literalState] ?? 0
    let value: number
    let matchBytes: number
    let literalBytes: number
    if (offsetBits + matchBits + literalBits <= LOAD_BITS) {
      if (left < 0) break
      let bits = loadAt(words, base, left)
      value = (offsetCells[offsetState] ?? 0) + ((bits >>> 1) >>> (31 - offsetBits))
      bits <<= offsetBits
      matchBytes = matchBase + ((bits >>> 1) >>> (31 - matchBits))
      bits <<= matchBits
      literalBytes = literalBase + ((bits >>> 1) >>> (31 - literalBits))
      left -= offsetBits + matchBits + literalBits
    } else {
      // Up to 31 bits, which are more than one load gives; the sum may be past what the table holds.
      const high = offsetBits > 16 ? offsetBits - 16 : 0
      const highValue = bitsAt(words, base, left, high) * 2 ** (offsetBits - high)
      left -= high
      value = 2 ** offsetBits + highValue + bitsAt(words, base, left, offsetBits - high)
      left -= offsetBits - high
      matchBytes = matchBase + bitsAt(words, base, left, matchBits)
      left -= matchBits
      literalBytes = literalBase + bitsAt(words, base, left, literalBits)
      left -= literalBits
    }
    if (turn > 1) {
      const literalNext = literalCells[literalState + 3] ?? 0
      const matchNext = matchCells[matchState + 3] ?? 0
      const offsetNext = offsetCells[offsetState + 3] ?? 0
      if (left < 0) break
      let bits = loadAt(words, base, left)
      literalState = ((literalCells[literalState + 2] ?? 0) + ((bits >>> 1) >>> (31 - literalNext))) << 2
      bits <<= literalNext
      matchState = ((matchCells[matchState + 2] ?? 0) + ((bits >>> 1) >>> (31 - matchNext))) << 2
      left -= literalNext + matchNext
      if (literalNext + matchNext + offsetNext > LOAD_BITS) {
        if (left < 0) break
        bits = loadAt(words, base, left)
      } else bits <<= matchNext
      offsetState = ((offsetCells[offsetState + 2] ?? 0) + ((bits >>> 1) >>> (31 - offsetNext))) << 2
      left -= offsetNext
    }
    if (left < 0) break

    // Values 1 to 3 repeat a recent offset, shifted by one where no literals come before (RFC 8878 § 3.1.1.5).
    let offset = value - 3
    if (value <= 3) {
      const repeat = literalBytes === 0 ? value + 1 : value
      offset = repeat === 1 ? first : repeat === 2 ? second : repeat === 3 ? third : first - 1
      if (offset === 0) throw corrupt('a zstd frame', 'an offset is zero')
      if (repeat > 2) third = second
      if (repeat > 1) second = first
    } else {
      third = second
      second = first
    }
    first = offset

    if (literalBytes > literals.length - used) throw corrupt('a zstd frame', 'sequences use more literals than there are')
    if (literalBytes + matchBytes > limit - at) throw overflow()
    if (literalBytes <= MAX_STEPPED_BYTES && literalBytes <= literals.length - used - OVERRUN_BYTES && literalBytes <= lastStep - at) {
      const stop = at + literalBytes
      for (let from = used; at < stop; at += STEP_BYTES, from += STEP_BYTES) out.setInt32(at, stored.getInt32(from, true), true)
      at = stop
    } else {
      bytes.set(literals.subarray(used, used + literalBytes), at)
      at += literalBytes
    }
    used += literalBytes
    let rest = matchBytes
    if (offset > at) {
      const from = prefix.length + at - offset
      if (from < 0) throw corrupt('a zstd frame', 'a match points before the content')
      const part = prefix.subarray(from, from + rest)
      bytes.set(part, at)
      at += part.length
      rest -= part.length
    }
    if (rest > MAX_STEPPED_BYTES) {
      // Overlapping: a match may repeat what it has just written, and then what is copied at once doubles.
      let stretch = offset
      for (; stretch < MIN_STRETCH_BYTES; stretch += offset) {
        for (const stop = at + offset; at < stop; at += 1) bytes[at] = bytes[at - offset] ?? 0
        rest -= offset
      }
      for (; rest > 0; stretch *= 2) {
        const part = Math.min(stretch, rest)
        bytes.copyWithin(at, at - stretch, at - stretch + part)
        at += part
        rest -= part
      }
    } else if (offset >= STEP_BYTES && rest <= lastStep - at) {
      const stop = at + rest
      for (let from = at - offset; at < stop; at += STEP_BYTES, from += STEP_BYTES) out.setInt32(at, out.getInt32(from, true), true)
      at = stop
    } else for (const stop = at + rest; at < stop; at += 1) bytes[at] = bytes[at - offset] ?? 0
  }
  if (left !== 0) throw corrupt('a zstd frame', left < 0 ? 'sequences run over their bit stream' : 'sequences do not end where they should')
  recent.set([first, second, third])
  run.length = at
  run.used = used
}

/** The bits from `left` down, the next of them highest. */
function loadAt(words: DataView, base: number, left: number): number {
  return words.getInt32(base + (left >> 3), true) << (8 - (left & 7))
}

/** The next `width` bits, 0 to 24. */
function bitsAt(words: DataView, base: number, left: number, width: number): number {
  if (left < width) throw corrupt('a zstd frame', 'sequences run over their bit stream')
  return (loadAt(words, base, left) >>> 1) >>> (31 - width)
}
