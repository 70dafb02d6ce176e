import { DwcpError } from '@dwcp/interface'

const LENGTH_BYTES = 4

/** A frame as it stands in the byte stream of one migration: its length (u32), then its bytes. */
export function framed(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTES + frame.length)
  new DataView(bytes.buffer).setUint32(0, frame.length)
  bytes.set(frame, LENGTH_BYTES)
  return bytes
}

/**
 * The frames of a byte stream, however it was cut on the way.
 * @throws `ERR_MIGRATION_PROTOCOL` for a frame over `maxFrameBytes`, before memory is taken for it, or a stream cut short.
 */
export async function* unframed(stream: AsyncIterable<Uint8Array>, maxFrameBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  const header = new Uint8Array(LENGTH_BYTES)
  let headerFilled = 0
  let frame: Uint8Array | undefined
  let frameFilled = 0
  for await (const piece of stream) {
    let at = 0
    while (at < piece.length) {
      if (frame === undefined) {
        const take = Math.min(LENGTH_BYTES - headerFilled, piece.length - at)
        header.set(piece.subarray(at, at + take), headerFilled)
        headerFilled += take
        at += take
        if (headerFilled < LENGTH_BYTES) break
        const length = new DataView(header.buffer).getUint32(0)
        if (length > maxFrameBytes)
          throw new DwcpError('ERR_MIGRATION_PROTOCOL', `a frame of ${length} bytes is over the limit of ${maxFrameBytes}`)
        // A frame that lies whole in one piece is handed on without a copy.
        if (piece.length - at >= length) {
          yield piece.subarray(at, at + length)
          at += length
          headerFilled = 0
          continue
        }
        frame = new Uint8Array(length)
        frameFilled = 0
      }
      const take = Math.min(frame.length - frameFilled, piece.length - at)
      frame.set(piece.subarray(at, at + take), frameFilled)
      frameFilled += take
      at += take
      if (frameFilled < frame.length) break
      yield frame
      frame = undefined
      headerFilled = 0
    }
  }
  if (frame !== undefined || headerFilled > 0) throw new DwcpError('ERR_MIGRATION_PROTOCOL', 'the state stream ended inside a frame')
}
