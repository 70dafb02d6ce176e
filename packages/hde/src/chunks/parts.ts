import { type DeltaBase, joinedBase } from '../delta/base.js'
import { pastLimit } from '../errors.js'
import type { HeldChunk } from '../store/catalog.js'
import { chunkedBase } from '../store/stored-base.js'
import { contextOf, type Span } from './spans.js'

/** Stretches of an object: what is held of it, as chunks or as a place in a former version, or nothing where it is missing. */
export type Part<Place> = readonly HeldChunk<Place>[] | DeltaBase | undefined

export type ReadChunks<Place> = (chunks: readonly HeldChunk<Place>[]) => Promise<readonly Uint8Array[]>

/** Bytes of a held stretch that are given out at once. */
const PART_BYTES = 1 << 20

export function partBytes<Place>(part: Part<Place>): number {
  if (part === undefined) return 0
  return 'read' in part ? part.lengthBytes : part.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
}

/** What is held before, between and behind what is missing; at the ends it may be nothing. Each is made when it is needed. */
export class Gaps<Place> {
  readonly #parts: readonly Part<Place>[]
  readonly #read: ReadChunks<Place>
  /** The missing parts' places. */
  readonly #missing: Uint32Array

  constructor(parts: readonly Part<Place>[], read: ReadChunks<Place>) {
    this.#parts = parts
    this.#read = read
    let count = 0
    for (const part of parts) count += part === undefined ? 1 : 0
    this.#missing = new Uint32Array(count)
    for (let index = parts.length - 1; index >= 0; index -= 1) if (parts[index] === undefined) this.#missing[--count] = index
  }

  /** One more than what is missing. */
  get count(): number {
    return this.#missing.length + 1
  }

  at(gap: number): DeltaBase {
    const first = gap === 0 ? 0 : (this.#missing[gap - 1] ?? 0) + 1
    const bases: DeltaBase[] = []
    // Chunks that follow one another are read together.
    let chunks: HeldChunk<Place>[] = []
    const flush = (): void => {
      if (chunks.length > 0) bases.push(chunkedBase(chunks, this.#read, nothing))
      chunks = []
    }
    for (let index = first; index < (this.#missing[gap] ?? this.#parts.length); index += 1) {
      const part = this.#parts[index]
      if (part === undefined) continue
      if ('read' in part) {
        flush()
        bases.push(part)
      } else for (const chunk of part) chunks.push(chunk)
    }
    flush()
    return joinedBase(bases)
  }
}

export async function* bytesOf(gap: DeltaBase | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  if (gap === undefined) return
  for (let at = 0; at < gap.lengthBytes; at += PART_BYTES) yield await gap.read(at, Math.min(PART_BYTES, gap.lengthBytes - at))
}

/** The bytes that a group was compressed with, which are those of {@link contextOf}; `before` and `after` are what is held around it. */
export async function bytesAround(
  lengths: readonly number[],
  before: DeltaBase | undefined,
  after: readonly (DeltaBase | undefined)[],
  mostBytes: number,
): Promise<Uint8Array> {
  const group: Span[] = []
  const starts: { readonly offset: number; readonly base: DeltaBase }[] = []
  let at = before?.lengthBytes ?? 0
  if (before !== undefined) starts.push({ offset: 0, base: before })
  for (const [index, lengthBytes] of lengths.entries()) {
    group.push({ offset: at, lengthBytes })
    at += lengthBytes
    const base = after[index]
    if (base !== undefined) starts.push({ offset: at, base })
    at += base?.lengthBytes ?? 0
  }
  const context = contextOf(
    group,
    before?.lengthBytes ?? 0,
    after.map((base) => base?.lengthBytes ?? 0),
  )
  const contextBytes = context.reduce((sum, span) => sum + span.lengthBytes, 0)
  if (contextBytes > mostBytes) throw pastLimit('what is held around a group', contextBytes, mostBytes, 'raise limits.groupBytes')
  const bytes: Uint8Array[] = []
  let next = 0
  for (const { offset, lengthBytes } of context) {
    while (next + 1 < starts.length && (starts[next + 1]?.offset ?? 0) <= offset) next += 1
    const held = starts[next]
    if (held !== undefined) bytes.push(await held.base.read(offset - held.offset, lengthBytes))
  }
  return Buffer.concat(bytes)
}

/** Disposed with the store's hold on the chunks, not by itself. */
export function sliceOf(base: DeltaBase, from: number, lengthBytes: number): DeltaBase {
  return {
    lengthBytes,
    read: (offset, length) => base.read(from + offset, length),
    [Symbol.asyncDispose]: async () => nothing(),
  }
}

function nothing(): void {}
