/** The outer structure of a Zstandard frame, by RFC 8878 § 3.1.1: enough to know its size before decoding it. */
export interface ZstdFrame {
  /** Undefined where the frame does not say. */
  readonly contentBytes: number | undefined
  /** What the blocks can decode to at most. */
  readonly boundBytes: number
  /** Where the blocks begin and end in the frame; after them comes at most the checksum. */
  readonly blocksStart: number
  readonly blocksEnd: number
}

const MAGIC = 0xfd2fb528
const MAX_BLOCK_BYTES = 128 << 10
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const

/**
 * @param dictionaryId - Of the trained dictionary that the caller has; 0 for none.
 * @returns the frame's structure, or a sentence that says what is wrong with it.
 */
export function readZstdFrame(frame: Uint8Array, dictionaryId = 0): ZstdFrame | string {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (frame.length < 5 || view.getUint32(0, true) !== MAGIC) return 'does not start with the magic number of zstd'
  const descriptor = view.getUint8(4)
  if (descriptor & 0x08) return 'a reserved bit is set'
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryAt = isSingleSegment ? 5 : 6
  const dictionaryBytes = DICTIONARY_ID_BYTES[descriptor & 3] ?? 0
  const sizeAt = dictionaryAt + dictionaryBytes
  const sizeBytes = CONTENT_SIZE_BYTES[descriptor >> 6] || (isSingleSegment ? 1 : 0)
  const blocksStart = sizeAt + sizeBytes
  if (frame.length < blocksStart) return 'the frame header is cut off'
  let wantedId = 0
  for (let at = sizeAt - 1; at >= dictionaryAt; at -= 1) wantedId = wantedId * 256 + (frame[at] ?? 0)
  if (wantedId !== 0 && wantedId !== dictionaryId) return 'it needs a trained dictionary, which nobody gave'
  const contentBytes = readContentBytes(view, sizeAt, sizeBytes)

  let boundBytes = 0
  for (let at = blocksStart; at + 3 <= frame.length; ) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    const kind = (header >> 1) & 3
    const size = header >>> 3
    if (kind === 3) return 'a block is of the reserved type'
    if (size > MAX_BLOCK_BYTES) return 'a block is larger than 128 KiB'
    boundBytes += kind === 2 ? MAX_BLOCK_BYTES : size
    at += 3 + (kind === 1 ? 1 : size)
    if ((header & 1) === 0) continue
    const end = at + (descriptor & 0x04 ? 4 : 0)
    if (end > frame.length) return 'the last block is cut off'
    if (end < frame.length) return `${frame.length - end} bytes follow the frame`
    return { contentBytes, boundBytes, blocksStart, blocksEnd: at }
  }
  return 'the frame ends before its last block'
}

function readContentBytes(view: DataView, at: number, bytes: number): number | undefined {
  switch (bytes) {
    case 1:
      return view.getUint8(at)
    case 2:
      return view.getUint16(at, true) + 256
    case 4:
      return view.getUint32(at, true)
    case 8:
      return Number(view.getBigUint64(at, true))
    default:
      return undefined
  }
}
