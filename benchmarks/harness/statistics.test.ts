import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quantileOf, spreadOf } from './statistics.ts'

test('the median of an even number of values is the mean of the middle two', () => {
  expect(quantileOf([4, 1, 3, 2], 0.5)).toBe(2.5)
  expect(quantileOf([3, 1, 2], 0.5)).toBe(2)
})

test('a quantile other than the median is always one of the values, by the nearest rank', () => {
  expect(quantileOf([10, 20, 30, 40], 0.99)).toBe(40)
  expect(
    quantileOf(
      Array.from({ length: 200 }, (_, index) => index + 1),
      0.99,
    ),
  ).toBe(198)
})

test('the value of a spread lies between its bounds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, quantile) => {
        const { min, value, max, runs } = spreadOf(values, quantile)
        expect(min).toBe(Math.min(...values))
        expect(max).toBe(Math.max(...values))
        expect(value >= min && value <= max).toBe(true)
        expect(runs).toBe(values.length)
      },
    ),
  )
})

test('no values and quantiles out of range are refused', () => {
  expect(() => quantileOf([], 0.5)).toThrow(RangeError)
  expect(() => quantileOf([1], 1.1)).toThrow(RangeError)
})
