import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { layOut } from './layout.js'
import { type PagesHead, readPagesHead, writePagesHead } from './pages-frame.js'

const MAX_PAGES = 5000
const layout = layOut([
  { pageBytes: 4096, lengthBytes: 4096, maxLengthBytes: 4096 * 100 },
  { pageBytes: 4096, lengthBytes: 4096, maxLengthBytes: 4096 * MAX_PAGES },
])
const BOUNDS = { endNumber: 100 + MAX_PAGES, chunkBytes: 1 << 20 }

const head = fc
  .uniqueArray(fc.tuple(fc.nat(MAX_PAGES - 1), fc.nat(4), fc.nat(MAX_PAGES + 99)), {
    selector: ([page]) => page,
    minLength: 1,
    maxLength: 256,
  })
  .map((entries): PagesHead => {
    const sorted = entries.toSorted(([a], [b]) => a - b)
    const outcomes = Uint8Array.from(sorted, ([, outcome]) => outcome)
    const changed = sorted.filter(([, outcome]) => outcome >= 3)
    const method = changed.length === 0 ? 0 : (sorted.length % 3) + 1
    return {
      region: 1,
      pages: Uint32Array.from(sorted, ([page]) => page),
      outcomes,
      references: Uint32Array.from(sorted.filter(([, outcome]) => outcome === 2).map(([, , reference]) => reference)),
      method,
      sources: Uint32Array.from(method === 3 ? changed.slice(0, sorted.length % 7) : [], ([, , source]) => source),
    }
  })

function written(value: PagesHead): Uint8Array {
  const writer = new ByteWriter()
  writePagesHead(writer, value)
  return writer.view()
}

test('reads back every list of pages, outcomes and references', () => {
  fc.assert(
    fc.property(head, (value) => {
      expect(readPagesHead(new ByteReader(written(value), 0), layout, BOUNDS)).toEqual(value)
    }),
  )
})

test('a full batch of neighbours takes a handful of bytes', () => {
  const pages = Uint32Array.from({ length: 256 }, (_, index) => 1000 + index)
  const bytes = written({
    region: 1,
    pages,
    outcomes: new Uint8Array(256),
    references: new Uint32Array(0),
    method: 0,
    sources: new Uint32Array(0),
  })
  expect(bytes.length).toBeLessThan(12)
})

test('random bytes are refused with a typed error or describe pages within all bounds', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        const { region, pages, outcomes, references, sources } = readPagesHead(new ByteReader(bytes, 0), layout, BOUNDS)
        expect(pages.length).toBeLessThanOrEqual(256)
        expect(outcomes).toHaveLength(pages.length)
        expect(pages.every((page) => page < (layout[region]?.maxPages ?? 0))).toBe(true)
        expect(sources.length).toBeLessThanOrEqual(pages.length)
        expect(references.every((reference) => reference < MAX_PAGES + 100)).toBe(true)
      } catch (error) {
        if (!isDwcpError(error, 'ERR_HDE_CORRUPT') && !isDwcpError(error, 'ERR_HDE_LIMIT')) throw error
      }
    }),
    { numRuns: 20_000 },
  )
})

test('takes as many pages as the limit allows and not one more', () => {
  const pagesHead = (count: number): Uint8Array =>
    written({
      region: 1,
      pages: Uint32Array.from({ length: count }, (_, page) => page),
      outcomes: new Uint8Array(count),
      references: new Uint32Array(0),
      method: 0,
      sources: new Uint32Array(0),
    })
  expect(readPagesHead(new ByteReader(pagesHead(256), 0), layout, BOUNDS).pages).toHaveLength(256)
  expect(() => readPagesHead(new ByteReader(pagesHead(257), 0), layout, BOUNDS)).toThrow(/limits\.chunkBytes/)
})
