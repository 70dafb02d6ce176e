import { type LinkSample, systemClock } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { createLastValueAdvisor } from './last-value-advisor.ts'

/** What is forecast after each sample of one link, in MB/s. */
function forecasts(samples: readonly (readonly [megabytes: number, limitedBy: LinkSample['limitedBy']])[]): readonly number[] {
  const advisor = createLastValueAdvisor(systemClock, () => undefined)
  return samples.map(([megabytes, limitedBy]) => {
    advisor.observe({ link: 'b', timeMs: 0, deliveredBytesPerSecond: megabytes * 1e6, rttMs: 7, minRttMs: 5, lossRatio: 0, limitedBy })
    return advisor.forecast('b', { horizonMs: 1000 }).shareBytesPerSecond.p50 / 1e6
  })
}

test('a link is what its last sample was, where the network limited that', () => {
  expect(
    forecasts([
      [50, 'network'],
      [20, 'network'],
      [80, 'network'],
    ]),
  ).toEqual([50, 20, 80])
})

test('a sample that an end limited says only that the link gives as much', () => {
  expect(
    forecasts([
      [50, 'network'],
      [20, 'sender'],
      [60, 'receiver'],
      [30, 'pacing'],
    ]),
  ).toEqual([50, 50, 60, 60])
})

test('nothing is known of a rate before the network has limited one, but the round trip is', () => {
  expect(forecasts([[50, 'sender']])).toEqual([0])
  const advisor = createLastValueAdvisor(systemClock, () => undefined)
  expect(advisor.forecast('b', { horizonMs: 1000 }).source).toBe('prior')
  advisor.observe({ link: 'b', timeMs: 0, deliveredBytesPerSecond: 1, rttMs: 7, minRttMs: 5, lossRatio: 0, limitedBy: 'sender' })
  expect(advisor.forecast('b', { horizonMs: 1000 })).toMatchObject({ source: 'last-value', rttMs: { p50: 7 } })
})
