import { type ChunkDecoder, type ChunkDecoderOptions, type ChunkLimits, createChunkDecoder } from '../chunks/chunk-decoder.js'
import type { DigestKind } from '../chunks/modes.js'
import { CHUNK_MAGIC } from '../chunks/stream-format.js'
import type { DeltaBase } from '../delta/base.js'
import { blocksOf } from '../delta/blocks.js'
import type { DeltaLimits } from '../delta/bounds.js'
import { createDeltaDecoder, type DeltaDecodeOptions, type DeltaDecoder } from '../delta/decoder.js'
import { MAGIC } from '../delta/format.js'
import { decodeObject } from '../dictionaries/objects.js'
import type { DictionaryStore } from '../dictionaries/store.js'
import type { JsonValue } from '../documents/documents.js'
import type { DocumentLimits } from '../documents/limits.js'
import { corrupt, pastLimit } from '../errors.js'
import type { BaselineStore } from '../store/store.js'
import { untilAborted } from '../until-aborted.js'
import { DOCUMENTS_MAGIC, type DocumentSet, decodeDocumentSet } from './document-set.js'
import type { PageSet } from './page-set.js'
import { decodePageSet, PAGES_MAGIC } from './page-stream.js'

/**
 * What a decoder allocates at most.
 *
 * @public
 */
export interface ObjectLimits extends DeltaLimits, ChunkLimits, DocumentLimits {
  /** Longest object that comes in one frame with a dictionary. @defaultValue 16 MiB */
  readonly smallObjectBytes: number
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

type Frames = Uint8Array | AsyncIterable<Uint8Array>

const DEFAULT_SMALL_OBJECT_BYTES = 16 * 1024 ** 2
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
  readonly #delta: DeltaDecoder
  readonly #chunkOptions: ChunkDecoderOptions

  constructor(options: DecoderOptions) {
    const { baselines, digests, limits = {} } = options
    this.#options = options
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
    const { baselines, dictionaries, limits = {} } = this.#options
    const { signal } = options
    if (options.as === 'pages')
      return decodePageSet(frames, { delta: this.#delta, mostPages: limits.pages ?? DEFAULT_PAGES, baselines, base: options.base, signal })
    if (options.as === 'documents') {
      const known = { limits, ...(dictionaries === undefined ? {} : { dictionaries }), ...(signal === undefined ? {} : { signal }) }
      return decodeDocumentSet(frames, options.former, known)
    }
    return this.#bytes(frames, options)
  }

  receiver(name?: string): ChunkDecoder {
    const { baselines } = this.#options
    return createChunkDecoder({
      ...this.#chunkOptions,
      ...(baselines === undefined ? {} : { store: baselines }),
      ...(name === undefined ? {} : { name }),
    })
  }

  async *#bytes(frames: Frames, options: DeltaDecodeOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const { dictionaries, limits: { smallObjectBytes = DEFAULT_SMALL_OBJECT_BYTES } = {} } = this.#options
    const { signal } = options
    const stopping = signal === undefined ? {} : { signal }
    const { head, whole } = await peek(frames instanceof Uint8Array ? frames : untilAborted(frames, signal))
    if (startsWith(head, PAGES_MAGIC) || startsWith(head, DOCUMENTS_MAGIC)) throw corrupt('pages or documents where bytes were due')
    if (startsWith(head, MAGIC)) yield* this.#delta.decode(whole, options)
    else if (startsWith(head, CHUNK_MAGIC)) {
      await using receiver = createChunkDecoder(this.#chunkOptions)
      yield* receiver.decode(whole, stopping)
    } else {
      const frame = await collect(whole, smallObjectBytes + FRAME_OVERHEAD_BYTES)
      yield await decodeObject(frame, {
        objectBytes: smallObjectBytes,
        ...(dictionaries === undefined ? {} : { dictionaries }),
        ...stopping,
      })
    }
  }
}

function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, magic.length), magic) === 0
}

/** The first bytes, as many as a magic number has where there are so many, and all of them in pieces. */
async function peek(frames: Frames): Promise<{ readonly head: Uint8Array; readonly whole: Frames }> {
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

async function collect(parts: Frames, mostBytes: number): Promise<Uint8Array> {
  const pieces = parts instanceof Uint8Array ? [parts] : blocksOf(parts, mostBytes + 1)
  for await (const piece of pieces) {
    if (piece.length <= mostBytes) return piece
    throw pastLimit('the length of a frame', piece.length, mostBytes, 'raise limits.smallObjectBytes')
  }
  return new Uint8Array()
}
