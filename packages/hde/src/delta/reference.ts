import type { DeltaStreams } from '@dwcp/native-rdma/delta'
import { ByteReader } from '../byte-reader.js'
import { corrupt } from '../errors.js'

/** The base is looked at in pieces of this many bytes: a piece counts as copied when all of it is. */
const PIECE_BYTES = 64
/** Where all would be too much, a longer stretch lends only its two ends. */
const LONG_BYTES = 1 << 20
/** Above this many bytes for each literal the reference costs more time than it saves. */
const BYTES_PER_LITERAL = 16
const SPARE_BYTES = 64 << 10

/**
 * What of the base window no copy takes: where content was edited, that is its former version, and so the best there is to describe
 * the literals by. Follows from the operations alone, so that the decoder finds it too. Empty where it would be too much.
 */
export function referenceOf(
  operations: Pick<DeltaStreams, 'literalLengths' | 'copyLengths' | 'shifts'>,
  literalBytes: number,
  window: Uint8Array,
  { position, lengthBytes }: { readonly position: number; readonly lengthBytes: number },
): Uint8Array {
  if (literalBytes === 0) return new Uint8Array()
  const copied = copiedPieces(operations, window.length, position, lengthBytes)
  const most = literalBytes * BYTES_PER_LITERAL + SPARE_BYTES
  const stretches = stretchesLeft(copied, window)
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
function stretchesLeft(copied: Uint8Array, window: Uint8Array): readonly Uint8Array[] {
  const stretches: Uint8Array[] = []
  for (let piece = 0; piece < copied.length; piece += 1) {
    if (copied[piece] !== 0) continue
    const start = piece
    while (piece < copied.length && copied[piece] === 0) piece += 1
    stretches.push(window.subarray(start * PIECE_BYTES, piece * PIECE_BYTES))
  }
  return stretches
}

/** One byte a piece, 1 where it is copied whole. */
function copiedPieces(
  { literalLengths, copyLengths, shifts }: Pick<DeltaStreams, 'literalLengths' | 'copyLengths' | 'shifts'>,
  windowBytes: number,
  position: number,
  lengthBytes: number,
): Uint8Array {
  const copied = new Uint8Array(Math.ceil(windowBytes / PIECE_BYTES))
  const [literals, copies, changes] = [new ByteReader(literalLengths, 0), new ByteReader(copyLengths, 0), new ByteReader(shifts, 0)]
  let at = position
  let shift = 0
  while (!copies.atEnd) {
    at += literals.varint()
    const length = copies.varint()
    // Together they copy no more than the block holds, which also bounds what is done here.
    if (at - position + length > lengthBytes) throw corrupt('a copy past the end of its block')
    shift += changes.zigzag()
    const first = Math.ceil((at + shift) / PIECE_BYTES)
    const end = Math.floor((at + shift + length) / PIECE_BYTES)
    // A copy from outside the window is refused when it is applied; here it only must not do harm.
    if (first >= 0 && first < end) copied.fill(1, first, end)
    at += length
  }
  return copied
}
