import { isDwcpError } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { bytesBase, createDeltaDecoder, createDeltaEncoder, type DeltaLevel } from '../src/index.ts'

/** Frames mutated, over all levels. */
const WANTED = Number(process.env['DWCP_MUTATIONS'] ?? 12_000)
const SEED = Number(process.env['DWCP_SEED'] ?? Date.now() % 2 ** 31)
const SLOWEST_MS = 100
const LIMITS = { blockBytes: 8_192, windowBytes: 16_384 }
/** What garbage collection and a loaded machine may add to one decoding in a thousand. */
const SLOW_SHARE = 0.001

/** A linear congruential generator (Numerical Recipes): integers below `bound`. */
function dice(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

async function gathered(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const list: Uint8Array[] = []
  for await (const part of parts) list.push(part)
  return Buffer.concat(list)
}

test.each(['fast', 'balanced', 'small'] as const)(
  'mutated streams of level %s are refused or right, soon and within their limits',
  { timeout: WANTED * 10 },
  async (level: DeltaLevel) => {
    const roll = dice(SEED)
    const base = Buffer.from(Array.from({ length: 12_000 }, (_, at) => ((at * 31) >> 3) ^ (at % 97 === 0 ? roll(256) : at % 7)))
    const target = Buffer.concat([base.subarray(5_000, 8_500), Buffer.from('new content, some of it new'), base.subarray(200, 3_000)])
    for (let at = 40; at < 3_000; at += 61) target[at] = roll(256)
    const stream = await gathered(createDeltaEncoder({ level }).encode(target, { base: bytesBase(base) }))
    const decoder = createDeltaDecoder({ limits: LIMITS })
    let slow = 0
    let refused = 0
    for (let count = 0; count < WANTED / 3; count++) {
      const mutated = Buffer.from(stream)
      for (let change = roll(4); change >= 0; change--) mutated[roll(mutated.length)] = roll(4) === 0 ? 255 : roll(256)
      const given = roll(8) === 0 ? mutated.subarray(0, roll(mutated.length)) : mutated
      const startedMs = performance.now()
      try {
        const bytes = await gathered(decoder.decode(given, { base: bytesBase(base) }))
        expect(bytes.equals(target), `seed ${SEED}, turn ${count}`).toBe(true)
      } catch (error) {
        if (!isDwcpError(error)) throw new Error(`seed ${SEED}, turn ${count}`, { cause: error })
        expect(error.code, `seed ${SEED}, turn ${count}`).toMatch(/^ERR_HDE_/)
        refused += 1
      }
      if (performance.now() - startedMs > SLOWEST_MS) slow += 1
    }
    expect(refused).toBeGreaterThan(WANTED / 6)
    expect(slow, `seed ${SEED}`).toBeLessThanOrEqual(Math.ceil(WANTED * SLOW_SHARE))
  },
)
