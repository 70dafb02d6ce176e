import { cutChunks } from '@dwcp/native-rdma/chunk'
import type { DeltaBase } from '../delta/base.js'
import { bytesBase } from '../delta/base.js'
import { blocksOf } from '../delta/blocks.js'
import { type ChunkMode, DIGEST_BYTES, type DigestKind, MODE_SIZES } from './modes.js'

/** Read, cut and hashed at once: long enough for the thread pool, short enough to be held several times. */
const SEGMENT_BYTES = 8 << 20

/** Whole chunks that follow one another. */
export interface Segment {
  readonly bytes: Uint8Array
  readonly lengths: Uint32Array
  readonly digests: Uint8Array
}

/** The chunks of an object, a segment of it in memory at a time. */
export async function* segmentsOf(
  object: Uint8Array | DeltaBase | AsyncIterable<Uint8Array>,
  mode: ChunkMode,
  digest: DigestKind,
  signal?: AbortSignal,
): AsyncGenerator<Segment, void, undefined> {
  const options = { ...MODE_SIZES[mode], digest, ...(signal === undefined ? {} : { signal }) }
  let left: Uint8Array = new Uint8Array()
  for await (const block of blocksOf(object instanceof Uint8Array ? bytesBase(object) : object, SEGMENT_BYTES)) {
    const bytes = left.length === 0 ? block : Buffer.concat([left, block])
    const { lengths, digests } = await cutChunks(bytes, { ...options, isLast: false })
    const cutBytes = lengths.reduce((sum, length) => sum + length, 0)
    yield { bytes: bytes.subarray(0, cutBytes), lengths, digests }
    // A copy: the block may be the caller's to use again.
    left = bytes.slice(cutBytes)
  }
  if (left.length > 0) yield { bytes: left, ...(await cutChunks(left, { ...options, isLast: true })) }
}

/** The digests one by one, as strings of one character a byte, which serve as keys. */
export function* keysOf({ lengths, digests }: Segment, kind: DigestKind): Generator<string, void, undefined> {
  const joined = Buffer.from(digests.buffer, digests.byteOffset, digests.length)
  const each = DIGEST_BYTES[kind]
  for (let index = 0; index < lengths.length; index += 1) yield joined.toString('latin1', index * each, (index + 1) * each)
}
