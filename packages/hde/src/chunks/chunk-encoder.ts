import { type Digest, DwcpError } from '@dwcp/interface'
import { cutChunks } from '@dwcp/native-rdma/chunk'
import { bytesBase, type DeltaBase } from '../delta/base.js'
import { deltaKernelsOnce } from '../delta/kernels.js'
import { packStream } from '../delta/packing.js'
import type { HdeErrorCode } from '../errors.js'
import { keysOf, segmentsOf } from './cut.js'
import { type ChunkMode, type DigestKind, PIECE_SIZES } from './modes.js'
import { digestText, loadDigestOf, startObjectDigest } from './object-digest.js'
import { type Level, type ObjectQuestion, readAnswer, writeQuestion } from './question.js'
import { runsOf, TAG_BYTES, tagOf } from './runs.js'
import { contextOf, groupsOf, joinSpans, type Span } from './spans.js'
import { CHUNK_MAGIC, writeChunkEnd, writeGroup } from './stream-format.js'

/**
 * How objects are cut, named and compressed.
 *
 * @public
 */
export interface ChunkEncoderOptions {
  /** How objects are cut. @defaultValue 'content' */
  readonly chunks?: ChunkMode
  /** What objects and chunks are named by: the decoder decides whether that is enough. @defaultValue 'blake3' */
  readonly digest?: DigestKind
  /** zstd level of what is missing. @defaultValue 3 */
  readonly level?: number
}

/**
 * What a decoder has of an object, as it said itself.
 *
 * @public
 */
export interface ChunkHave {
  readonly digest: Digest
  readonly lengthBytes: number
  /** Bytes that it does not have. */
  readonly missingBytes: number
  readonly missing: readonly { readonly offset: number; readonly lengthBytes: number }[]
  /** Of all questions. */
  readonly askedBytes: number
  /** Of all answers. */
  readonly answeredBytes: number
}

/**
 * Sends objects to a decoder that may hold much of them, where the encoder does not hold what the decoder has.
 *
 * @public
 */
export interface ChunkEncoder {
  /**
   * Asks the other side's `answer`, one to four times: about the whole, then each question about the parts of what is still missing: runs of chunks, chunks,
   * pieces of about 600 bytes. An object that is held whole costs one question and its answer, less than 100 bytes.
   *
   * @throws `ERR_HDE_CORRUPT`, `ERR_HDE_VERSION` for answers; what `ask` and reading the object throw; `signal.reason`.
   */
  have(
    object: Uint8Array | DeltaBase,
    ask: (question: Uint8Array) => Promise<Uint8Array>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ChunkHave>
  /**
   * Frames of a stream that docs/wire/chunks.md describes; without `have`, of the whole object. It must be the same object.
   *
   * @throws what reading the object throws; `signal.reason`.
   */
  encode(
    object: Uint8Array | DeltaBase,
    options?: { readonly have?: ChunkHave; readonly signal?: AbortSignal },
  ): AsyncGenerator<Uint8Array, void, undefined>
}

interface Part extends Span {
  readonly tag: string
}

/** Chance of a false match, in powers of two, where both sides have as many pieces. It costs sending the object again. */
const SAFE_BITS = 16
const LEAST_TAG_BYTES = 5
/** Asked about together with the whole. Of longer objects the whole is asked about alone, which costs one turn more where it is not held. */
const SHORT_RUNS = 4
/** A stretch is cut into pieces in memory. */
const PIECES_AT_ONCE_BYTES = 8 << 20

/**
 * Makes an encoder of objects by what the other side says it has.
 *
 * @example
 * ```ts
 * import { createChunkDecoder, createChunkEncoder, createMemoryStore } from '@dwcp/hde'
 * const store = await createMemoryStore()
 * await store.put(new Uint8Array(100_000).fill(1), { name: 'an object' })
 * const [encoder, newer] = [createChunkEncoder(), new Uint8Array(100_001).fill(1)]
 * await using decoder = createChunkDecoder({ store, name: 'an object' })
 * const have = await encoder.have(newer, (question) => decoder.answer(question))
 * for await (const part of decoder.decode(encoder.encode(newer, { have }))) console.log(part.length)
 * ```
 * @public
 */
export function createChunkEncoder(options: ChunkEncoderOptions = {}): ChunkEncoder {
  const { chunks: mode = 'content', digest: kind = 'blake3', level = 3 } = options
  return {
    async have(object, ask, { signal } = {}) {
      const source = object instanceof Uint8Array ? bytesBase(object) : object
      const described = await describe(source, mode, kind, signal)
      const whole: Span = { offset: 0, lengthBytes: source.lengthBytes }
      let missing: readonly Span[] = source.lengthBytes === 0 ? [] : [whole]
      let [askedBytes, answeredBytes] = [0, 0]
      const round = async (name: Level, parts: readonly (readonly Part[])[], opening?: ObjectQuestion): Promise<boolean> => {
        signal?.throwIfAborted()
        const all = parts.flat()
        const counts = parts.map(({ length }) => length)
        const question = writeQuestion({ object: opening, level: name, counts, tags: all.map(({ tag }) => tag) })
        const bytes = await ask(question)
        const answer = readAnswer(bytes, all.length)
        askedBytes += question.length
        answeredBytes += bytes.length
        if (answer.isWhole) missing = []
        else if (all.length > 0) missing = joinSpans(all.filter((_, index) => answer.held[index] !== true))
        return answer.hasRelated
      }
      const opening = { lengthBytes: source.lengthBytes, kind, mode, digest: described.digest }
      const isShort = described.runs.length <= SHORT_RUNS
      let hasRelated = await round('runs', isShort && missing.length > 0 ? [described.runs] : [], opening)
      if (missing.length > 0 && !isShort) hasRelated = await round('runs', [described.runs])
      if (missing.length > 0) hasRelated = await round('chunks', within(missing, described.parts))
      if (missing.length > 0 && hasRelated && mode === 'content') await round('pieces', await piecesOf(source, missing, signal))
      const missingBytes = missing.reduce((sum, span) => sum + span.lengthBytes, 0)
      const digest = digestText(kind, described.digest)
      return { digest, lengthBytes: source.lengthBytes, missingBytes, missing, askedBytes, answeredBytes }
    },
    async *encode(object, { have, signal } = {}) {
      const source = object instanceof Uint8Array ? bytesBase(object) : object
      requireSame(source, have)
      const kernels = await deltaKernelsOnce()
      const whole = have === undefined ? await startObjectDigest(kind) : undefined
      const missing = have?.missing ?? (source.lengthBytes === 0 ? [] : [{ offset: 0, lengthBytes: source.lengthBytes }])
      // A copy: what is handed out is the caller's.
      yield CHUNK_MAGIC.slice()
      const gaps = gapsOf(missing, source.lengthBytes)
      for (const group of groupsOf(missing)) {
        signal?.throwIfAborted()
        const bytes = await readSpans(source, group)
        await whole?.update(bytes, signal)
        const [before, after] = [gaps.before(group), group.map((span) => gaps.after(span))]
        const context = kernels.zstdPrefix ? await readSpans(source, contextOf(group, before, after)) : new Uint8Array()
        const last = group.at(-1)
        const goesOn = last !== undefined && gaps.after(last) === 0 && last.offset + last.lengthBytes < source.lengthBytes
        const packed = await packStream(kernels, bytes, context, level)
        yield writeGroup({ lengths: group.map(({ lengthBytes }) => lengthBytes), goesOn, packed })
      }
      const digest = whole?.digest() ?? Buffer.from(have?.digest.split(':')[1] ?? '', 'hex')
      yield writeChunkEnd(source.lengthBytes, kind, digest)
    },
  }

  function requireSame(source: DeltaBase, have: ChunkHave | undefined): void {
    if (have === undefined || (have.lengthBytes === source.lengthBytes && have.digest.startsWith(`${kind}:`))) return
    const text = `what the other side has was said of an object of ${have.lengthBytes} bytes named ${have.digest}: ask for this one`
    throw new DwcpError<HdeErrorCode>('ERR_HDE_STATE', text, { details: { digest: have.digest } })
  }
}

interface Described {
  readonly digest: Uint8Array
  readonly parts: readonly Part[]
  readonly runs: readonly Part[]
}

async function describe(source: DeltaBase, mode: ChunkMode, kind: DigestKind, signal?: AbortSignal): Promise<Described> {
  const whole = await startObjectDigest(kind)
  const [parts, keys]: [Part[], string[]] = [[], []]
  let offset = 0
  for await (const segment of segmentsOf(source, mode, kind, signal)) {
    signal?.throwIfAborted()
    let index = 0
    for (const key of keysOf(segment, kind)) {
      const lengthBytes = segment.lengths[index] ?? 0
      parts.push({ offset, lengthBytes, tag: tagOf(key) })
      keys.push(key)
      offset += lengthBytes
      index += 1
    }
    await whole.update(segment.bytes, signal)
  }
  const runs = runsOf(keys, await loadDigestOf(kind)).map(({ first, chunks, tag }) => {
    const lengthBytes = parts.slice(first, first + chunks).reduce((sum, part) => sum + part.lengthBytes, 0)
    return { offset: parts[first]?.offset ?? 0, lengthBytes, tag }
  })
  return { digest: whole.digest(), parts, runs }
}

/** The parts that each stretch is made of; they begin and end where stretches do. */
function within(missing: readonly Span[], parts: readonly Part[]): readonly (readonly Part[])[] {
  let next = 0
  return missing.map(({ offset, lengthBytes }) => {
    while ((parts[next]?.offset ?? offset) < offset) next += 1
    const first = next
    while ((parts[next]?.offset ?? Number.POSITIVE_INFINITY) < offset + lengthBytes) next += 1
    return parts.slice(first, next)
  })
}

async function piecesOf(source: DeltaBase, missing: readonly Span[], signal?: AbortSignal): Promise<readonly (readonly Part[])[]> {
  const digest = 'xxh3-128'
  const all: Part[][] = []
  for (const { offset, lengthBytes } of missing) {
    const pieces: Part[] = []
    for (let at = 0; at < lengthBytes; ) {
      const bytes = await source.read(offset + at, Math.min(PIECES_AT_ONCE_BYTES, lengthBytes - at))
      const isLast = at + bytes.length === lengthBytes
      const list = await cutChunks(bytes, { ...PIECE_SIZES, digest, isLast, ...(signal === undefined ? {} : { signal }) })
      let index = 0
      for (const key of keysOf({ bytes, ...list }, digest)) {
        const length = list.lengths[index] ?? 0
        pieces.push({ offset: offset + at, lengthBytes: length, tag: key })
        at += length
        index += 1
      }
    }
    all.push(pieces)
  }
  const count = all.reduce((sum, { length }) => sum + length, 0)
  const tagBytes = Math.ceil((2 * Math.log2(count + 1) + SAFE_BITS) / 8)
  const length = Math.max(LEAST_TAG_BYTES, Math.min(TAG_BYTES, tagBytes))
  return all.map((pieces) => pieces.map((piece) => ({ ...piece, tag: piece.tag.slice(0, length) })))
}

async function readSpans(source: DeltaBase, spans: readonly Span[]): Promise<Uint8Array> {
  const [only, second] = spans
  if (only !== undefined && second === undefined) return source.read(only.offset, only.lengthBytes)
  const parts: Uint8Array[] = []
  for (const { offset, lengthBytes } of spans) parts.push(await source.read(offset, lengthBytes))
  return Buffer.concat(parts)
}

/** How much is held before and behind what is missing. */
function gapsOf(missing: readonly Span[], totalBytes: number): { before(group: readonly Span[]): number; after(span: Span): number } {
  const [starts, ends] = [new Map<number, number>(), new Map<number, number>()]
  let end = 0
  for (const { offset, lengthBytes } of missing) {
    starts.set(offset, offset - end)
    ends.set(end, offset - end)
    end = offset + lengthBytes
  }
  ends.set(end, totalBytes - end)
  return {
    // Where a group goes on in a stretch that another began, nothing held is between.
    before: (group) => starts.get(group[0]?.offset ?? 0) ?? 0,
    after: ({ offset, lengthBytes }) => ends.get(offset + lengthBytes) ?? 0,
  }
}
