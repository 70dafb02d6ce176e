import { setImmediate } from 'node:timers/promises'
import { DwcpError } from '@dwcp/interface'
import { ByteReader } from '../byte-reader.js'
import { FrameReader } from '../delta/frame-reader.js'
import { type DeltaKernels, deltaKernelsOnce } from '../delta/kernels.js'
import { corrupt, type HdeErrorCode, pastLimit } from '../errors.js'
import { OLD_USES, oldUseOf, unpack } from '../packing.js'
import type { HeldChunk } from '../store/catalog.js'
import { ChunkedStore } from '../store/chunked-store.js'
import type { BaselineStore } from '../store/store.js'
import type { DigestKind } from './modes.js'
import { digestText, startObjectDigest } from './object-digest.js'
import { bytesAround, bytesOf, Gaps, type Part, partBytes, sliceOf } from './parts.js'
import { levelIndex, type ObjectQuestion, type ReceivedQuestion, readQuestion, writeAnswer } from './question.js'
import { pieceIndex, relatedTo } from './related.js'
import { GROUP_BYTES } from './spans.js'
import { CHUNK_MAGIC, FRAMES, type GroupHead, readChunkEnd, readGroup } from './stream-format.js'

/**
 * What a decoder of chunk streams allocates and looks at, at most.
 *
 * @public
 */
export interface ChunkLimits {
  /** Parts in one question. @defaultValue 2^20 */
  readonly tags: number
  /** Raw bytes of a group of missing parts; as much again for what is around them. @defaultValue 4 MiB */
  readonly groupBytes: number
  /** Of an object. @defaultValue 2^53 - 1 */
  readonly objectBytes: number
  /** Of former versions that are looked into for pieces. @defaultValue 256 MiB */
  readonly relatedBytes: number
}

/**
 * What decoders accept unless told otherwise.
 *
 * @public
 */
export const DEFAULT_CHUNK_LIMITS: ChunkLimits = {
  tags: 1 << 20,
  groupBytes: GROUP_BYTES,
  objectBytes: Number.MAX_SAFE_INTEGER,
  relatedBytes: 256 << 20,
}

/**
 * Where to look, and what to accept.
 *
 * @public
 */
export interface ChunkDecoderOptions {
  /** What is held; without one, only streams of whole objects can be decoded. */
  readonly store?: BaselineStore
  /** Digests that are accepted; `xxh3-128` only from peers that are trusted. @defaultValue ['blake3'] */
  readonly digests?: readonly DigestKind[]
  /** Former versions have this name in the store: pieces are looked for in the newest of them even where no chunk is the same. */
  readonly name?: string
  /** @defaultValue {@link DEFAULT_CHUNK_LIMITS} */
  readonly limits?: Partial<ChunkLimits>
}

/**
 * The receiving side of one object. What it said that it holds is not evicted until it is disposed.
 *
 * @public
 */
export interface ChunkDecoder extends AsyncDisposable {
  /**
   * What `have` of the encoder is to be given for its question.
   *
   * @throws `ERR_HDE_CORRUPT`, `ERR_HDE_LIMIT`, `ERR_HDE_VERSION` (also for a digest that is not accepted).
   */
  answer(question: Uint8Array): Promise<Uint8Array>
  /**
   * The object in parts. It is whole, and the one that was asked about, only when the generator ends without an error.
   *
   * @throws `ERR_HDE_CORRUPT`, also where parts were taken for held that only resembled them: have it encoded without `have`;
   * `ERR_HDE_LIMIT`, `ERR_HDE_VERSION`, `ERR_HDE_STORE_DAMAGED`; `signal.reason`.
   */
  decode(
    frames: Uint8Array | AsyncIterable<Uint8Array>,
    options?: { readonly signal?: AbortSignal },
  ): AsyncGenerator<Uint8Array, void, undefined>
}

const NOTHING = new Uint8Array()
/** Parts that are answered for before others have their turn on this thread: about a millisecond. */
const PARTS_AT_ONCE = 4_096

/**
 * The other side of `createChunkEncoder`, for one object.
 *
 * @throws `TypeError` for a store of another maker.
 * @public
 */
export function createChunkDecoder(options: ChunkDecoderOptions = {}): ChunkDecoder {
  const { store, digests = ['blake3'], name } = options
  if (store !== undefined && !(store instanceof ChunkedStore))
    throw new TypeError('store must be one of createMemoryStore or openDiskStore')
  return new Receiver(store, digests, name, { ...DEFAULT_CHUNK_LIMITS, ...options.limits })
}

class Receiver<Place> implements ChunkDecoder {
  readonly #store: ChunkedStore<Place> | undefined
  readonly #digests: readonly DigestKind[]
  readonly #name: string | undefined
  readonly #limits: ChunkLimits
  readonly #found = new Set<HeldChunk<Place>>()
  /** Found, and not held yet. */
  #fresh: HeldChunk<Place>[] = []
  readonly #releases: (() => Promise<void>)[] = []
  #object: ObjectQuestion | undefined
  /** Of the last question. */
  #level = -1
  #parts: readonly Part<Place>[] = []
  /** The end frame, once it was read. */
  #last: ByteReader | undefined

  constructor(store: ChunkedStore<Place> | undefined, digests: readonly DigestKind[], name: string | undefined, limits: ChunkLimits) {
    this.#store = store
    this.#digests = digests
    this.#name = name
    this.#limits = limits
  }

  async answer(bytes: Uint8Array): Promise<Uint8Array> {
    const missing = this.#parts.filter((part) => part === undefined).length
    const question = readQuestion(bytes, missing, this.#limits.tags)
    // Each level once: what a peer may have taken apart here has an end.
    const level = question.object !== undefined && question.counts.length === 0 ? -1 : levelIndex(question.level)
    const isNext = this.#object === undefined || level > this.#level
    if ((question.object === undefined) !== (this.#object !== undefined) || !isNext) throw corrupt('a question that is not the next one')
    this.#level = level
    if (question.object !== undefined) this.#open(question.object)
    const store = this.#store
    const isComparable = store !== undefined && store.digest === this.#object?.kind
    if (store === undefined || !isComparable) return this.#take(question, () => undefined)
    const whole = question.object === undefined ? undefined : store.catalog.get(digestText(question.object.kind, question.object.digest))
    if (whole !== undefined) {
      this.#find(whole.chunks)
      this.#parts = [whole.chunks]
      this.#hold()
      return writeAnswer({ isWhole: true, hasRelated: false, held: [] })
    }
    if (question.level === 'pieces') {
      const related = relatedTo(store, this.#found, this.#name)
      this.#releases.push(store.hold(new Set(related.flatMap(({ chunks }) => chunks))))
      const index = await pieceIndex(store, related, this.#found, question.tagBytes, this.#limits.relatedBytes)
      return this.#take(question, (tag) => {
        const piece = index.get(tag)
        return piece === undefined ? undefined : sliceOf(piece.base, piece.offset, piece.lengthBytes)
      })
    }
    const isRuns = question.level === 'runs'
    return this.#take(question, (tag) => {
      const chunk = isRuns ? undefined : store.catalog.chunkByTag(tag)
      const chunks = isRuns ? store.catalog.runByTag(tag) : chunk === undefined ? undefined : [chunk]
      if (chunks !== undefined) this.#find(chunks)
      return chunks
    })
  }

  async *decode(
    frames: Uint8Array | AsyncIterable<Uint8Array>,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const kernels = await deltaKernelsOnce()
    const source = new FrameReader(frames, 2 * this.#limits.groupBytes + 4096, signal)
    try {
      await source.magic(CHUNK_MAGIC)
      const whole = await Promise.all(this.#digests.map(async (kind) => ({ kind, digest: await startObjectDigest(kind) })))
      let lengthBytes = 0
      for await (const bytes of this.#object === undefined ? this.#plain(kernels, source) : this.#filled(kernels, source)) {
        signal?.throwIfAborted()
        lengthBytes += bytes.length
        if (lengthBytes > this.#limits.objectBytes)
          throw pastLimit('an object', lengthBytes, this.#limits.objectBytes, 'raise limits.objectBytes')
        for (const { digest } of whole) await digest.update(bytes, signal)
        yield bytes
      }
      if (this.#last === undefined) throw corrupt('a stream without its end')
      const end = readChunkEnd(this.#last)
      const found = whole.find(({ kind }) => kind === end.kind)
      if (found === undefined) throw this.#notAccepted(end.kind)
      const isAsked = this.#object === undefined || Buffer.compare(this.#object.digest, end.digest) === 0
      if (!isAsked || end.lengthBytes !== lengthBytes || Buffer.compare(found.digest.digest(), end.digest) !== 0) {
        throw corrupt('the object is not the one that was encoded')
      }
      if (!(await source.atEnd())) throw corrupt('bytes follow the end of the stream')
    } finally {
      await source.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const release of this.#releases.splice(0)) await release()
  }

  #open(object: ObjectQuestion): void {
    if (!this.#digests.includes(object.kind)) throw this.#notAccepted(object.kind)
    if (object.lengthBytes > this.#limits.objectBytes) {
      throw pastLimit('an object', object.lengthBytes, this.#limits.objectBytes, 'raise limits.objectBytes')
    }
    this.#object = object
    this.#parts = object.lengthBytes === 0 ? [] : [undefined]
  }

  /** Puts what is held in the place of what was missing. */
  async #take({ counts, tagBytes, joinedTags }: ReceivedQuestion, heldOf: (tag: string) => Part<Place>): Promise<Uint8Array> {
    const known = new Map<string, Part<Place>>()
    const parts: Part<Place>[] = []
    const held: boolean[] = []
    let leftBytes = this.#object?.lengthBytes ?? 0
    const add = (part: Part<Place>): void => {
      leftBytes -= partBytes(part)
      if (leftBytes < 0) throw corrupt('a question about more than the object')
      // Neighbours that are missing are one stretch.
      if (part !== undefined || parts.length === 0 || parts.at(-1) !== undefined) parts.push(part)
    }
    let stretch = 0
    for (const part of counts.length === 0 ? [] : this.#parts) {
      if (part !== undefined) add(part)
      else {
        for (let left = counts[stretch] ?? 0; left > 0; left -= 1) {
          const tag = joinedTags.slice(held.length * tagBytes, (held.length + 1) * tagBytes)
          // A peer may ask about the same again and again.
          const answer = known.has(tag) ? known.get(tag) : heldOf(tag)
          known.set(tag, answer)
          add(answer)
          held.push(answer !== undefined)
          if (held.length % PARTS_AT_ONCE !== 0) continue
          this.#hold()
          await setImmediate()
        }
        stretch += 1
      }
    }
    this.#hold()
    if (counts.length > 0) this.#parts = parts
    const hasRelated = this.#store !== undefined && relatedTo(this.#store, this.#found, this.#name).length > 0
    return writeAnswer({ isWhole: false, hasRelated, held })
  }

  #find(chunks: readonly HeldChunk<Place>[]): void {
    for (const chunk of chunks) {
      if (!this.#found.has(chunk)) this.#fresh.push(chunk)
      this.#found.add(chunk)
    }
  }

  /** Before anything else runs that could evict what was found. */
  #hold(): void {
    if (this.#store !== undefined && this.#fresh.length > 0) this.#releases.push(this.#store.hold(this.#fresh))
    this.#fresh = []
  }

  /** Of a stream that was made without questions. */
  async *#plain(kernels: DeltaKernels, source: FrameReader): AsyncGenerator<Uint8Array, void, undefined> {
    for (let group = await this.#group(source); group !== undefined; group = await this.#group(source)) {
      yield await unpacked(kernels, group, NOTHING)
    }
  }

  /** What is held and what comes, in turn. */
  async *#filled(kernels: DeltaKernels, source: FrameReader): AsyncGenerator<Uint8Array, void, undefined> {
    const gaps = new Gaps(this.#parts, (chunks) => this.#read(chunks))
    let gap = 0
    let before = gaps.at(0)
    yield* bytesOf(before)
    let isBegun = false
    for (let group = await this.#group(source); group !== undefined; group = await this.#group(source)) {
      const { goesOn, lengths, packed } = group
      const ends = gap + lengths.length - (goesOn ? 1 : 0)
      if (ends >= gaps.count) throw corrupt('more than what was missing')
      const first = gap
      const after = lengths.map((_, index) => (goesOn && index + 1 === lengths.length ? undefined : gaps.at(first + 1 + index)))
      const isReferring = oldUseOf(packed.method) === OLD_USES.prefix
      const context = isReferring ? await bytesAround(lengths, isBegun ? undefined : before, after, this.#limits.groupBytes) : NOTHING
      const bytes = await unpacked(kernels, group, context)
      let at = 0
      for (const [index, length] of lengths.entries()) {
        yield bytes.subarray(at, at + length)
        at += length
        yield* bytesOf(after[index])
        before = after[index] ?? before
      }
      gap = ends
      isBegun = goesOn
    }
    if (gap !== gaps.count - 1 || isBegun) throw corrupt('less than what was missing')
  }

  #read(chunks: readonly HeldChunk<Place>[]): Promise<readonly Uint8Array[]> {
    if (this.#store === undefined) throw new TypeError('chunks are held without a store')
    return this.#store.read(chunks)
  }

  async #group(source: FrameReader): Promise<GroupHead | undefined> {
    const frame = await source.frame()
    const reader = new ByteReader(frame, 0)
    const kind = reader.byte()
    if (kind === FRAMES.group) return readGroup(reader, frame.length, this.#limits.groupBytes)
    if (kind !== FRAMES.end) throw corrupt(`a frame of kind ${kind} where a group was due`)
    this.#last = reader
    return undefined
  }

  #notAccepted(kind: DigestKind): DwcpError<HdeErrorCode> {
    const text = `an object named by ${kind}, and only ${this.#digests.join(', ')} is accepted here: have it named by that`
    return new DwcpError('ERR_HDE_VERSION', text, { details: { kind, accepted: this.#digests } })
  }
}

function unpacked(kernels: DeltaKernels, { lengths, packed }: GroupHead, context: Uint8Array): Promise<Uint8Array> {
  const length = lengths.reduce((sum, each) => sum + each, 0)
  return unpack(kernels, packed, context, length)
}
