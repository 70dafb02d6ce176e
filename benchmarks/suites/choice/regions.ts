import { type PagesSample, pagesWorthSampling } from '@dwcp/hde/choice'
import { PAGE_KIND_CODES, scanPages, TAGS_PER_PAGE, tagPages } from '@dwcp/native-rdma/codec'

export const PAGE_BYTES = 4096

/** The changed pages of one batch, and what the other side has that helps: what a page encoder packs in one go. */
export interface Region {
  /** Where it comes from: a model is judged by regions of groups that it was not trained on. */
  readonly group: string
  readonly pages: Uint8Array
  /**
   * The old content of the pages in the same order, zeros where there is none, then further pages; empty where the other side has
   * nothing that helps.
   */
  readonly old: Uint8Array
}

export interface RegionOptions {
  readonly group: string
  /** Most pages of a region: batches of each of these in turn. */
  readonly sizes: readonly number[]
  /** At most as many regions, at even distances. */
  readonly most: number
}

/** Regions of what changed from `before` to `after`, or of a first copy of `after`; zero pages are left out, as encoders leave them out. */
export function regionsOf(after: Uint8Array, before: Uint8Array | undefined, { group, sizes, most }: RegionOptions): readonly Region[] {
  const lengthBytes = Math.floor(after.length / PAGE_BYTES) * PAGE_BYTES
  const now = after.subarray(0, lengthBytes)
  const old = new Uint8Array(lengthBytes)
  if (before !== undefined) old.set(before.subarray(0, Math.min(before.length, lengthBytes)))
  const kinds = scanPages(now, old, PAGE_BYTES)
  const changed = [...kinds.keys()].filter((page) => kinds[page] === PAGE_KIND_CODES.words)
  const places = placesOf(before === undefined ? now : old)
  const batches = [...inBatches(changed, sizes)]
  const step = Math.max(1, batches.length / most)
  return Array.from({ length: Math.min(most, batches.length) }, (_, index) => {
    const pages = batches[Math.floor(index * step)] ?? []
    const sources = sourcesOf(pages, now, old, places)
    if (before !== undefined) return { group, pages: gathered(now, pages), old: gathered(old, [...pages, ...sources]) }
    // Of a first copy the other side has what went before.
    const [first = 0] = pages
    const sent = sources.filter((page) => page < first)
    const known = Buffer.concat([new Uint8Array(pages.length * PAGE_BYTES), gathered(now, sent)])
    return { group, pages: gathered(now, pages), old: sent.length === 0 ? new Uint8Array() : known }
  })
}

/** What an encoder looks at before it chooses. */
export function sampleOf({ pages, old }: Region): PagesSample {
  const count = pages.length / PAGE_BYTES
  const taken = Math.min(count, pagesWorthSampling(pages.length, Number.POSITIVE_INFINITY))
  const chosen = Array.from({ length: taken }, (_, index) => Math.floor((index * (count - 1)) / Math.max(1, taken - 1)))
  const before = old.length > 0 ? gathered(old, chosen) : new Uint8Array(taken * PAGE_BYTES)
  return { pages: gathered(pages, chosen), old: before, pageBytes: PAGE_BYTES, payloadBytes: pages.length }
}

function* inBatches(pages: readonly number[], sizes: readonly number[]): Generator<readonly number[]> {
  let [at, turn] = [0, 0]
  while (at < pages.length) {
    const count = sizes[turn % sizes.length] ?? 1
    yield pages.slice(at, at + count)
    at += count
    turn += 1
  }
}

/** The first page that has each tag. */
function placesOf(memory: Uint8Array): Map<number, number> {
  const places = new Map<number, number>()
  for (const [at, tag] of tagPages(memory, PAGE_BYTES).entries())
    if (tag !== 0 && !places.has(tag)) places.set(tag, Math.floor(at / TAGS_PER_PAGE))
  return places
}

/** The pages that pieces of mostly new pages are found in, as packages/hde finds them. */
function sourcesOf(pages: readonly number[], now: Uint8Array, old: Uint8Array, places: ReadonlyMap<number, number>): readonly number[] {
  const own = new Set(pages)
  const sources = new Set<number>()
  const tags = tagPages(gathered(now, pages), PAGE_BYTES)
  const oldTags = tagPages(gathered(old, pages), PAGE_BYTES)
  for (const index of pages.keys()) {
    const of = (all: Uint32Array): Uint32Array =>
      all.subarray(index * TAGS_PER_PAGE, (index + 1) * TAGS_PER_PAGE).filter((tag) => tag !== 0)
    const before = of(oldTags)
    const fresh = of(tags).filter((tag) => !before.includes(tag))
    if (fresh.length * 2 <= of(tags).length) continue
    for (const tag of fresh) {
      const source = places.get(tag)
      if (source !== undefined && !own.has(source)) sources.add(source)
    }
  }
  return [...sources].slice(0, pages.length).toSorted((a, b) => a - b)
}

function gathered(memory: Uint8Array, pages: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(pages.length * PAGE_BYTES)
  for (const [index, page] of pages.entries()) bytes.set(memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), index * PAGE_BYTES)
  return bytes
}
