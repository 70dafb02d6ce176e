const MAGIC = 0xfd2fb528
/** A window, a content size of eight bytes, no checksum, no dictionary. */
const DESCRIPTOR = 0xc0
/** 128 KiB. A frame of one segment has none: decoders that stream would need the whole content as their window. */
const WINDOW = 0x38
const FRAME_HEADER_BYTES = 14
const BLOCK_HEADER_BYTES = 3
const BLOCK_BYTES = 128 * 1024

/** A zstd frame of raw blocks (RFC 8878 § 3.1.1): what any decoder reads, made where nothing here can compress. */
export function storedFrame(content: Uint8Array): Uint8Array {
  const blocks = Math.max(1, Math.ceil(content.length / BLOCK_BYTES))
  const frame = new Uint8Array(FRAME_HEADER_BYTES + blocks * BLOCK_HEADER_BYTES + content.length)
  const view = new DataView(frame.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint8(4, DESCRIPTOR)
  view.setUint8(5, WINDOW)
  view.setBigUint64(6, BigInt(content.length), true)
  let at = FRAME_HEADER_BYTES
  for (let block = 0; block < blocks; block += 1) {
    const bytes = content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)
    const header = (bytes.length << 3) | (block === blocks - 1 ? 1 : 0)
    view.setUint16(at, header & 0xffff, true)
    view.setUint8(at + 2, header >>> 16)
    frame.set(bytes, at + BLOCK_HEADER_BYTES)
    at += BLOCK_HEADER_BYTES + bytes.length
  }
  return frame
}
