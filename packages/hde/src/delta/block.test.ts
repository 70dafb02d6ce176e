import { beforeAll, describe, expect, test } from 'vitest'
import { noise } from '../../test/support.ts'
import { encodeBlock } from './block.ts'
import { type DeltaKernels, deltaKernelsOnce } from './kernels.ts'
import { type DeltaLevel, LEVELS } from './levels.ts'

describe('the reference of literals', () => {
  let kernels: DeltaKernels
  beforeAll(async () => {
    kernels = await deltaKernelsOnce()
  })

  /** Whether one was used, of content of which the base has a former version, edited too often for any copy. */
  async function isUsed(level: DeltaLevel, editedBytes: number): Promise<boolean> {
    const older = noise(1, 1 << 20)
    const newer = older.slice()
    for (let at = 0; at < editedBytes; at += 12) newer[at] = (older[at] ?? 0) ^ 1
    const place = { lengthBytes: newer.length, windowOffset: 0, windowBytes: older.length, position: 0 }
    const encoded = await encodeBlock(kernels, newer, older, place, LEVELS[level], {})
    const alone = await encodeBlock({ ...kernels, zstdPrefix: false }, newer, older, place, LEVELS[level], {})
    expect(encoded.literalBytes).toBeGreaterThan(editedBytes / 2)
    return encoded.frame.length < alone.frame.length
  }

  test('is used at level fast where it is short', async () => {
    expect(await isUsed('fast', 100_000)).toBe(kernels.zstdPrefix)
  })

  test('is not worth its time at level fast where it is long', async () => {
    expect(await isUsed('fast', 600_000)).toBe(false)
  })

  test('may be long at level balanced', async () => {
    expect(await isUsed('balanced', 600_000)).toBe(kernels.zstdPrefix)
  })
})
