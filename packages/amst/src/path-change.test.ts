import { expect, test } from 'vitest'
import { PathChange } from './path-change.ts'

/** Every 25 ms from `fromMs` on, with that round trip. @returns when it noticed. */
function look(change: PathChange, fromMs: number, forMs: number, rttMs: (timeMs: number) => number, minRttMs: number): number[] {
  const noticed: number[] = []
  for (let timeMs = fromMs; timeMs < fromMs + forMs; timeMs += 25) {
    if (change.observe({ timeMs, rttMs: rttMs(timeMs), minRttMs })) noticed.push(timeMs)
  }
  return noticed
}

test('a path that is longer than its streams know is noticed within half a second, and not again at once', () => {
  const change = new PathChange()
  expect(look(change, 0, 5000, () => 1.2, 1)).toEqual([])
  const [first = Number.NaN, second = Number.NaN] = look(change, 5000, 4000, () => 100, 1)
  expect(first).toBeLessThanOrEqual(5500)
  expect(second - first).toBeGreaterThanOrEqual(2000)
})

test('on a long path it takes some round trips', () => {
  const [first] = look(new PathChange(), 0, 5000, () => 210, 100)
  expect(first).toBeGreaterThanOrEqual(800)
})

test('a queue that comes and goes is none, nor is what is little', () => {
  const change = new PathChange()
  expect(look(change, 0, 20_000, (timeMs) => (timeMs % 500 < 400 ? 300 : 110), 100)).toEqual([])
  expect(look(change, 20_000, 20_000, () => 190, 100)).toEqual([])
  expect(look(change, 40_000, 20_000, () => 9, 1)).toEqual([])
})
