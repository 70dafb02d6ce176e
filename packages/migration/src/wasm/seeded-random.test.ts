import { expect, test } from 'vitest'
import { SeededRandom } from './seeded-random.js'

test('the first words are those of the reference implementation of xoshiro128**', () => {
  const random = new SeededRandom([1, 2, 3, 4])
  expect(Array.from({ length: 4 }, () => random.uint32())).toEqual([11520, 0, 5927040, 70819200])
})

test('a generator goes on from its state, and seeds differ', () => {
  const random = SeededRandom.seeded(42)
  random.unit()
  const again = new SeededRandom(random.state())
  expect([again.uint32(), again.unit()]).toEqual([random.uint32(), random.unit()])
  const firsts = new Set([0, 1, 2, 2 ** 32, 2 ** 48].map((seed) => SeededRandom.seeded(seed).uint32()))
  expect(firsts.size).toBe(5)
})

test('numbers are uniform in [0, 1)', () => {
  const random = SeededRandom.seeded(1)
  const numbers = Array.from({ length: 10_000 }, () => random.unit())
  expect(numbers.every((value) => value >= 0 && value < 1)).toBe(true)
  expect(numbers.reduce((sum, value) => sum + value, 0) / numbers.length).toBeCloseTo(0.5, 1)
})
