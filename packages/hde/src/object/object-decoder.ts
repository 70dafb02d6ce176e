import { type ChunkDecoder, type ChunkDecoderOptions, type ChunkLimits, createChunkDecoder } from '../chunks/chunk-decoder.js'
import type { DigestKind } from '../chunks/modes.js'
import { CHUNK_MAGIC } from '../chunks/stream-format.js'
import type { DeltaBase } from '../delta/base.js'
import { blocksOf } from '../delta/blocks.js'
import type { DeltaLimits } from '../delta/bounds.js'
import { createDeltaDecoder, type DeltaDecodeOptions, type DeltaDecoder } from '../delta/decoder.js'
import { MAGIC } from '../delta/format.js'
import { FrameReader } from '../delta/frame-reader.js'
import { DICTIONARY_MAGIC, takeDictionary } from '../dictionaries/ahead.js'
import { decodeObject } from '../dictionaries/objects.js'
import { createDictionaryStore, type DictionaryStore } from '../dictionaries/store.js'
import type { JsonValue } from '../documents/documents.js'
import type { DocumentLimits } from '../documents/limits.js'
import { corrupt, pastLimit } from '../errors.js'
import type { BaselineStore } from '../store/store.js'
import { untilAborted } from '../until-aborted.js'
import { DOCUMENTS_MAGIC, type DocumentSet, decodeDocumentSet } from './document-set.js'
import type { PageSet } from './page-set.js'
import { decodePageSet, PAGES_MAGIC } from './page-stream.js'
import { type Frames, peek, startsWith } from './peek.js'

/**
 * What a decoder allocates at most.
 *
 * @public
 */
export interface ObjectLimits extends DeltaLimits, ChunkLimits, DocumentLimits {
  /** Longest object that comes in one frame with a dictionary. @defaultValue 16 MiB */
  readonly smallObjectBytes: number
  /** Longest dictionary that comes ahead of an object. @defaultValue 256 KiB */
  readonly dictionaryBytes: number
  /** Pages of a set, 4 bytes each. @defaultValue 2^20 */
  readonly pages: number
}

/**
 * Decoding page sets.
 *
 * @public
 */
export interface PageSetDecodeOptions {
  readonly as: 'pages'
  /** The older version of the whole object. @defaultValue what the stream names, from `baselines` */
  readonly base?: DeltaBase
  readonly signal?: AbortSignal
}

/**
 * Decoding documents.
 *
 * @public
 */
export interface DocumentSetDecodeOptions {
  readonly as: 'documents'
  /** By index the same as the encoder was given. @defaultValue nothing of any */
  readonly former?: DocumentSet['former']
  readonly signal?: AbortSignal
}

/**
 * Where a decoder finds what streams build on, and what it accepts.
 *
 * @public
 */
export interface DecoderOptions {
  readonly baselines?: BaselineStore
  /** Where dictionaries are looked for, and kept that come ahead of objects. @defaultValue a store of its own */
  readonly dictionaries?: DictionaryStore
  /** Digests that are accepted in streams of chunks; `xxh3-128` only from peers that are trusted. @defaultValue ['blake3'] */
  readonly digests?: readonly DigestKind[]
  /** @defaultValue those of `DEFAULT_DELTA_LIMITS`, `DEFAULT_CHUNK_LIMITS` and `DEFAULT_DOCUMENT_LIMITS` */
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
  decode(frames: Frames, options?: DeltaDecodeOptions & { readonly as?: never }): AsyncGenerator<Uint8Array, void, undefined>
  /**
   * As above, of a page set: whole pages in ascending order. Which pages they are is verified before the first comes out. Frames of
   * anything else are `ERR_HDE_CORRUPT`.
   */
  decode(frames: Frames, options: PageSetDecodeOptions): AsyncGenerator<PageSet, void, undefined>
  /** As above, of documents: all of them in their order, a batch at a time. Frames of anything else are `ERR_HDE_CORRUPT`. */
  decode(frames: Frames, options: DocumentSetDecodeOptions): AsyncGenerator<JsonValue[], void, undefined>
  /**
   * For one object that the encoder asks about before it sends it: answers the questions and decodes the frames. What it said that it
   * has is not evicted until it is disposed.
   *
   * @param name - Of former versions in the store.
   */
  receiver(name?: string): ChunkDecoder
}

const DEFAULT_SMALL_OBJECT_BYTES = 16 * 1024 ** 2
const DEFAULT_DICTIONARY_BYTES = 256 * 1024
const DEFAULT_PAGES = 2 ** 20
/** What a frame of one object may have beside it. */
const FRAME_OVERHEAD_BYTES = 1024

/**
 * The inverse of `createEncoder`.
 *
 * @public
 */
export function createDecoder(options: DecoderOptions = {}): ObjectDecoder {
  return new TieredDecoder(options)
}

class TieredDecoder implements ObjectDecoder {
  readonly #options: DecoderOptions
  readonly #dictionaries: DictionaryStore
  readonly #delta: DeltaDecoder
  readonly #chunkOptions: ChunkDecoderOptions

  constructor(options: DecoderOptions) {
    const { baselines, digests, limits = {} } = options
    this.#options = options
    this.#dictionaries = options.dictionaries ?? createDictionaryStore()
    this.#delta = createDeltaDecoder({ limits, ...(baselines === undefined ? {} : { baselines }) })
    this.#chunkOptions = { limits, ...(digests === undefined ? {} : { digests }) }
  }

  decode(frames: Frames, options?: DeltaDecodeOptions & { readonly as?: never }): AsyncGenerator<Uint8Array, void, undefined>
  decode(frames: Frames, options: PageSetDecodeOptions): AsyncGenerator<PageSet, void, undefined>
  decode(frames: Frames, options: DocumentSetDecodeOptions): AsyncGenerator<JsonValue[], void, undefined>
  decode(
    frames: Frames,
    options: (DeltaDecodeOptions & { readonly as?: never }) | PageSetDecodeOptions | DocumentSetDecodeOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> | AsyncGenerator<PageSet, void, undefined> | AsyncGenerator<JsonValue[], void, undefined> {
    const { baselines, limits = {} } = this.#options
    const { signal } = options
    if (options.as === 'pages')
      return decodePageSet(frames, { delta: this.#delta, mostPages: limits.pages ?? DEFAULT_PAGES, baselines, base: options.base, signal })
    return options.as === 'documents' ? this.#documents(frames, options) : this.#bytes(frames, options)
  }

  receiver(name?: string): ChunkDecoder {
    const { baselines } = this.#options
    return createChunkDecoder({
      ...this.#chunkOptions,
      ...(baselines === undefined ? {} : { store: baselines }),
      ...(name === undefined ? {} : { name }),
    })
  }

  async *#documents(frames: Frames, { former, signal }: DocumentSetDecodeOptions): AsyncGenerator<JsonValue[], void, undefined> {
    const stopping = signal === undefined ? {} : { signal }
    const { whole } = await this.#withoutDictionary(frames, signal)
    yield* decodeDocumentSet(whole, former, { limits: this.#options.limits ?? {}, dictionaries: this.#dictionaries, ...stopping })
  }

  async *#bytes(frames: Frames, options: DeltaDecodeOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const { limits: { smallObjectBytes = DEFAULT_SMALL_OBJECT_BYTES } = {} } = this.#options
    const { signal } = options
    const stopping = signal === undefined ? {} : { signal }
    const { head, whole } = await this.#withoutDictionary(frames, signal)
    if (startsWith(head, PAGES_MAGIC) || startsWith(head, DOCUMENTS_MAGIC)) throw corrupt('pages or documents where bytes were due')
    if (startsWith(head, MAGIC)) yield* this.#delta.decode(whole, options)
    else if (startsWith(head, CHUNK_MAGIC)) {
      await using receiver = createChunkDecoder(this.#chunkOptions)
      yield* receiver.decode(whole, stopping)
    } else {
      const frame = await collect(whole, smallObjectBytes + FRAME_OVERHEAD_BYTES)
      yield await decodeObject(frame, { objectBytes: smallObjectBytes, dictionaries: this.#dictionaries, ...stopping })
    }
  }

  /** The frames behind the dictionary that comes ahead of them, which is kept; all of them where there is none. */
  async #withoutDictionary(frames: Frames, signal: AbortSignal | undefined): ReturnType<typeof peek> {
    const { limits: { dictionaryBytes = DEFAULT_DICTIONARY_BYTES } = {} } = this.#options
    const all = await peek(frames instanceof Uint8Array ? frames : untilAborted(frames, signal))
    if (!startsWith(all.head, DICTIONARY_MAGIC)) return all
    const reader = new FrameReader(all.whole, dictionaryBytes + FRAME_OVERHEAD_BYTES)
    try {
      await takeDictionary(reader, this.#dictionaries, dictionaryBytes)
    } catch (error) {
      await reader.close()
      throw error
    }
    return peek(reader.rest())
  }
}

async function collect(parts: Frames, mostBytes: number): Promise<Uint8Array> {
  const pieces = parts instanceof Uint8Array ? [parts] : blocksOf(parts, mostBytes + 1)
  for await (const piece of pieces) {
    if (piece.length <= mostBytes) return piece
    throw pastLimit('the length of a frame', piece.length, mostBytes, 'raise limits.smallObjectBytes')
  }
  return new Uint8Array()
}
