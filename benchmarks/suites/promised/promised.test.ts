import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { randomBytes } from '../../harness/data.ts'
import { isInstalled } from '../../harness/machine.ts'
import { PAGE_BYTES } from '../encoding/page-sets.ts'
import { deltaStream, documents, type Encoding, pages, zstd3 } from './encodings.ts'
import { promisedFigures } from './metrics.ts'

test('the promised figures are made of raw, wire and compressed bytes as defined', () => {
  const figures = promisedFigures(
    [
      { rawBytes: 1000, wireBytes: 250, aloneBytes: 250, removedBytes: 400 },
      { rawBytes: 1000, wireBytes: 20, aloneBytes: 300, removedBytes: 900 },
      { rawBytes: 2000, wireBytes: 30, aloneBytes: 200, removedBytes: 1200 },
    ],
    [999, 200, 300],
  )
  expect(figures).toEqual({
    'first copy': 4,
    // 20 + 30 of the smaller of each: 200 by zstd, 200 by ours.
    'later versions': 87.5,
    // Of 200 and 300.
    'later versions, against zstd -3': 90,
    'all bytes': 92.5,
    'block tier, first copy': 40,
    'block tier, later versions': 70,
    'wire bytes': 300,
  })
})

test('a peer has no block tier, and one version promises nothing', () => {
  const one = { rawBytes: 10, wireBytes: 5, aloneBytes: 5 }
  expect(promisedFigures([one, one], [5, 5])).not.toHaveProperty('block tier, first copy')
  expect(promisedFigures([one, one], [])).not.toHaveProperty('later versions, against zstd -3')
  expect(() => promisedFigures([one], [5])).toThrow(RangeError)
})

const lines = Buffer.from(Array.from({ length: 70 }, (_, index) => `${JSON.stringify({ node: index, load: index / 8 })}\n`).join(''))
const folder = await mkdtemp(join(tmpdir(), 'dwcp-promised-test-'))
afterAll(() => rm(folder, { recursive: true }))
const encodings: readonly Encoding[] = [pages('hybrid'), deltaStream('balanced'), ...((await isInstalled('zstd')) ? [zstd3(folder)] : [])]

test.each(encodings)('$name says what a version costs alone, and less where the other side has it already', async (encoding) => {
  const version = randomBytes(1, 8 * PAGE_BYTES)
  const alone = await encoding.encode(version, undefined)
  const given = await encoding.encode(version, version)
  expect(alone.wireBytes).toBeGreaterThanOrEqual(version.length)
  expect(given.wireBytes).toBeLessThan(PAGE_BYTES)
  if (encoding.ours) expect([alone.removedBytes, given.removedBytes]).toEqual([0, version.length])
})

test('documents in batches cost less where the former ones are known', async () => {
  const alone = await documents.encode(lines, undefined)
  const given = await documents.encode(lines, lines)
  expect(given.wireBytes).toBeLessThan(alone.wireBytes)
  expect(alone.wireBytes).toBeLessThan(lines.length)
})
