import { describe, expect, test } from 'vitest'
import { noise } from '../../test/support.ts'
import { createDeltaEncoder } from '../index.ts'
import { LiveLevel } from './level-choice.ts'

const BLOCK = 128 * 1024 ** 2

describe('the level of a block', () => {
  test('is small where the link is the slower one, and fast where it outruns encoding', () => {
    const live = new LiveLevel()
    expect(live.choose(BLOCK, 100_000).level).toBe('small')
    expect(live.choose(BLOCK, 10e9).level).toBe('fast')
  })

  test('rises and falls with what blocks came to', () => {
    const live = new LiveLevel()
    const rate = 1.5e6
    expect(live.choose(BLOCK, rate).level).toBe('small')
    // Nearly everything was copied: there is nothing to send that more work could shorten.
    for (let block = 0; block < 8; block += 1) live.measured('small', BLOCK, BLOCK / 5000, 3000)
    expect(live.choose(BLOCK, rate).level).toBe('fast')
    // New content: the link is what takes time.
    for (let block = 0; block < 8; block += 1) live.measured('fast', BLOCK, BLOCK / 3, 400)
    expect(live.choose(BLOCK, rate).level).toBe('small')
  })

  test('gives way to a busy processor', () => {
    const live = new LiveLevel()
    const rate = 2.4e6
    expect(live.choose(BLOCK, rate).level).toBe('balanced')
    for (let block = 0; block < 8; block += 1) live.measured('balanced', BLOCK, BLOCK * 0.05, 8000)
    expect(live.choose(BLOCK, rate).level).toBe('fast')
    for (let block = 0; block < 8; block += 1) live.measured('fast', BLOCK, BLOCK * 0.05, 40)
    expect(live.choose(BLOCK, rate).level).toBe('small')
  })
})

test('an encoder that knows its link takes the level for each block from it, and says why', async () => {
  const rates = [50_000, undefined]
  const encoder = createDeltaEncoder({ link: () => rates.shift() })
  const object = noise(3, 100_000)
  for await (const _ of encoder.encode(object));
  expect(encoder.stats()).toMatchObject({ levels: { small: 1, balanced: 0 }, lastChoice: { level: 'small', bytesPerSecond: 50_000 } })
  for await (const _ of encoder.encode(object));
  expect(encoder.stats().lastChoice).toEqual({ level: 'balanced' })
  expect(encoder.stats().levels).toEqual({ fast: 0, balanced: 1, small: 1 })
})
