import { expect, test } from 'vitest'
import { solve } from './linear-equations.ts'

test('solves symmetric positive definite equations', () => {
  const x = solve(Float64Array.of(4, 2, 2, 2, 5, 1, 2, 1, 6), Float64Array.of(18, 17, 23))
  expect(4 * (x[0] ?? 0) + 2 * (x[1] ?? 0) + 2 * (x[2] ?? 0)).toBeCloseTo(18)
  expect(2 * (x[0] ?? 0) + 5 * (x[1] ?? 0) + (x[2] ?? 0)).toBeCloseTo(17)
  expect(2 * (x[0] ?? 0) + (x[1] ?? 0) + 6 * (x[2] ?? 0)).toBeCloseTo(23)
})

test('refuses equations that have no one solution', () => {
  expect(() => solve(Float64Array.of(1, 1, 1, 1), Float64Array.of(1, 2))).toThrow('positive definite')
})
