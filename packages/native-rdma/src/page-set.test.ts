import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PageSet } from './page-set.js'

const MAX_PAGES = 5000
const pages = fc.array(fc.nat(MAX_PAGES - 1), { maxLength: 60 })

test('has what was added, and gives it once, ascending', () => {
  fc.assert(
    fc.property(pages, pages, (added, later) => {
      const set = new PageSet(MAX_PAGES)
      for (const page of added) set.add(page)
      for (const page of [...added, ...later]) expect(set.has(page)).toBe(added.includes(page))
      expect([...set.take()]).toEqual([...new Set(added)].toSorted((a, b) => a - b))
      for (const page of later) set.add(page)
      expect([...set.take()]).toEqual([...new Set(later)].toSorted((a, b) => a - b))
      expect([...set.take()]).toEqual([])
    }),
  )
})

test('keeps what was not given yet where the reader stops', () => {
  const set = new PageSet(MAX_PAGES)
  for (const page of [3, 4, 4999]) set.add(page)
  for (const page of set.take()) if (page === 3) break
  expect([...set.take()]).toEqual([4, 4999])
})

test('a copy and its origin do not see each other', () => {
  const set = new PageSet(MAX_PAGES)
  set.add(1)
  const copy = set.copy(MAX_PAGES)
  copy.add(2)
  set.add(3)
  expect([[...set.take()], [...copy.take()]]).toEqual([
    [1, 3],
    [1, 2],
  ])
})

test('takes no more than one bit a page', () => {
  const set = new PageSet(MAX_PAGES)
  set.add(MAX_PAGES - 1)
  expect(set.lengthBytes).toBe(MAX_PAGES / 8)
})
