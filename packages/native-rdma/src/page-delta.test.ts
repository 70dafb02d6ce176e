import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lz4Codecs, pageDeltas, seeded, stateLike, zstdCodecs } from '../test/implementations.ts'
import type { NativeErrorCode } from './index.ts'
import { applyPageDelta, encodePageDelta, PAGE_KIND_CODES, pageDeltaBackend, scanPages, TAGS_PER_PAGE, tagPages } from './index.ts'
import { tagPagesJs } from './page-tags.ts'

const PAGE_BYTES = 512
const { same, words, whole, zero } = PAGE_KIND_CODES

function code(expected: NativeErrorCode): object {
  return expect.objectContaining({ code: expected })
}

/** Old and new pages of every kind, and two pages more that the decoder holds, out of which something moved. */
function pair(pageBytes: number, next: () => number): { readonly now: Uint8Array; readonly old: Uint8Array } {
  const pages = 12
  const old = stateLike((pages + 2) * pageBytes, next)
  const now = old.slice(0, pages * pageBytes)
  old.fill(0, 5 * pageBytes, 6 * pageBytes)
  for (let left = 5; left > 0; left -= 1) now[pageBytes + (next() % pageBytes)] = next()
  for (let at = 2 * pageBytes; at < 3 * pageBytes; at += 1) now[at] = next()
  now.fill(0, 3 * pageBytes, 4 * pageBytes)
  now.set(old.subarray(pages * pageBytes + 16, (pages + 1) * pageBytes + 16), 4 * pageBytes)
  now.set(stateLike(pageBytes, next), 5 * pageBytes)
  return { now, old }
}

const ways = pageDeltas.flatMap((makes) => pageDeltas.map((reads) => ({ makes, reads, title: `${makes.name}, applied by ${reads.name}` })))

describe.each(ways)('page deltas made by $title', ({ makes, reads }) => {
  test('give back the new pages, whatever their length', async () => {
    for (const pageBytes of [64, 128, 448, 512, 576, 4096]) {
      for (const level of [-5, 0, 1, 3, 6]) {
        const { now, old } = pair(pageBytes, seeded(pageBytes + level))
        const delta = await makes.encode(now, old, pageBytes, level)
        const pages = old.slice()
        const kinds = await reads.apply(delta, pages, now.length / pageBytes, pageBytes)
        expect(Buffer.compare(pages.subarray(0, now.length), now)).toBe(0)
        expect(Buffer.compare(pages.subarray(now.length), old.subarray(now.length))).toBe(0)
        expect(kinds[2]).toBe(whole)
        expect(kinds[3]).toBe(old.subarray(3 * pageBytes, 4 * pageBytes).some((byte) => byte !== 0) ? zero : same)
        expect(kinds[11]).toBe(same)
      }
    }
  })

  test('give back any new pages', async () => {
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 600 })
    await fc.assert(
      fc.asyncProperty(bytes, bytes, fc.integer({ min: 1, max: 5 }), async (first, second, steps) => {
        const pageBytes = steps * 64
        const pages = Math.floor(Math.min(first.length, second.length) / pageBytes)
        const now = first.slice(0, pages * pageBytes)
        const old = second.slice(0, pages * pageBytes)
        await reads.apply(await makes.encode(now, old, pageBytes, 1), old, pages, pageBytes)
        expect(Buffer.compare(old, now)).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  test('hold changed words and pages as they are at level 0', async () => {
    const old = stateLike(4 * PAGE_BYTES, seeded(6))
    const now = old.slice()
    now.fill(7, 8, 24)
    const fresh = Uint8Array.from({ length: PAGE_BYTES }, (_, index) => index * 5 + 1)
    now.set(fresh, PAGE_BYTES)
    const delta = await makes.encode(now, old, PAGE_BYTES, 0)
    // Nothing named, one byte of kinds, one of summaries, one mark; the page; two words of the widest class, and of the others none.
    const length = fresh.length * 4
    const head = [0, 4, 9, 4, 1, 4, 6, (length & 0x7f) | 0x80, length >>> 7]
    const wordStreams = [8, 6, 6, ...new Uint8Array(8), 64, ...now.subarray(8, 24)]
    expect([...delta]).toEqual([...head, ...fresh, ...wordStreams])
  })

  test('give back words of every width', async () => {
    const old = new Uint8Array(4096).fill(0xee)
    const now = old.slice()
    const view = new DataView(now.buffer)
    for (let word = 0; word < 250; word += 1)
      view.setBigUint64(word * 16, (0xfedc_ba98_7654_3210n + BigInt(word)) >> BigInt((word % 9) * 8), true)
    const pages = old.slice()
    const kinds = await reads.apply(await makes.encode(now, old, 4096, 1), pages, 1, 4096)
    expect(Buffer.compare(pages, now)).toBe(0)
    expect(kinds[0]).toBe(words)
  })

  test('cost a few bytes for a changed word', async () => {
    const old = stateLike(64 * PAGE_BYTES, seeded(5))
    const now = old.slice()
    now[20 * PAGE_BYTES + 9] = (now[20 * PAGE_BYTES + 9] ?? 0) + 1
    const delta = await makes.encode(now, old, PAGE_BYTES, 3)
    expect(delta.length).toBeLessThan(48)
    const kinds = await reads.apply(delta, old, 64, PAGE_BYTES)
    expect([...kinds.keys()].filter((page) => kinds[page] !== same)).toEqual([20])
    expect(kinds[20]).toBe(words)
  })
})

describe.each(pageDeltas)('page deltas applied by $name', ({ apply }) => {
  const { now, old } = pair(PAGE_BYTES, seeded(77))

  async function refuses(delta: Uint8Array): Promise<'applied' | 'refused'> {
    const pages = old.slice()
    try {
      await apply(delta, pages, now.length / PAGE_BYTES, PAGE_BYTES)
      return 'applied'
    } catch (error) {
      if (!isDwcpError(error, 'ERR_NATIVE_CORRUPT')) throw error
      // Refused means untouched.
      expect(Buffer.compare(pages, old)).toBe(0)
      return 'refused'
    }
  }

  test.each(pageDeltas)('refuse one of $name that is cut at any offset, or longer', async ({ encode }) => {
    const delta = await encode(now, old, PAGE_BYTES, 3)
    for (let length = 0; length < delta.length; length += 1)
      expect([length, await refuses(delta.subarray(0, length))]).toEqual([length, 'refused'])
    expect(await refuses(Buffer.concat([delta, Buffer.alloc(1)]))).toBe('refused')
  })

  test.each(pageDeltas)('survive 3,000 mutants of one of $name', async ({ encode }) => {
    const delta = await encode(now, old, PAGE_BYTES, 3)
    const next = seeded(3)
    let refused = 0
    for (let count = 0; count < 3000; count += 1) {
      const mutant = delta.slice()
      for (let left = (next() % 3) + 1; left > 0; left -= 1) {
        const at = next() % 2 === 0 ? next() % Math.min(40, mutant.length) : next() % mutant.length
        mutant[at] = next() % 3 === 0 ? 0xff : (mutant[at] ?? 0) ^ (1 << (next() % 8))
      }
      if ((await refuses(mutant)) === 'refused') refused += 1
    }
    expect(refused).toBeGreaterThan(500)
  })

  test('refuse to name pages that are not there, twice, or in no order', async () => {
    for (const named of [[1, 14], [15], [2, 13, 0], [255, 255, 255, 255, 255, 255, 255, 255, 1], [2, 5, 255, 1]]) {
      expect(await refuses(Uint8Array.from([...named, ...new Uint8Array(20)]))).toBe('refused')
    }
  })

  test('refuse a summary that points past a mask', async () => {
    // One page of words, raw, whose mask has 8 bytes in pages of 512 and one in pages of 64.
    const delta = Uint8Array.of(0, 4, 0b01, 4, 0b10, 4, 0b1, 0, 4, 6, 0, 0, 0, 0, 0, 0, 0, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8)
    await expect(apply(delta, new Uint8Array(64), 1, 64)).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
    const pages = new Uint8Array(512)
    await apply(delta, pages, 1, 512)
    expect([...pages.subarray(64, 72)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  test('refuse a word of a class that is not there', async () => {
    const delta = Uint8Array.of(0, 4, 0b01, 4, 0b1, 4, 0b1, 0, 4, 7, ...new Uint8Array(9))
    await expect(apply(delta, new Uint8Array(64), 1, 64)).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
    const pages = new Uint8Array(64).fill(1)
    await apply(delta.with(9, 0), pages, 1, 64)
    expect([...pages.subarray(0, 9)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1])
  })

  test('decode what an encoder without zstd makes', async () => {
    const [lz4] = lz4Codecs
    expect(lz4).toBeDefined()
    expect(zstdCodecs.length).toBeGreaterThan(0)
    for (const makes of pageDeltas.filter(({ name }) => name.includes('LZ4'))) {
      const pages = old.slice()
      await apply(await makes.encode(now, old, PAGE_BYTES, 3), pages, now.length / PAGE_BYTES, PAGE_BYTES)
      expect(Buffer.compare(pages.subarray(0, now.length), now)).toBe(0)
    }
  })
})

test('content that moved out of any page of the old memory costs little by the native encoder', async () => {
  if (pageDeltaBackend().kind === 'js') return expect(pageDeltas.every(({ name }) => name.startsWith('js'))).toBe(true)
  const next = seeded(9)
  const old = Uint8Array.from({ length: 64 * 4096 }, () => next())
  const now = old.slice()
  // Moved by 24 bytes, across pages, as in a write-ahead log.
  now.copyWithin(40 * 4096, 3 * 4096 + 24, 7 * 4096 + 24)
  expect((await encodePageDelta(now, old, { pageBytes: 4096 })).length).toBeLessThan(400)
})

test('tags recognise content wherever it has moved, and are the same with and without the addon', () => {
  const next = seeded(12)
  const old = Uint8Array.from({ length: 8 * 4096 }, () => next())
  const moved = new Uint8Array(8 * 4096)
  moved.set(old.subarray(0, 7 * 4096), 24)
  const held = new Set(tagPages(old, 4096))
  const known = [...tagPages(moved, 4096)].filter((tag) => tag !== 0)
  expect(known.filter((tag) => held.has(tag)).length).toBeGreaterThan(known.length / 2)
  // Few anchors in short pages: all of them have a tag.
  const twin = new Uint32Array((old.length / 512) * TAGS_PER_PAGE)
  tagPagesJs(old, 512, twin)
  const byPage = (tags: Uint32Array): number[][] =>
    Array.from({ length: old.length / 512 }, (_, page) =>
      [...tags.subarray(page * TAGS_PER_PAGE, (page + 1) * TAGS_PER_PAGE)].toSorted((a, b) => a - b),
    )
  expect(byPage(tagPages(old, 512))).toEqual(byPage(twin))
  expect(tagPages(new Uint8Array(8192), 4096).every((tag) => tag === 0)).toBe(true)
  expect(() => tagPages(old, 100)).toThrow(RangeError)
})

test('a scan says of each page whether it is zero, equal, or neither', () => {
  const { now, old } = pair(PAGE_BYTES, seeded(4))
  const kinds = scanPages(now, old, PAGE_BYTES)
  for (const [page, kind] of kinds.entries()) {
    const bytes = now.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
    const isSame = Buffer.compare(bytes, old.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)) === 0
    expect(kind).toBe(bytes.every((byte) => byte === 0) ? zero : isSame ? same : words)
  }
})

test('lengths that are no whole pages, counts and levels that cannot be are range errors', async () => {
  const pages = new Uint8Array(1024)
  for (const pageBytes of [0, 32, 100, 1.5, 2 ** 31]) {
    expect(() => scanPages(pages, pages, pageBytes)).toThrow(RangeError)
    await expect(encodePageDelta(pages, pages, { pageBytes })).rejects.toThrow(RangeError)
  }
  await expect(encodePageDelta(pages, pages.subarray(512), { pageBytes: 512 })).rejects.toThrow(RangeError)
  await expect(encodePageDelta(pages.subarray(1), pages, { pageBytes: 64 })).rejects.toThrow(RangeError)
  await expect(encodePageDelta(pages, pages, { pageBytes: 64, level: 23 })).rejects.toThrow(RangeError)
  await expect(applyPageDelta(pages, pages, { pageBytes: 64, count: 17 })).rejects.toThrow(RangeError)
  await expect(applyPageDelta(pages, pages, { pageBytes: 64, count: -1 })).rejects.toThrow(RangeError)
})
