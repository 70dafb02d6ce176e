import { amstError } from '../errors.js'
import { type BlockSource, isBlockSource, type StreamSource } from '../source.js'
import type { ChunkHeader } from './chunk.js'

export interface Chunk {
  readonly header: ChunkHeader
  readonly bytes: Uint8Array
}

/** What every chunk of a transfer has in common. */
interface Cut {
  readonly totalBytes: number
  /** Of every chunk but the last. */
  readonly chunkBytes: number
}

/**
 * The chunks of a source, in order; closes it. The last one comes only when it is known that nothing is wrong with the source, so that no
 * receiver ever holds the whole of one that changed, or that has another length than it said.
 * @throws `ERR_AMST_SOURCE_LENGTH`, and what the source throws.
 */
export function chunksOf(source: BlockSource | StreamSource, cut: Cut): AsyncGenerator<Chunk, void, undefined> {
  return isBlockSource(source) ? chunksOfBlocks(source, cut) : chunksOfStream(source, cut)
}

async function* chunksOfBlocks(source: BlockSource, { totalBytes, chunkBytes }: Cut): AsyncGenerator<Chunk, void, undefined> {
  try {
    for (let id = 0; id * chunkBytes < totalBytes; id += 1) {
      const offset = id * chunkBytes
      const lengthBytes = Math.min(chunkBytes, totalBytes - offset)
      const bytes = await source.read(offset, lengthBytes)
      if (bytes.byteLength !== lengthBytes) throw wrongLength(lengthBytes, bytes.byteLength)
      if (offset + lengthBytes === totalBytes) await source.check?.()
      yield { header: { id, offset, lengthBytes, totalBytes }, bytes }
    }
  } finally {
    await source.close?.()
  }
}

async function* chunksOfStream({ stream }: StreamSource, { totalBytes, chunkBytes }: Cut): AsyncGenerator<Chunk, void, undefined> {
  let offset = 0
  let room = Buffer.allocUnsafeSlow(Math.min(chunkBytes, totalBytes))
  let filled = 0
  for await (const piece of stream) {
    if (!(piece instanceof Uint8Array)) throw new TypeError('a source gives Uint8Array: a Readable must have no encoding')
    if (offset + filled + piece.byteLength > totalBytes) throw wrongLength(totalBytes, offset + filled + piece.byteLength)
    // Copied: the pieces are as long as they like, and the chunks of v1 are all as long as the first. Bounded by the piece.
    for (let taken = 0; taken < piece.byteLength; ) {
      if (filled === room.byteLength) {
        yield { header: { id: offset / chunkBytes, offset, lengthBytes: filled, totalBytes }, bytes: room }
        offset += filled
        room = Buffer.allocUnsafeSlow(Math.min(chunkBytes, totalBytes - offset))
        filled = 0
      }
      const part = piece.subarray(taken, taken + room.byteLength - filled)
      room.set(part, filled)
      taken += part.byteLength
      filled += part.byteLength
    }
  }
  if (offset + filled !== totalBytes) throw wrongLength(totalBytes, offset + filled)
  yield { header: { id: offset / chunkBytes, offset, lengthBytes: filled, totalBytes }, bytes: room }
}

const wrongLength = (announced: number, gave: number): Error =>
  amstError('ERR_AMST_SOURCE_LENGTH', `the source announced ${announced} bytes and gave ${gave}: announce what it gives`)
