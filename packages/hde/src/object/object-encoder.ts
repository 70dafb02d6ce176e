import { type ChunkEncoder, type ChunkHave, createChunkEncoder } from '../chunks/chunk-encoder.js'
import type { ChunkMode } from '../chunks/modes.js'
import type { DeltaBase } from '../delta/base.js'
import { isStream } from '../delta/blocks.js'
import { createDeltaEncoder, type DeltaEncodeOptions, type DeltaEncoderOptions, type DeltaStats } from '../delta/encoder.js'
import { encodeObject } from '../dictionaries/objects.js'
import type { DictionaryStore } from '../dictionaries/store.js'

/**
 * By what means objects are described: as a difference from a base, by the chunks that the decoder lacks, or with a trained dictionary.
 *
 * @public
 */
export type ObjectTier = 'delta' | 'chunks' | 'dictionary'

/**
 * What an encoder has done so far, over all objects.
 *
 * @public
 */
export interface ObjectEncoderStats {
  readonly rawBytes: number
  readonly wireBytes: number
  /** Of raw bytes, while the encoder was at work; 0 before. */
  readonly bytesPerSecond: number
  readonly tiers: Readonly<Record<ObjectTier, { readonly objects: number; readonly rawBytes: number; readonly wireBytes: number }>>
  /** Of the tier `delta`: what was left to send, the levels of its blocks, and what the last one was chosen by. */
  readonly delta: DeltaStats
}

/**
 * What the decoder has, and how to follow the encoding.
 *
 * @public
 */
export interface EncodeOptions extends Omit<DeltaEncodeOptions, 'onProgress'> {
  /** What the decoder says that it has of this object: of {@link ObjectEncoder.have}. */
  readonly have?: ChunkHave
  /** What a small object is like: objects of a kind share a dictionary. */
  readonly kind?: string
  /** After each frame. */
  readonly onProgress?: (progress: ObjectEncoderStats) => void
}

/**
 * Where an encoder finds what decoders hold too, and what it chooses by.
 *
 * @public
 */
export interface EncoderOptions extends DeltaEncoderOptions {
  /** Of small objects that come with a `kind`; each is a sample for the next dictionary. @defaultValue none */
  readonly dictionaries?: DictionaryStore
  /** How objects are cut that the decoder is asked about. @defaultValue 'content' */
  readonly chunks?: ChunkMode
}

/**
 * Turns bytes and files into frames.
 *
 * @public
 */
export interface ObjectEncoder {
  /**
   * Asks the decoder's side what it has of an object, where this side does not hold what that does: less than 100 bytes where it has
   * all of it. `ask` carries a question to `answer` of `ObjectDecoder.receiver` and brings back what that gives.
   *
   * @throws as `ChunkEncoder.have`.
   */
  have(
    object: Uint8Array | DeltaBase,
    ask: (question: Uint8Array) => Promise<Uint8Array>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ChunkHave>
  /**
   * Frames that `createDecoder` reads, described in docs/wire (delta.md, chunks.md, dictionaries.md); a few megabytes of each object are
   * in memory at a time, of long ones up to a block of 128 MiB and a window of 256 MiB of its base.
   *
   * @throws `TypeError` for more than one of `base`, `baseline` and `have`; `signal.reason`; what reading the object or a base throws.
   */
  encode(object: Uint8Array | DeltaBase | AsyncIterable<Uint8Array>, options?: EncodeOptions): AsyncGenerator<Uint8Array, void, undefined>
  stats(): ObjectEncoderStats
}

/** Of longer objects a dictionary of 16 KiB says nothing. */
const SMALL_OBJECT_BYTES = 256 * 1024

/**
 * Describes bytes and files by what the decoder has: a base in hand, a baseline that both keep in their stores, chunks that it says
 * that it has, or a dictionary of the object's kind. The level follows the link and the processor where `link` is given.
 *
 * @example
 * ```ts
 * import { createDecoder, createEncoder, createMemoryStore } from '@dwcp/hde'
 * const [ours, theirs] = [await createMemoryStore(), await createMemoryStore()]
 * const older = new Uint8Array(100_000).fill(1)
 * const { digest } = await ours.put(older)
 * await theirs.put(older)
 * const frames = createEncoder({ baselines: ours, link: () => 125e6 }).encode(new Uint8Array(100_001).fill(1), { baseline: digest })
 * for await (const part of createDecoder({ baselines: theirs }).decode(frames)) console.log(part.length)
 * ```
 * @public
 */
export function createEncoder(options: EncoderOptions = {}): ObjectEncoder {
  return new TieredEncoder(options)
}

class TieredEncoder implements ObjectEncoder {
  readonly #delta: ReturnType<typeof createDeltaEncoder>
  readonly #chunks: ChunkEncoder
  readonly #dictionaries: DictionaryStore | undefined
  readonly #tiers = { delta: none(), chunks: none(), dictionary: none() }
  #workMs = 0

  constructor({ dictionaries, chunks, ...delta }: EncoderOptions) {
    this.#delta = createDeltaEncoder(delta)
    this.#chunks = createChunkEncoder(chunks === undefined ? {} : { chunks })
    this.#dictionaries = dictionaries
  }

  have(
    object: Uint8Array | DeltaBase,
    ask: (question: Uint8Array) => Promise<Uint8Array>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<ChunkHave> {
    return this.#chunks.have(object, ask, options)
  }

  async *encode(
    object: Uint8Array | DeltaBase | AsyncIterable<Uint8Array>,
    { have, kind, onProgress, ...options }: EncodeOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { base, baseline, signal } = options
    const stopping = signal === undefined ? {} : { signal }
    if (have !== undefined) {
      if (base !== undefined || baseline !== undefined) throw new TypeError('an object has a base, a baseline or `have`, not two of them')
      if (!(object instanceof Uint8Array) && isStream(object))
        throw new TypeError('an object with `have` is bytes or a base: it is read again')
      yield* this.#counted('chunks', this.#chunks.encode(object, { have, ...stopping }), onProgress, lengthOf(object))
      return
    }
    const isSmall = object instanceof Uint8Array && object.length <= SMALL_OBJECT_BYTES && base === undefined && baseline === undefined
    const dictionaries = this.#dictionaries
    if (isSmall && kind !== undefined && dictionaries !== undefined) {
      const frame = once(() => encodeObject(object, { dictionaries, kind, ...stopping }))
      yield* this.#counted('dictionary', frame, onProgress, object.length)
      return
    }
    yield* this.#counted('delta', this.#delta.encode(object, options), onProgress)
  }

  stats(): ObjectEncoderStats {
    const delta = this.#delta.stats()
    const tiers = { ...this.#tiers, delta: { ...this.#tiers.delta, rawBytes: delta.rawBytes } }
    const all = Object.values(tiers)
    const rawBytes = all.reduce((sum, tier) => sum + tier.rawBytes, 0)
    const wireBytes = all.reduce((sum, tier) => sum + tier.wireBytes, 0)
    const bytesPerSecond = this.#workMs === 0 ? 0 : (rawBytes * 1000) / this.#workMs
    return { rawBytes, wireBytes, bytesPerSecond, tiers, delta }
  }

  async *#counted(
    tier: ObjectTier,
    frames: AsyncGenerator<Uint8Array, void, undefined>,
    onProgress: EncodeOptions['onProgress'],
    rawBytes = 0,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { objects, ...before } = this.#tiers[tier]
    this.#tiers[tier] = { ...before, objects: objects + 1, rawBytes: before.rawBytes + rawBytes }
    let sinceMs = performance.now()
    for await (const frame of frames) {
      this.#workMs += performance.now() - sinceMs
      this.#tiers[tier] = { ...this.#tiers[tier], wireBytes: this.#tiers[tier].wireBytes + frame.length }
      yield frame
      onProgress?.(this.stats())
      sinceMs = performance.now()
    }
    this.#workMs += performance.now() - sinceMs
  }
}

function none(): ObjectEncoderStats['tiers'][ObjectTier] {
  return { objects: 0, rawBytes: 0, wireBytes: 0 }
}

function lengthOf(object: Uint8Array | DeltaBase): number {
  return object instanceof Uint8Array ? object.length : object.lengthBytes
}

async function* once(make: () => Promise<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield await make()
}
