import { DwcpError } from '@dwcp/interface'

const LENGTH_BYTES = 4

/** What stands before each frame in the byte stream of one migration: its length (u32). Apart from the frame, which is not copied. */
export function frameHeader(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES)
  new DataView(bytes.buffer).setUint32(0, frame.length)
  return bytes
}

/**
 * The frames of a byte stream, however it was cut on the way.
 * @throws `ERR_MIGRATION_PROTOCOL` for a frame over `maxFrameBytes`, the first one over `maxFirstBytes`, before memory is
 * taken for it, or a stream cut short.
 */
export async function* unframed(
  stream: AsyncIterable<Uint8Array>,
  maxFrameBytes: number,
  maxFirstBytes: number = maxFrameBytes,
): AsyncGenerator<Uint8Array, void, undefined> {
  let limitBytes = maxFirstBytes
  const header = new Uint8Array(LENGTH_BYTES)
  let headerFilled = 0
  let frame: Uint8Array | undefined
  let frameFilled = 0
  for await (const piece of stream) {
    let at = 0
    while (at < piece.length) {
      if (headerFilled < LENGTH_BYTES) {
        const take = Math.min(LENGTH_BYTES - headerFilled, piece.length - at)
        header.set(piece.subarray(at, at + take), headerFilled)
        headerFilled += take
        at += take
        if (headerFilled < LENGTH_BYTES) break
      }
      const length = new DataView(header.buffer).getUint32(0)
      if (length > limitBytes)
        throw new DwcpError('ERR_MIGRATION_PROTOCOL', `a frame of ${length} bytes is over the limit of ${limitBytes}`)
      const left = length - frameFilled
      if (frame === undefined && piece.length - at >= length) {
        // A frame that lies whole in one piece is handed on without a copy.
        yield piece.subarray(at, at + length)
      } else {
        if (at === piece.length) break
        frame ??= new Uint8Array(length)
        const part = piece.subarray(at, at + left)
        frame.set(part, frameFilled)
        frameFilled += part.length
        if (frameFilled < length) break
        yield frame
        frame = undefined
        frameFilled = 0
      }
      at += left
      headerFilled = 0
      limitBytes = maxFrameBytes
    }
  }
  if (headerFilled > 0) throw new DwcpError('ERR_MIGRATION_PROTOCOL', 'the state stream ended inside a frame')
}
