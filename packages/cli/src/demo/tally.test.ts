import { expect, test } from 'vitest'
import { Tally } from './tally.js'

test('quantiles are by nearest rank, and counts add up over clients', () => {
  const one = new Tally()
  const other = new Tally()
  for (let ms = 1; ms <= 99; ms++) one.answer(ms, ms > 1 ? 1 : undefined)
  other.answer(1000, 5)
  other.lost = 2
  other.repeated = 1
  expect(Tally.together([one, other])).toEqual({
    answered: 100,
    lost: 2,
    repeated: 1,
    wrong: 0,
    resent: 0,
    latencyMs: { p50: 50, p99: 99, max: 1000 },
    gapMs: { median: 1, max: 5 },
  })
})

test('a tally of nothing is all zeros', () => {
  expect(new Tally().report()).toMatchObject({ answered: 0, latencyMs: { p50: 0, p99: 0, max: 0 }, gapMs: { median: 0, max: 0 } })
})

test('the newest samples are kept when there are more than fit', () => {
  const tally = new Tally()
  for (let index = 0; index < 1 << 18; index++) tally.answer(1, 1)
  for (let index = 0; index < 1 << 18; index++) tally.answer(2, 2)
  expect(tally.report()).toMatchObject({ answered: 1 << 19, latencyMs: { p50: 2 }, gapMs: { median: 2 } })
})
