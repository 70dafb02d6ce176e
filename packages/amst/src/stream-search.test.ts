import { expect, test } from 'vitest'
import { StreamSearch } from './stream-search.js'

/** How many streams it has after each second, where so many deliver so much. */
function run(search: StreamSearch, seconds: number, deliveredBy: (count: number, second: number) => number | undefined): number[] {
  return Array.from({ length: seconds }, (_, second) => {
    search.observe(deliveredBy(search.count, second))
    return search.count
  })
}
/** The one that carries messages carries no objects. */
const capped = (flow: number, link: number) => (count: number) => Math.min(link, (count - 1) * flow)

test('more are taken where each has a cap, until the link is full', () => {
  const search = new StreamSearch(4, 64)
  const counts = run(search, 60, capped(50, 500))
  expect(Math.max(...counts)).toBeLessThanOrEqual(28)
  expect(capped(50, 500)(search.count)).toBe(500)
  expect(counts.findIndex((count) => capped(50, 500)(count) === 500)).toBeLessThan(15)
})

test('fewer are taken where they do as well, and never to the harm of what is delivered', () => {
  const search = new StreamSearch(16, 64)
  run(search, 60, () => 1000)
  expect(search.count).toBe(2)
  const sloped = new StreamSearch(16, 64)
  run(sloped, 600, (count) => 1000 * (1 - 0.02 / count ** 2))
  expect(1 - 0.02 / sloped.count ** 2).toBeGreaterThan(0.97)
})

test('what does not help is given back, and tried again only after a rest', () => {
  const search = new StreamSearch(4, 64)
  const counts = run(search, 400, (count) => 1000 - Math.abs(count - 4) * 60)
  expect(search.count === 4 || counts.filter((count) => count === 4).length > 300).toBe(true)
  expect(counts.filter((count) => count === 4).length).toBeGreaterThan(300)
})

test('nothing is tried while there is not always something to deliver', () => {
  const search = new StreamSearch(4, 64)
  expect(new Set(run(search, 50, (_, second) => (second % 2 === 0 ? 1000 : undefined)))).toEqual(new Set([4]))
})

test('stays within its bounds', () => {
  const search = new StreamSearch(4, 10)
  expect(Math.max(...run(search, 60, (count) => count * 100))).toBe(10)
})
