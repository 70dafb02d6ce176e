import { setImmediate } from 'node:timers/promises'
import type { Digest } from '@dwcp/interface'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { bytesBase, type DeltaBase, joinedBase } from '../delta/base.js'
import { corrupt, foreignVersion, pastLimit } from '../errors.js'

/**
 * Which pages of an object: numbers that ascend, of pages of one length; the object's last page may be shorter.
 *
 * @public
 */
export interface PageNumbers {
  readonly pages: Uint32Array
  /** A power of two, 64 to 2 MiB. */
  readonly pageBytes: number
  /** Of the whole object. */
  readonly lengthBytes: number
}

/**
 * Pages of an object, such as those of a disk or a memory that were written to.
 *
 * @public
 */
export interface PageSet extends PageNumbers {
  /** Of the pages, one behind the other. */
  readonly bytes: Uint8Array
}

interface PagesHead extends PageNumbers {
  readonly hasBase: boolean
  /** What a decoder finds the base by, where it keeps it in a store. */
  readonly baseline: Digest | undefined
}

const VERSION = 1
const FLAGS = { base: 1 } as const
const LEAST_PAGE_BYTES = 64
const MOST_PAGE_BYTES = 2 << 20

/** Page numbers as runs: how many are left out, and how many follow one another, less one. */
export function writePagesHead({ pages, pageBytes, lengthBytes, hasBase, baseline }: PagesHead): Uint8Array {
  const writer = new ByteWriter()
  writer.byte(VERSION)
  writer.byte(hasBase ? FLAGS.base : 0)
  writer.text(baseline ?? '')
  writer.varint(pageBytes)
  writer.varint(lengthBytes)
  writer.varint(pages.length)
  let next = 0
  for (const [first, count] of runsOf(pages)) {
    writer.varint(first - next)
    writer.varint(count - 1)
    next = first + count
  }
  return new Uint8Array(writer.view())
}

/** @throws `ERR_HDE_LIMIT` for more than `mostPages`, before there is a list of them. */
export function readPagesHead(head: Uint8Array, mostPages: number): PagesHead {
  const reader = new ByteReader(head, 0)
  const version = reader.byte()
  if (version !== VERSION) throw foreignVersion('a stream of pages', version, VERSION)
  const flags = reader.byte()
  const baseline = reader.digest()
  if (flags > FLAGS.base || (baseline !== undefined && flags !== FLAGS.base)) throw corrupt(`pages with flags ${flags}`)
  const pageBytes = reader.varint()
  if (!isPageLength(pageBytes)) throw corrupt(`pages of ${pageBytes} bytes`)
  const lengthBytes = reader.varint()
  const count = reader.varint()
  if (count > mostPages) throw pastLimit('the pages of a set', count, mostPages, 'send fewer at once, or raise limits.pages')
  const end = endPage(lengthBytes, pageBytes)
  const pages = new Uint32Array(count)
  let page = 0
  for (let index = 0; index < count; ) {
    page += reader.varint()
    const run = reader.varint() + 1
    if (run > count - index || page + run > end) throw corrupt('pages that are not there')
    for (const last = index + run; index < last; index += 1) pages[index] = page++
  }
  reader.end()
  return { pages, pageBytes, lengthBytes, hasBase: flags === FLAGS.base, baseline }
}

/** Bytes of pages `first` to `first + count` of the list. */
export function pagesLength({ pages, pageBytes, lengthBytes }: PageNumbers, first: number, count: number): number {
  const last = pages[first + count - 1]
  if (count === 0 || last === undefined) return 0
  return (count - 1) * pageBytes + Math.min(pageBytes, lengthBytes - last * pageBytes)
}

/** @throws `RangeError` for what would not come out as it went in. */
export function checkPageSet(set: PageSet): void {
  const { pages, pageBytes, lengthBytes, bytes } = set
  if (!isPageLength(pageBytes)) throw new RangeError(`pages of ${pageBytes} bytes: it must be a power of two from 64 to 2 MiB`)
  if (!(Number.isSafeInteger(lengthBytes) && lengthBytes >= 0)) throw new RangeError(`pages of an object of ${lengthBytes} bytes`)
  const end = endPage(lengthBytes, pageBytes)
  let last = -1
  for (const page of pages) {
    if (page <= last || page >= end) throw new RangeError(`page ${page} after ${last} of ${end}: not ascending, or not there`)
    last = page
  }
  const wanted = pagesLength(set, 0, pages.length)
  if (bytes.length !== wanted) throw new RangeError(`${bytes.length} bytes for ${pages.length} pages, which are ${wanted}`)
}

/**
 * What the stream of the pages' bytes builds on: what the base has at them, as far as it reaches, then the digest of their head. So a
 * stream never decodes behind the head of another one.
 */
export function formerPages(base: DeltaBase | undefined, numbers: PageNumbers, headHash: Uint8Array): DeltaBase {
  const head = bytesBase(headHash)
  return base === undefined ? head : joinedBase([pagesOf(base, numbers), head])
}

/** Of a base, read at once: pages with less than a gap between them cost one read. */
const SPAN_BYTES = 1 << 20
const GAP_BYTES = 4096
/** Reads of a base in memory take no turn of the loop of their own. */
const TURN_READS = 256

/** The pages of a base as they follow one another in a set. Lent: whoever opened the base closes it. */
function pagesOf(base: DeltaBase, { pages, pageBytes, lengthBytes }: PageNumbers): DeltaBase {
  const heldBytes = Math.min(base.lengthBytes, lengthBytes)
  const startOf = (index: number): number => (pages[index] ?? Number.POSITIVE_INFINITY) * pageBytes
  let count = pages.length
  while (count > 0 && startOf(count - 1) >= heldBytes) count -= 1
  return {
    lengthBytes: pagesLength({ pages, pageBytes, lengthBytes: heldBytes }, 0, count),
    async read(offset, length) {
      const joined = new Uint8Array(length)
      const end = offset + length
      let reads = 0
      for (let first = Math.floor(offset / pageBytes); first * pageBytes < end; ) {
        const from = startOf(first)
        let next = first + 1
        while (next * pageBytes < end && startOf(next) - startOf(next - 1) <= pageBytes + GAP_BYTES && startOf(next) - from < SPAN_BYTES)
          next += 1
        const bytes = await base.read(from, Math.min(startOf(next - 1) + pageBytes, heldBytes) - from)
        for (let index = first; index < next; index += 1) {
          const [low, high] = [Math.max(index * pageBytes, offset), Math.min((index + 1) * pageBytes, end)]
          const shift = startOf(index) - from - index * pageBytes
          joined.set(bytes.subarray(low + shift, high + shift), low - offset)
        }
        first = next
        reads += 1
        if (reads % TURN_READS === 0) await setImmediate()
      }
      return joined
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function* runsOf(pages: Uint32Array): Generator<readonly [first: number, count: number], void, undefined> {
  for (let at = 0; at < pages.length; ) {
    const first = pages[at] ?? 0
    let count = 1
    while (pages[at + count] === first + count) count += 1
    yield [first, count]
    at += count
  }
}

function isPageLength(pageBytes: number): boolean {
  return pageBytes >= LEAST_PAGE_BYTES && pageBytes <= MOST_PAGE_BYTES && Number.isInteger(Math.log2(pageBytes))
}

/** One behind the last page whose number has 32 bits. */
function endPage(lengthBytes: number, pageBytes: number): number {
  return Math.min(2 ** 32, Math.ceil(lengthBytes / pageBytes))
}
