import type { DeltaStreams } from './delta-streams.js'
import { broken, VarintReader } from './varint-reader.js'

// As native/delta_copies.h and native/delta_reference.cc, which say why.
const PIECE_BYTES = 64
const LONG_BYTES = 1 << 20
const BYTES_PER_LITERAL = 16
const SPARE_BYTES = 64 << 10

type Operations = Pick<DeltaStreams, 'literalLengths' | 'copyLengths' | 'shifts'>

/** As {@link deltaReference}, on the calling thread. */
export function referenceOf(
  operations: Operations,
  base: Uint8Array,
  position: number,
  lengthBytes: number,
  literalBytes: number,
): Uint8Array {
  const stretches = stretchesLeft(copiedPieces(operations, base.length, position, lengthBytes), base)
  const most = literalBytes * BYTES_PER_LITERAL + SPARE_BYTES
  if (lengthOf(stretches) <= most) return Buffer.concat(stretches)
  const ends = stretches.flatMap((stretch) =>
    stretch.length <= LONG_BYTES ? [stretch] : [stretch.subarray(0, LONG_BYTES / 2), stretch.subarray(-LONG_BYTES / 2)],
  )
  return lengthOf(ends) <= most ? Buffer.concat(ends) : new Uint8Array()
}

function lengthOf(stretches: readonly Uint8Array[]): number {
  return stretches.reduce((sum, { length }) => sum + length, 0)
}

/** Pieces that are not copied, those that follow one another together. */
function stretchesLeft(copied: Uint8Array, base: Uint8Array): readonly Uint8Array[] {
  const stretches: Uint8Array[] = []
  for (let end = 0, start = copied.indexOf(0); start >= 0; start = copied.indexOf(0, end)) {
    const next = copied.indexOf(1, start)
    end = next < 0 ? copied.length : next
    stretches.push(base.subarray(start * PIECE_BYTES, end * PIECE_BYTES))
  }
  return stretches
}

/** One byte a piece, 1 where one copy takes all of it. */
function copiedPieces(operations: Operations, baseBytes: number, position: number, lengthBytes: number): Uint8Array {
  const copied = new Uint8Array(Math.ceil(baseBytes / PIECE_BYTES))
  const literals = new VarintReader(operations.literalLengths)
  const copies = new VarintReader(operations.copyLengths)
  const changes = new VarintReader(operations.shifts)
  let at = 0
  let shift = 0
  while (!copies.atEnd) {
    at += literals.varint()
    const length = copies.varint()
    // Together they copy no more than the target holds, which also bounds what is done here.
    if (length === 0 || at + length > lengthBytes) throw broken('a copy past the end')
    shift += changes.zigzag()
    const source = position + at + shift
    if (!Number.isSafeInteger(shift) || source < 0 || source + length > baseBytes) throw broken('a copy from outside the base')
    const [first, end] = [Math.ceil(source / PIECE_BYTES), Math.floor((source + length) / PIECE_BYTES)]
    if (first < end) copied.fill(1, first, end)
    at += length
  }
  return copied
}
