import { cutChunks } from '@dwcp/native-rdma/chunk'
import type { DeltaBase } from '../delta/base.js'
import type { HeldChunk, HeldObject } from '../store/catalog.js'
import type { ChunkedStore } from '../store/chunked-store.js'
import { chunkedBase } from '../store/stored-base.js'
import { keysOf } from './cut.js'
import { PIECE_SIZES } from './modes.js'

/** Objects that are looked into. */
const MOST_OBJECTS = 2
const READ_BYTES = 8 << 20

/** Objects that share chunks with what was found, those that share most first; else the newest of the name. */
export function relatedTo<Place>(
  store: ChunkedStore<Place>,
  found: ReadonlySet<HeldChunk<Place>>,
  name: string | undefined,
): readonly HeldObject<Place>[] {
  const shared = [...store.catalog.objects()].map((object) => ({
    object,
    count: object.chunks.reduce((sum, chunk) => sum + (found.has(chunk) ? 1 : 0), 0),
  }))
  const sharing = shared.filter(({ count }) => count > 0).sort((one, other) => other.count - one.count)
  const named = shared.filter(({ object }) => name !== undefined && object.name === name).toReversed()
  return [...new Set([...sharing, ...named].map(({ object }) => object))].slice(0, MOST_OBJECTS)
}

/** Where pieces are, by tag: in those parts of former versions that the new one does not have as chunks. */
export async function pieceIndex<Place>(
  store: ChunkedStore<Place>,
  objects: readonly HeldObject<Place>[],
  found: ReadonlySet<HeldChunk<Place>>,
  tagBytes: number,
  mostBytes: number,
): Promise<ReadonlyMap<string, { readonly base: DeltaBase; readonly offset: number; readonly lengthBytes: number }>> {
  const index = new Map<string, { readonly base: DeltaBase; readonly offset: number; readonly lengthBytes: number }>()
  let left = mostBytes
  for (const chunks of objects.flatMap((object) => stretches(object.chunks, found))) {
    const base = chunkedBase(
      chunks,
      (wanted) => store.read(wanted),
      () => undefined,
    )
    const end = Math.min(base.lengthBytes, left)
    left -= end
    for (let at = 0; at < end; ) {
      const bytes = await base.read(at, Math.min(READ_BYTES, end - at))
      const list = await cutChunks(bytes, { ...PIECE_SIZES, digest: 'xxh3-128', isLast: at + bytes.length === end })
      let piece = 0
      for (const key of keysOf({ bytes, ...list }, 'xxh3-128')) {
        const lengthBytes = list.lengths[piece] ?? 0
        index.set(key.slice(0, tagBytes), { base, offset: at, lengthBytes })
        at += lengthBytes
        piece += 1
      }
    }
  }
  return index
}

/** Chunks that follow one another and were not found. */
function stretches<Place>(chunks: readonly HeldChunk<Place>[], found: ReadonlySet<HeldChunk<Place>>): readonly HeldChunk<Place>[][] {
  const all: HeldChunk<Place>[][] = []
  let current: HeldChunk<Place>[] | undefined
  for (const chunk of chunks) {
    if (found.has(chunk)) current = undefined
    else if (current === undefined) all.push((current = [chunk]))
    else current.push(chunk)
  }
  return all
}
