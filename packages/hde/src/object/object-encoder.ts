import type { Digest } from '@dwcp/interface'
import { type ChunkEncoder, type ChunkHave, createChunkEncoder } from '../chunks/chunk-encoder.js'
import type { ChunkMode } from '../chunks/modes.js'
import type { DeltaBase } from '../delta/base.js'
import type { BaselineSource } from '../delta/baselines.js'
import { isStream } from '../delta/blocks.js'
import {
  createDeltaEncoder,
  type DeltaEncodeOptions,
  type DeltaEncoder,
  type DeltaEncoderOptions,
  type DeltaStats,
} from '../delta/encoder.js'
import { pinned, SentDictionaries } from '../dictionaries/ahead.js'
import { namesDictionary } from '../dictionaries/object-frame.js'
import { encodeObject } from '../dictionaries/objects.js'
import type { DictionaryStore } from '../dictionaries/store.js'
import type { DocumentLimits } from '../documents/limits.js'
import { type DocumentSet, encodeDocumentSet, usesDictionary } from './document-set.js'
import type { PageSet } from './page-set.js'
import { encodePageSet } from './page-stream.js'

/**
 * By what means objects are described: as a difference from a base, by the chunks that the decoder lacks, with a trained dictionary; as
 * pages, which are differences from the same pages of a base; as documents, taken apart into columns.
 *
 * @public
 */
export type ObjectTier = 'delta' | 'chunks' | 'dictionary' | 'pages' | 'documents'

/**
 * What an encoder takes: bytes; a file or other content (`fileBase`); a stream; pages of an object; documents.
 *
 * @public
 */
export type EncoderInput = Uint8Array | DeltaBase | AsyncIterable<Uint8Array> | PageSet | DocumentSet

/**
 * What became of the objects of one tier.
 *
 * @public
 */
export interface TierStats {
  readonly objects: number
  /** Of documents, the bytes of their JSON text. */
  readonly rawBytes: number
  readonly wireBytes: number
  /** Raw bytes for each byte on the wire; 0 before the first. */
  readonly ratio: number
  /** Of raw bytes, while the encoder was at work; 0 before. */
  readonly bytesPerSecond: number
}

/**
 * What an encoder has done so far, over all objects.
 *
 * @public
 */
export interface ObjectEncoderStats {
  readonly rawBytes: number
  readonly wireBytes: number
  /** Raw bytes for each byte on the wire; 0 before the first. */
  readonly ratio: number
  /** Of raw bytes, while the encoder was at work; 0 before. */
  readonly bytesPerSecond: number
  readonly tiers: Readonly<Record<ObjectTier, TierStats>>
  /** Of the tier `delta`: what was left to send, the levels of its blocks, and what the last one was chosen by. */
  readonly delta: DeltaStats
  /** The same of the tier `pages`, of their bytes without their numbers. */
  readonly pages: DeltaStats
}

/**
 * What the decoder has, and how to follow the encoding.
 *
 * @public
 */
export interface EncodeOptions extends Omit<DeltaEncodeOptions, 'onProgress'> {
  /** What the decoder says that it has of this object: of {@link ObjectEncoder.have}. */
  readonly have?: ChunkHave
  /** What a small object or documents are like: those of a kind share a dictionary. */
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
  /** Of small objects and documents that come with a `kind`; each is a sample for the next dictionary. @defaultValue none */
  readonly dictionaries?: DictionaryStore
  /**
   * Whether a dictionary goes ahead of the first object that is encoded with it, so that one decoder, which decodes objects in the order
   * in which they were encoded, needs no other means to get it. False where frames go to several decoders, or these are given
   * dictionaries otherwise. @defaultValue true
   */
  readonly sendDictionaries?: boolean
  /** How objects are cut that the decoder is asked about. @defaultValue 'content' */
  readonly chunks?: ChunkMode
  /** What the decoder accepts of documents in one frame: more of them make more frames. @defaultValue those of `DEFAULT_DOCUMENT_LIMITS` */
  readonly limits?: Partial<DocumentLimits>
}

/**
 * Turns bytes, files, page sets and documents into frames.
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
   * Frames that `createDecoder` reads, described in docs/wire (delta.md, chunks.md, dictionaries.md, objects.md); a few megabytes of each object are
   * in memory at a time, of long ones up to a block of 128 MiB and a window of 256 MiB of its base.
   *
   * Of a page set `base` and `baseline` are the whole object in an older version, of any length. Documents say themselves what their
   * former versions are. The decoder is told which of the two to expect (`as`).
   *
   * @throws `TypeError` for more than one of `base`, `baseline` and `have`, or one that the object cannot have; `RangeError` for pages
   * that do not ascend, are not there or have bytes of another length; `ERR_HDE_LIMIT` for one document past `limits`; `signal.reason`;
   * what reading the object or a base throws.
   */
  encode(object: EncoderInput, options?: EncodeOptions): AsyncGenerator<Uint8Array, void, undefined>
  /**
   * The decoder does not have a dictionary any more, or never got it: `details.digest` of its `ERR_HDE_DICTIONARY_MISSING`. The next
   * object that is encoded with it brings it. What the decoder refused decodes when it is encoded again, with its kind or by itself.
   */
  dictionaryMissing(digest: Digest): void
  stats(): ObjectEncoderStats
}

/** Of longer objects a dictionary of 16 KiB says nothing. */
const SMALL_OBJECT_BYTES = 256 * 1024

/**
 * Describes bytes, files, pages and documents by what the decoder has: a base in hand, a baseline that both keep in their stores, chunks that it says
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
 *
 * const written = { pages: Uint32Array.of(3), pageBytes: 4096, lengthBytes: 100_000, bytes: new Uint8Array(4096).fill(2) }
 * const pages = createEncoder({ baselines: ours }).encode(written, { baseline: digest })
 * for await (const part of createDecoder({ baselines: theirs }).decode(pages, { as: 'pages' })) console.log(part.pages.join())
 *
 * const documents = createEncoder().encode({ documents: [{ node: 'a', load: 0.5 }], former: [{ node: 'a', load: 0.25 }] })
 * const former = [{ node: 'a', load: 0.25 }]
 * for await (const part of createDecoder().decode(documents, { as: 'documents', former })) console.log(part)
 * ```
 * @public
 */
export function createEncoder(options: EncoderOptions = {}): ObjectEncoder {
  return new TieredEncoder(options)
}

class TieredEncoder implements ObjectEncoder {
  readonly #delta: DeltaEncoder
  /** Of its own: pages are not like files, and levels are chosen by what was measured. */
  readonly #pages: DeltaEncoder
  readonly #chunks: ChunkEncoder
  readonly #baselines: BaselineSource | undefined
  readonly #dictionaries: DictionaryStore | undefined
  readonly #sent: SentDictionaries | undefined
  readonly #limits: Partial<DocumentLimits>
  readonly #tiers = { delta: none(), chunks: none(), dictionary: none(), pages: none(), documents: none() }
  #missedPageBaselines = 0

  constructor({ dictionaries, sendDictionaries = true, chunks, limits = {}, ...delta }: EncoderOptions) {
    this.#delta = createDeltaEncoder(delta)
    this.#pages = createDeltaEncoder(delta)
    this.#chunks = createChunkEncoder(chunks === undefined ? {} : { chunks })
    this.#baselines = delta.baselines
    this.#dictionaries = dictionaries
    this.#sent = sendDictionaries ? new SentDictionaries() : undefined
    this.#limits = limits
  }

  have(
    object: Uint8Array | DeltaBase,
    ask: (question: Uint8Array) => Promise<Uint8Array>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<ChunkHave> {
    return this.#chunks.have(object, ask, options)
  }

  async *encode(
    object: EncoderInput,
    { have, kind, onProgress, ...options }: EncodeOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { base, baseline, signal } = options
    const stopping = signal === undefined ? {} : { signal }
    const isAgainst = base !== undefined || baseline !== undefined
    if ('documents' in object) {
      if (isAgainst || have !== undefined) throw new TypeError('documents have former versions, not a base, a baseline or `have`')
      yield* this.#counted('documents', this.#documents(object, kind, stopping), onProgress)
    } else if ('pages' in object) {
      if (have !== undefined || (base !== undefined && baseline !== undefined))
        throw new TypeError('pages have a base or a baseline, not both, nor `have`')
      await using kept = baseline === undefined ? undefined : await this.#baselines?.base(baseline)
      if (baseline !== undefined && kept === undefined) this.#missedPageBaselines += 1
      yield* this.#counted('pages', encodePageSet(this.#pages, object, base ?? kept, options), onProgress)
    } else if (have !== undefined) {
      if (isAgainst) throw new TypeError('an object has a base, a baseline or `have`, not two of them')
      if (!(object instanceof Uint8Array) && isStream(object))
        throw new TypeError('an object with `have` is bytes or a base: it is read again')
      yield* this.#counted('chunks', this.#chunks.encode(object, { have, ...stopping }), onProgress, lengthOf(object))
    } else {
      const isSmall = object instanceof Uint8Array && object.length <= SMALL_OBJECT_BYTES && !isAgainst
      const dictionaries = this.#dictionaries
      if (isSmall && kind !== undefined && dictionaries !== undefined) {
        const frames = this.#small(object, dictionaries, kind, stopping)
        yield* this.#counted('dictionary', frames, onProgress, object.length)
      } else yield* this.#counted('delta', this.#delta.encode(object, options), onProgress)
    }
  }

  dictionaryMissing(digest: Digest): void {
    this.#sent?.forget(digest)
  }

  stats(): ObjectEncoderStats {
    const delta = this.#delta.stats()
    const pages = { ...this.#pages.stats(), missedBaselines: this.#missedPageBaselines }
    const { chunks, dictionary, documents } = this.#tiers
    const counts = {
      delta: { ...this.#tiers.delta, rawBytes: delta.rawBytes },
      chunks,
      dictionary,
      pages: { ...this.#tiers.pages, rawBytes: pages.rawBytes },
      documents,
    }
    const tiers = {
      delta: tierStats(counts.delta),
      chunks: tierStats(chunks),
      dictionary: tierStats(dictionary),
      pages: tierStats(counts.pages),
      documents: tierStats(documents),
    }
    const all = none()
    for (const { rawBytes, wireBytes, workMs } of Object.values(counts)) {
      all.rawBytes += rawBytes
      all.wireBytes += wireBytes
      all.workMs += workMs
    }
    const { rawBytes, wireBytes, ratio, bytesPerSecond } = tierStats(all)
    return { rawBytes, wireBytes, ratio, bytesPerSecond, tiers, delta, pages }
  }

  async *#small(
    object: Uint8Array,
    store: DictionaryStore,
    kind: string,
    stopping: { readonly signal?: AbortSignal },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const dictionaries = pinned(store, kind)
    const frame = await encodeObject(object, { dictionaries, kind, ...stopping })
    if (this.#sent !== undefined && namesDictionary(frame)) yield* this.#sent.before(kind, dictionaries)
    yield frame
  }

  async *#documents(
    set: DocumentSet,
    kind: string | undefined,
    stopping: { readonly signal?: AbortSignal },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const options = { ...stopping, limits: this.#limits }
    const counted = (rawBytes: number): void => void (this.#tiers.documents.rawBytes += rawBytes)
    if (this.#dictionaries === undefined || kind === undefined) yield* encodeDocumentSet(set, options, counted)
    else {
      const dictionaries = pinned(this.#dictionaries, kind)
      if (this.#sent !== undefined && usesDictionary(set)) yield* this.#sent.before(kind, dictionaries)
      yield* encodeDocumentSet(set, { ...options, dictionaries, kind }, counted)
    }
  }

  async *#counted(
    name: ObjectTier,
    frames: AsyncGenerator<Uint8Array, void, undefined>,
    onProgress: EncodeOptions['onProgress'],
    rawBytes = 0,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const tier = this.#tiers[name]
    tier.objects += 1
    tier.rawBytes += rawBytes
    let sinceMs = performance.now()
    for await (const frame of frames) {
      tier.workMs += performance.now() - sinceMs
      tier.wireBytes += frame.length
      yield frame
      onProgress?.(this.stats())
      sinceMs = performance.now()
    }
    tier.workMs += performance.now() - sinceMs
  }
}

interface TierCount {
  objects: number
  rawBytes: number
  wireBytes: number
  workMs: number
}

function none(): TierCount {
  return { objects: 0, rawBytes: 0, wireBytes: 0, workMs: 0 }
}

function tierStats({ objects, rawBytes, wireBytes, workMs }: TierCount): TierStats {
  const ratio = wireBytes === 0 ? 0 : rawBytes / wireBytes
  return { objects, rawBytes, wireBytes, ratio, bytesPerSecond: workMs === 0 ? 0 : (rawBytes * 1000) / workMs }
}

function lengthOf(object: Uint8Array | DeltaBase): number {
  return object instanceof Uint8Array ? object.length : object.lengthBytes
}
