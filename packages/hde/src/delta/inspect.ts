import { ByteReader } from '../byte-reader.js'
import { corrupt } from '../errors.js'
import { readBlock, STREAM_ORDER } from './block.js'
import { DEFAULT_DELTA_LIMITS, type DeltaLimits } from './bounds.js'
import { KINDS, MOST_HEAD_BYTES, readEnd, readHead } from './format.js'
import { FrameReader } from './frame-reader.js'

/**
 * What a delta stream is made of.
 *
 * @public
 */
export interface DeltaSummary {
  /** Of the base that it builds on; 0 for none. */
  readonly baseBytes: number
  /** XXH3-128 of that base in hex; empty for none. */
  readonly baseHash: string
  /** Of the object. */
  readonly targetBytes: number
  readonly wireBytes: number
  readonly blocks: number
  /** By kind of stream, over all blocks: before and after compression. */
  readonly streams: Readonly<Record<(typeof STREAM_ORDER)[number], { readonly rawBytes: number; readonly packedBytes: number }>>
}

/**
 * Reads the heads of all frames, without the base and without decoding: it does not verify that the stream decodes.
 *
 * @throws `ERR_HDE_CORRUPT`, `ERR_HDE_LIMIT`, `ERR_HDE_VERSION`.
 * @public
 */
export async function inspectDelta(
  frames: Uint8Array | AsyncIterable<Uint8Array>,
  options: { readonly limits?: Partial<DeltaLimits> } = {},
): Promise<DeltaSummary> {
  const limits = { ...DEFAULT_DELTA_LIMITS, ...options.limits }
  const source = new FrameReader(frames, 2 * limits.blockBytes + MOST_HEAD_BYTES)
  const none = (): { rawBytes: number; packedBytes: number } => ({ rawBytes: 0, packedBytes: 0 })
  const streams = {
    literalLengths: none(),
    copyLengths: none(),
    shifts: none(),
    patchGaps: none(),
    patchValues: none(),
    literals: none(),
  }
  try {
    await source.magic()
    const first = new ByteReader(await source.frame(), 0)
    if (first.byte() !== KINDS.head) throw corrupt('a stream that does not begin with its head')
    const { baseBytes, baseHash } = readHead(first)
    let blocks = 0
    // Bounded by the source: each turn takes a frame of it.
    for (;;) {
      const reader = new ByteReader(await source.frame(), 0)
      const kind = reader.byte()
      if (kind === KINDS.end) {
        const { targetBytes } = readEnd(reader)
        if (!(await source.atEnd())) throw corrupt('bytes follow the end of the stream')
        return { baseBytes, baseHash: Buffer.from(baseHash).toString('hex'), targetBytes, wireBytes: source.takenBytes, blocks, streams }
      }
      if (kind !== KINDS.block) throw corrupt(`a frame of kind ${kind} where a block was due`)
      const { lengths, packed } = readBlock(reader, baseBytes, limits)
      blocks += 1
      for (const [index, name] of STREAM_ORDER.entries()) {
        streams[name].rawBytes += lengths[index] ?? 0
        streams[name].packedBytes += packed[index]?.bytes.length ?? 0
      }
    }
  } finally {
    await source.close()
  }
}
