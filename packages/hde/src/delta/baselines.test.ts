import type { Digest } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { noise } from '../../test/support.ts'
import { type BaselineSource, bytesBase, createDeltaDecoder, createDeltaEncoder } from '../index.ts'

const older = noise(1, 200_000)
const newer = older.slice().fill(7, 1000, 1100)
const digest: Digest = 'sha-256:00ff'

/** A store of one object, which counts what is lent out. */
function storeOf(bytes: Uint8Array): BaselineSource & { lent: number } {
  const store = {
    lent: 0,
    async base(wanted: Digest) {
      if (wanted !== digest) return undefined
      store.lent += 1
      return {
        ...bytesBase(bytes),
        async [Symbol.asyncDispose]() {
          store.lent -= 1
        },
      }
    },
  }
  return store
}

async function joined(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}

test('an object on a baseline that both sides keep is found by its digest, and given back to the stores after use', async () => {
  const [here, there] = [storeOf(older), storeOf(older)]
  const frames = await joined(createDeltaEncoder({ baselines: here }).encode(newer, { baseline: digest }))
  expect(frames.length).toBeLessThan(1000)
  const decoded = await joined(createDeltaDecoder({ baselines: there }).decode(frames))
  expect(Buffer.compare(decoded, newer)).toBe(0)
  expect([here.lent, there.lent]).toEqual([0, 0])
})

test('an encoder that lost the baseline encodes the object by itself, and says so', async () => {
  const encoder = createDeltaEncoder({ baselines: storeOf(older) })
  const frames = await joined(encoder.encode(newer, { baseline: 'sha-256:0a' }))
  expect(frames.length).toBeGreaterThan(newer.length - 1000)
  expect(encoder.stats().missedBaselines).toBe(1)
  expect(Buffer.compare(await joined(createDeltaDecoder().decode(frames)), newer)).toBe(0)
})

test('a decoder that lost the baseline, or keeps other bytes under its digest, says which one before any part', async () => {
  const frames = await joined(createDeltaEncoder({ baselines: storeOf(older) }).encode(newer, { baseline: digest }))
  const other = older.slice().fill(1, 5000, 5001)
  for (const baselines of [undefined, storeOf(newer.subarray(1)), storeOf(other)]) {
    const parts = createDeltaDecoder(baselines === undefined ? {} : { baselines }).decode(frames)
    await expect(parts.next()).rejects.toMatchObject({ code: 'ERR_HDE_BASELINE_MISSING', details: { baseline: digest } })
    expect(baselines?.lent ?? 0).toBe(0)
  }
})

test('an object has a base or a baseline', async () => {
  await expect(
    createDeltaEncoder()
      .encode(newer, { base: bytesBase(older), baseline: digest })
      .next(),
  ).rejects.toThrow(TypeError)
})
