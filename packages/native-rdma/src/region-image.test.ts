import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RegionImage } from './region-image.js'

const PAGE_BYTES = 512
const MAX_PAGES = 300

const step = fc.record({
  image: fc.nat(3),
  page: fc.nat(MAX_PAGES - 1),
  action: fc.constantFrom('write' as const, 'zero' as const, 'fork' as const),
  fill: fc.nat(255),
})

test('behaves as independent flat memories, however images fork and write', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const models = [
        { image: new RegionImage(PAGE_BYTES, MAX_PAGES), memory: Buffer.alloc(PAGE_BYTES * MAX_PAGES), held: new Set<number>() },
      ]
      for (const { image, page, action, fill } of steps) {
        const model = models[image % models.length]
        if (model === undefined) continue
        if (action === 'fork') {
          if (models.length === 4) continue
          const fork = new RegionImage(PAGE_BYTES, MAX_PAGES, model.image)
          models.push({ image: fork, memory: Buffer.from(model.memory), held: new Set(model.held) })
          continue
        }
        model.held.add(page)
        const content = Buffer.alloc(PAGE_BYTES, action === 'zero' ? 0 : fill)
        content.copy(model.memory, page * PAGE_BYTES)
        if (action === 'zero') model.image.writeZeros(page)
        else model.image.write(page, content, 0)
      }
      for (const { image, memory, held } of models) {
        const read = Buffer.alloc(memory.length)
        for (let page = 0; page < MAX_PAGES; page += 1) {
          image.read(page, read, page * PAGE_BYTES)
          expect(image.holds(page)).toBe(held.has(page))
          if (image.hasContent(page)) expect(image.equals(page, memory, page * PAGE_BYTES)).toBe(true)
        }
        expect(read.equals(memory)).toBe(true)
        expect(image.endPage).toBe(Math.max(0, ...[...held].map((page) => page + 1)))
      }
    }),
  )
})

test('zero pages cost no memory', () => {
  const image = new RegionImage(4096, 1 << 20)
  for (let page = 0; page < 10_000; page += 1) image.writeZeros(page)
  expect(image.segmentsBytes).toBe(0)
  expect(image.holds(9_999)).toBe(true)
  expect(image.holds(10_000)).toBe(false)
})

test('holds pages larger than a segment', () => {
  const image = new RegionImage(1 << 20, 4)
  image.write(3, Buffer.alloc(1 << 20, 5), 0)
  expect(image.equals(3, Buffer.alloc(1 << 20, 5), 0)).toBe(true)
  expect(image.segmentsBytes).toBe(1 << 20)
})
