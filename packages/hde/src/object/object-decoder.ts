import { type ChunkDecoder, type ChunkDecoderOptions, type ChunkLimits, createChunkDecoder } from '../chunks/chunk-decoder.js'
import type { DigestKind } from '../chunks/modes.js'
import { CHUNK_MAGIC } from '../chunks/stream-format.js'
import { blocksOf } from '../delta/blocks.js'
import type { DeltaLimits } from '../delta/bounds.js'
import { createDeltaDecoder, type DeltaDecodeOptions } from '../delta/decoder.js'
import { MAGIC } from '../delta/format.js'
import { decodeObject } from '../dictionaries/objects.js'
import type { DictionaryStore } from '../dictionaries/store.js'
import { pastLimit } from '../errors.js'
import type { BaselineStore } from '../store/store.js'
import { untilAborted } from '../until-aborted.js'

/**
 * What a decoder allocates at most.
 *
 * @public
 */
export interface ObjectLimits extends DeltaLimits, ChunkLimits {
  /** Longest object that comes in one frame with a dictionary. @defaultValue 16 MiB */
  readonly smallObjectBytes: number
}

/**
 * Where a decoder finds what streams build on, and what it accepts.
 *
 * @public
 */
export interface DecoderOptions {
  readonly baselines?: BaselineStore
  readonly dictionaries?: DictionaryStore
  /** Digests that are accepted in streams of chunks; `xxh3-128` only from peers that are trusted. @defaultValue ['blake3'] */
  readonly digests?: readonly DigestKind[]
  /** @defaultValue those of `DEFAULT_DELTA_LIMITS` and `DEFAULT_CHUNK_LIMITS` */
  readonly limits?: Partial<ObjectLimits>
}

/**
 * Turns frames back into objects.
 *
 * @public
 */
export interface ObjectDecoder {
  /**
   * The object in parts, each verified, of frames that may come cut into any pieces. It is whole only when the generator ends without
   * an error. `baselines.put(decoder.decode(frames))` keeps it.
   *
   * @throws `ERR_HDE_BASELINE_MISSING`, `ERR_HDE_DICTIONARY_MISSING`: have it encoded without; `ERR_HDE_CORRUPT`, `ERR_HDE_LIMIT`,
   * `ERR_HDE_VERSION`; `signal.reason`.
   */
  decode(frames: Uint8Array | AsyncIterable<Uint8Array>, options?: DeltaDecodeOptions): AsyncGenerator<Uint8Array, void, undefined>
  /**
   * For one object that the encoder asks about before it sends it: answers the questions and decodes the frames. What it said that it
   * has is not evicted until it is disposed.
   *
   * @param name - Of former versions in the store.
   */
  receiver(name?: string): ChunkDecoder
}

const DEFAULT_SMALL_OBJECT_BYTES = 16 * 1024 ** 2
/** What a frame of one object may have beside it. */
const FRAME_OVERHEAD_BYTES = 1024

/**
 * The inverse of `createEncoder`.
 *
 * @public
 */
export function createDecoder(options: DecoderOptions = {}): ObjectDecoder {
  const { baselines, dictionaries, digests, limits = {} } = options
  const { smallObjectBytes = DEFAULT_SMALL_OBJECT_BYTES, ...others } = limits
  const delta = createDeltaDecoder({ limits: others, ...(baselines === undefined ? {} : { baselines }) })
  const common = { limits: others, ...(digests === undefined ? {} : { digests }) }
  return {
    async *decode(frames, decodeOptions = {}) {
      const { signal } = decodeOptions
      const stopping = signal === undefined ? {} : { signal }
      const { head, whole } = await peek(frames instanceof Uint8Array ? frames : untilAborted(frames, signal))
      if (startsWith(head, MAGIC)) yield* delta.decode(whole, decodeOptions)
      else if (startsWith(head, CHUNK_MAGIC)) {
        await using receiver = createChunkDecoder(common)
        yield* receiver.decode(whole, stopping)
      } else {
        const frame = await collect(whole, smallObjectBytes + FRAME_OVERHEAD_BYTES)
        yield await decodeObject(frame, {
          objectBytes: smallObjectBytes,
          ...(dictionaries === undefined ? {} : { dictionaries }),
          ...stopping,
        })
      }
    },
    receiver(name) {
      const where: ChunkDecoderOptions = {
        ...(baselines === undefined ? {} : { store: baselines }),
        ...(name === undefined ? {} : { name }),
      }
      return createChunkDecoder({ ...common, ...where })
    },
  }
}

function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, magic.length), magic) === 0
}

/** The first bytes, as many as a magic number has where there are so many, and all of them in pieces. */
async function peek(
  frames: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<{ readonly head: Uint8Array; readonly whole: Uint8Array | AsyncIterable<Uint8Array> }> {
  if (frames instanceof Uint8Array) return { head: frames, whole: frames }
  const source = frames[Symbol.asyncIterator]()
  let head = new Uint8Array()
  while (head.length < MAGIC.length) {
    const next = await source.next()
    if (next.done) break
    head = new Uint8Array(Buffer.concat([head, next.value]))
  }
  return { head, whole: rejoined(head, source) }
}

async function* rejoined(head: Uint8Array, source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield head
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value
  } finally {
    await source.return?.()
  }
}

async function collect(parts: Uint8Array | AsyncIterable<Uint8Array>, mostBytes: number): Promise<Uint8Array> {
  const pieces = parts instanceof Uint8Array ? [parts] : blocksOf(parts, mostBytes + 1)
  for await (const piece of pieces) {
    if (piece.length <= mostBytes) return piece
    throw pastLimit('the length of a frame', piece.length, mostBytes, 'raise limits.smallObjectBytes')
  }
  return new Uint8Array()
}
