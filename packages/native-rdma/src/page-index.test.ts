import { expect, test } from 'vitest'
import { PageIndex } from './page-index.js'

const tagOf = (page: number): number => Math.imul(page + 1, 0x9e3779b1) >>> 0

test('finds nearly every page that was inserted, and only with its own tag', () => {
  const index = new PageIndex(100_000)
  for (let page = 0; page < 100_000; page += 1) index.insert(tagOf(page), page, page + 1)
  let found = 0
  for (let page = 0; page < 100_000; page += 1) if (index.find(tagOf(page)) === page) found += 1
  expect(found).toBeGreaterThan(95_000)
  expect(index.find(tagOf(100_001))).toBeUndefined()
})

test('never grows past two slots a page, however often pages change', () => {
  const index = new PageIndex(1000)
  for (let write = 0; write < 100_000; write += 1) index.insert(tagOf(write), write % 1000, 1000)
  expect(index.lengthBytes).toBeLessThanOrEqual(2048 * 8)
})

test('is as large as the pages in use need, however many there might be', () => {
  const index = new PageIndex(1 << 20)
  for (let write = 0; write < 100_000; write += 1) index.insert(tagOf(write), write % 500, 500)
  expect(index.lengthBytes).toBeLessThanOrEqual(1024 * 8)
})

test('remembers the latest of pages with equal content', () => {
  const index = new PageIndex(10)
  index.insert(5, 1, 10)
  index.insert(5, 2, 10)
  expect(index.find(5)).toBe(2)
})

test('a fork and its origin do not see each other', () => {
  const index = new PageIndex(10)
  index.insert(7, 1, 10)
  const fork = index.fork(10)
  fork.insert(8, 2, 10)
  index.insert(9, 3, 10)
  expect([index.find(7), index.find(8), index.find(9)]).toEqual([1, undefined, 3])
  expect([fork.find(7), fork.find(8), fork.find(9)]).toEqual([1, 2, undefined])
})
