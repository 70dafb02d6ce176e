import { describe, expect, test } from 'vitest'
import { createRoundPolicy, type RoundDecision } from './round-policy.ts'

const MIB = 2 ** 20
const OPTIONS = { downtimeMs: 100, maxRounds: 30, exceedDowntime: false }

/** Pre-copy of 256 MiB over a path that carries `carry`, with `dirty` changed, both in MiB/s. */
function run(
  options: typeof OPTIONS,
  carry: number,
  dirty: number,
  rttMs = 0,
): { readonly last: RoundDecision; readonly rounds: number; readonly throttled: number } {
  const decide = createRoundPolicy(options)
  let roundBytes = 256 * MIB
  let throttled = 0
  for (let rounds = 1; ; rounds++) {
    const roundMs = (roundBytes / (carry * MIB)) * 1000 + rttMs
    const dirtyBytesPerSecond = dirty * MIB * (1 - throttled)
    const remainingBytes = Math.min(256 * MIB, (dirtyBytesPerSecond * roundMs) / 1000)
    const last = decide({ remainingBytes, dirtyBytesPerSecond, roundBytes, roundMs, rttMs })
    if (last.action !== 'continue') return { last, rounds, throttled }
    throttled = last.throttleRatio
    roundBytes = remainingBytes
  }
}

describe('the round policy', () => {
  test('stops after few rounds where the path is much faster than the changes', () => {
    const { last, rounds, throttled } = run(OPTIONS, 1000, 20)
    expect(last.action).toBe('stop')
    expect(last.downtimeMsPredicted).toBeLessThan(20)
    expect(rounds).toBeLessThanOrEqual(6)
    expect(throttled).toBe(0)
  })

  test('stops at once when nothing changes', () => {
    expect(run(OPTIONS, 1000, 0).rounds).toBe(1)
  })

  test('goes through as many rounds as a slow path needs', () => {
    const { last, throttled } = run(OPTIONS, 12, 6, 40)
    expect(last.action).toBe('stop')
    expect(last.downtimeMsPredicted).toBeLessThanOrEqual(100)
    expect(throttled).toBe(0)
  })

  test('slows down a workload that changes faster than the path carries', () => {
    const { last, throttled } = run(OPTIONS, 12, 20)
    expect(last.action).toBe('stop')
    expect(last.downtimeMsPredicted).toBeLessThanOrEqual(100)
    expect(throttled).toBeGreaterThan(0)
  })

  test('gives up, saying why, when the budget is below what the path can do', () => {
    const { last } = run({ ...OPTIONS, downtimeMs: 20 }, 12, 20, 50)
    expect(last).toMatchObject({ action: 'give-up', reason: expect.stringContaining('the budget is 20 ms') })
  })

  test('stops anyway when a longer downtime is allowed', () => {
    expect(run({ ...OPTIONS, downtimeMs: 20, exceedDowntime: true }, 12, 20, 50).last.action).toBe('stop')
  })

  test('does not judge the path by a first pass over nearly nothing on a busy host', () => {
    const decide = createRoundPolicy(OPTIONS)
    const facts = { remainingBytes: 16_384, dirtyBytesPerSecond: 700_000, rttMs: 1 }
    expect(decide({ ...facts, roundBytes: 8_192, roundMs: 900 }).action).toBe('continue')
    const second = decide({ ...facts, roundBytes: 16_384, roundMs: 12 })
    expect(second.action).toBe('stop')
    expect(second.downtimeMsPredicted).toBeLessThan(20)
  })

  test('never goes on past the bound of rounds', () => {
    expect(run({ ...OPTIONS, downtimeMs: 1, maxRounds: 3 }, 12, 1, 50).rounds).toBeLessThanOrEqual(3)
  })
})
