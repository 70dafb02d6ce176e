import { type CutChunksOptions, cutChunks } from '@dwcp/native-rdma/chunk'
import { bytesBase, type DeltaBase } from '../delta/base.js'
import { blocksOf, isStream } from '../delta/blocks.js'
import { type ChunkMode, DIGEST_BYTES, type DigestKind, MODE_SIZES } from './modes.js'

/** Read, cut and hashed at once: long enough for the thread pool, short enough that a store takes its chunks in a few milliseconds. */
const SEGMENT_BYTES = 4 << 20

/** Whole chunks that follow one another. */
export interface Segment {
  readonly bytes: Uint8Array
  readonly lengths: Uint32Array
  readonly digests: Uint8Array
}

/** The chunks of an object, a segment of it in memory at a time. What can be read anywhere is not copied. */
export async function* segmentsOf(
  object: Uint8Array | DeltaBase | AsyncIterable<Uint8Array>,
  mode: ChunkMode,
  digest: DigestKind,
  signal?: AbortSignal,
): AsyncGenerator<Segment, void, undefined> {
  const options = { ...MODE_SIZES[mode], digest, ...(signal === undefined ? {} : { signal }) }
  const source = object instanceof Uint8Array ? bytesBase(object) : object
  if (!isStream(source)) {
    for (let at = 0; at < source.lengthBytes; ) {
      const bytes = await source.read(at, Math.min(SEGMENT_BYTES, source.lengthBytes - at))
      const segment = await cut(bytes, { ...options, isLast: at + bytes.length === source.lengthBytes })
      yield segment
      at += segment.bytes.length
    }
    return
  }
  let left: Uint8Array = new Uint8Array()
  for await (const block of blocksOf(source, SEGMENT_BYTES)) {
    const bytes = left.length === 0 ? block : Buffer.concat([left, block])
    const segment = await cut(bytes, { ...options, isLast: false })
    yield segment
    // A copy: the block may be the caller's to use again.
    left = bytes.slice(segment.bytes.length)
  }
  if (left.length > 0) yield await cut(left, { ...options, isLast: true })
}

async function cut(bytes: Uint8Array, options: CutChunksOptions): Promise<Segment> {
  const { lengths, digests } = await cutChunks(bytes, options)
  const cutBytes = lengths.reduce((sum, length) => sum + length, 0)
  return { bytes: bytes.subarray(0, cutBytes), lengths, digests }
}

/** The digests one by one, as strings of one character a byte, which serve as keys. */
export function* keysOf({ lengths, digests }: Segment, kind: DigestKind): Generator<string, void, undefined> {
  const joined = Buffer.from(digests.buffer, digests.byteOffset, digests.length)
  const each = DIGEST_BYTES[kind]
  for (let index = 0; index < lengths.length; index += 1) yield joined.toString('latin1', index * each, (index + 1) * each)
}
