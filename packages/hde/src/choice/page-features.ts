import { TAGS_PER_PAGE, type tagPages } from '@dwcp/native-rdma/codec'

/** Pages that are looked at, at most; of more the first ones. */
const SAMPLE_PAGES = 16
const LEAST_SAMPLE_PAGES = 3
/** Of the bytes that are to be packed, looked at in this part of their pages. */
const SAMPLE_PART = 32
const SAMPLED_PAGE_BYTES = 4096
/** Looking at a page takes about this long, with what is gathered for it. */
const SAMPLE_PAGE_MS = 0.004
/** A sample takes no more than this part of what the region does: on links of 1.25 GB/s samples lost 1 % at a tenth, 0.05 % at this. */
const SAMPLE_TIME_PART = 30
/** Of each page a run of this many bytes, in turn from its beginning to its end; all its pieces that may have moved. */
const RUN_BYTES = 512
const RUN_UNITS = RUN_BYTES / 4
/** Prime to the number of places, so that all have their turn. */
const RUN_STRIDE = 3
const TABLE_SHIFT = 20
const TABLE_SLOTS = 2 ** (32 - TABLE_SHIFT)
const HASH_FACTOR = 2654435761
/** What a share of nothing counts as, where its logarithm is taken: less is not told apart by a sample. */
const LEAST_SHARE = 1 / 128

/** How many pages of a region to look at, 0 where it is over too soon: links that outrun codecs are served without. */
export function pagesWorthSampling(payloadBytes: number, roughMs: number): number {
  const wanted = Math.floor(payloadBytes / SAMPLED_PAGE_BYTES / SAMPLE_PART)
  const pages = Math.max(LEAST_SAMPLE_PAGES, Math.min(SAMPLE_PAGES, wanted))
  return pages * SAMPLE_PAGE_MS * SAMPLE_TIME_PART <= roughMs ? pages : 0
}

/**
 * What {@link PageSampler.of} gives, in order: a model is trained on these and on no others. Those that compare with old content are of
 * the pages that have any.
 *
 * @public
 */
export const PAGE_FEATURES = [
  'payload, log2 KiB',
  'entropy, bits a byte',
  'entropy of changed words, bits a byte',
  'units seen before, at multiples of 4',
  'units seen before, between',
  'zero units',
  'upper halves like the one before',
  'words to send, log2 of their share',
  'whole pages among them',
  'tags not in the old page, log2 of their share',
  'pages with old content',
] as const

/**
 * Which of {@link PAGE_FEATURES} is the share of pages that the other side has an earlier version of.
 *
 * @public
 */
export const OLD_PAGES_FEATURE: number = PAGE_FEATURES.indexOf('pages with old content')

/**
 * Some of the pages that changed, at even distances, and what there is of each.
 *
 * @public
 */
export interface PagesSample {
  /** One after the other. */
  readonly pages: Uint8Array
  /** What the other side has of each; zeros where that is nothing. As long as `pages`. */
  readonly old: Uint8Array
  readonly pageBytes: number
  /** Of all pages that changed. */
  readonly payloadBytes: number
}

/** Looks at a few thousand bytes of what may be megabytes. One for each encoder: its tables are used again. */
export class PageSampler {
  readonly #tagPages: typeof tagPages
  readonly #now = new Uint8Array(SAMPLE_PAGES * RUN_BYTES + 4)
  readonly #old = new Uint8Array(SAMPLE_PAGES * RUN_BYTES)
  readonly #nowUnits = new Uint32Array(this.#now.buffer)
  readonly #oldUnits = new Uint32Array(this.#old.buffer)
  readonly #view = new DataView(this.#now.buffer)
  readonly #seen = new Uint32Array(TABLE_SLOTS)
  readonly #counts = new Uint32Array(256)
  readonly #changedCounts = new Uint32Array(256)

  constructor(tags: typeof tagPages) {
    this.#tagPages = tags
  }

  /** @returns one number for each of {@link PAGE_FEATURES}. */
  of(sample: PagesSample): Float64Array {
    const { runs, held } = this.#gather(sample)
    const { units, zeros, aligned, between, uppers } = this.#repeats(runs)
    const { content, whole } = held > 0 ? this.#changes(runs) : { content: 1, whole: 1 }
    return Float64Array.of(
      Math.log2(Math.max(1, sample.payloadBytes / 1024)),
      entropyOf(this.#counts),
      entropyOf(held > 0 ? this.#changedCounts : this.#counts),
      share(aligned, units - zeros),
      share(between, units - zeros),
      share(zeros, units),
      share(uppers, units / 2),
      Math.log2(content + LEAST_SHARE),
      whole,
      Math.log2((held > 0 ? this.#freshShare(sample) : 1) + LEAST_SHARE),
      share(held, runs),
    )
  }

  #gather({ pages, old, pageBytes }: PagesSample): { readonly runs: number; readonly held: number } {
    const runs = Math.min(SAMPLE_PAGES, Math.floor(pages.length / Math.max(pageBytes, RUN_BYTES)))
    const places = Math.max(1, Math.floor(pageBytes / RUN_BYTES))
    let held = 0
    for (let run = 0; run < runs; run += 1) {
      const from = run * Math.max(pageBytes, RUN_BYTES) + ((run * RUN_STRIDE) % places) * RUN_BYTES
      this.#now.set(pages.subarray(from, from + RUN_BYTES), run * RUN_BYTES)
      this.#old.set(old.subarray(from, from + RUN_BYTES), run * RUN_BYTES)
      if (this.#hasOld(run)) held += 1
    }
    this.#nowUnits[runs * RUN_UNITS] = 0
    return { runs, held }
  }

  #hasOld(run: number): boolean {
    return this.#oldUnits.subarray(run * RUN_UNITS, (run + 1) * RUN_UNITS).some((unit) => unit !== 0)
  }

  #repeats(runs: number): Readonly<Record<'units' | 'zeros' | 'aligned' | 'between' | 'uppers', number>> {
    const units = runs * RUN_UNITS
    const [now, seen, counts] = [this.#nowUnits, this.#seen.fill(0), this.#counts.fill(0)]
    let [zeros, aligned, between, uppers] = [0, 0, 0, 0]
    for (let at = 0; at < units; at += 1) {
      const unit = now[at] ?? 0
      count(counts, unit)
      if ((at & 1) === 1 && at > 1 && unit === now[at - 2]) uppers += 1
      if (unit === 0) {
        zeros += 1
        continue
      }
      const slot = Math.imul(unit, HASH_FACTOR) >>> TABLE_SHIFT
      if (seen[slot] === unit) aligned += 1
      seen[slot] = unit
      // Text repeats at any distance: one of the three places between two units, in turn.
      const crooked = this.#view.getUint32(at * 4 + 1 + (at % 3), true)
      if (seen[Math.imul(crooked, HASH_FACTOR) >>> TABLE_SHIFT] === crooked) between += 1
    }
    return { units, zeros, aligned, between, uppers }
  }

  /** Which share of the words a page delta holds, and which share of these in pages that it holds whole. */
  #changes(runs: number): { readonly content: number; readonly whole: number } {
    const [now, old, counts] = [this.#nowUnits, this.#oldUnits, this.#changedCounts.fill(0)]
    let [listed, whole, held] = [0, 0, 0]
    for (let run = 0; run < runs; run += 1) {
      if (!this.#hasOld(run)) continue
      held += 1
      let changed = 0
      for (let at = run * RUN_UNITS; at < (run + 1) * RUN_UNITS; at += 2) {
        if (now[at] === old[at] && now[at + 1] === old[at + 1]) continue
        changed += 1
        count(counts, now[at] ?? 0)
        count(counts, now[at + 1] ?? 0)
      }
      if (changed * 4 > RUN_UNITS) whole += RUN_UNITS / 2
      else listed += changed
    }
    return { content: share(listed + whole, (held * RUN_UNITS) / 2), whole: share(whole, listed + whole) }
  }

  /** Which share of the pieces that may have moved is not in the page's own old content. */
  #freshShare({ pages, old, pageBytes }: PagesSample): number {
    const bytes = Math.min(pages.length, SAMPLE_PAGES * pageBytes)
    const now = this.#tagPages(pages.subarray(0, bytes), pageBytes)
    const before = this.#tagPages(old.subarray(0, bytes), pageBytes)
    let [tags, fresh] = [0, 0]
    for (let first = 0; first < now.length; first += TAGS_PER_PAGE) {
      const known = before.subarray(first, first + TAGS_PER_PAGE)
      if (!this.#hasOld(first / TAGS_PER_PAGE)) continue
      for (let at = first; at < first + TAGS_PER_PAGE && now[at] !== 0; at += 1) {
        tags += 1
        if (!known.includes(now[at] ?? 0)) fresh += 1
      }
    }
    return share(fresh, tags)
  }
}

/** The first and the third byte: half of them tell as much as all. */
function count(counts: Uint32Array, unit: number): void {
  counts[unit & 0xff] = (counts[unit & 0xff] ?? 0) + 1
  counts[(unit >>> 16) & 0xff] = (counts[(unit >>> 16) & 0xff] ?? 0) + 1
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0
}

function entropyOf(counts: Uint32Array): number {
  const total = counts.reduce((sum, times) => sum + times, 0)
  let bits = 0
  for (const times of counts) if (times > 0) bits -= (times / total) * Math.log2(times / total)
  return bits
}
