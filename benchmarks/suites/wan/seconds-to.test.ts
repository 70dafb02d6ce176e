import { expect, test } from 'vitest'
import { secondsTo } from './live.js'

/** What has arrived every 25 ms, in bytes, where it comes at `rateAt` bytes per second. */
function arrived(spanMs: number, rateAt: (atMs: number) => number): { atMs: number; bytes: number }[] {
  let bytes = 0
  return Array.from({ length: spanMs / 25 }, (_, tick) => {
    bytes += rateAt(tick * 25) / 40
    return { atMs: tick * 25, bytes }
  })
}

test('the time to 90 % counts from when it is reached and kept', () => {
  expect(
    secondsTo(
      arrived(8_000, () => 1e6),
      1e6,
    ),
  ).toBe(0)
  const late = secondsTo(
    arrived(8_000, (atMs) => (atMs < 1_500 ? 2e5 : 1e6)),
    1e6,
  )
  expect(late).toBeGreaterThan(1.3)
  expect(late).toBeLessThan(1.6)
  // Reached, lost again, and reached for good.
  const again = secondsTo(
    arrived(8_000, (atMs) => (atMs > 1_000 && atMs < 3_000 ? 5e5 : 1e6)),
    1e6,
  )
  expect(again).toBeGreaterThan(2.5)
  expect(
    secondsTo(
      arrived(8_000, () => 8e5),
      1e6,
    ),
  ).toBeUndefined()
  expect(secondsTo([], 1e6)).toBeUndefined()
})
