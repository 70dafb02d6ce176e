import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded, stateLike } from '../test/implementations.ts'
import { addonWith } from './addon.ts'
import { chunkBackend, cutChunks } from './chunk.ts'
import { cutChunksJs } from './chunk-js.ts'
import { loadBlake3, loadHash } from './hash.ts'

const SIZES = { leastBytes: 256, averageBytes: 1024, mostBytes: 8192 }
const sum = (lengths: Uint32Array): number => lengths.reduce((total, length) => total + length, 0)

function pieces(bytes: Uint8Array, lengths: Uint32Array): readonly Uint8Array[] {
  let at = 0
  return Array.from(lengths, (length) => bytes.subarray(at, (at += length)))
}

test('the kernel and its twin cut at the same places and give the same digests', async () => {
  const size = fc.integer({ min: 0, max: 60_000 })
  const average = fc.constantFrom(512, 777, 1024, 4096, 16_384)
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      size,
      average,
      fc.constantFrom('xxh3-128', 'blake3', undefined),
      fc.boolean(),
      async (seed, length, averageBytes, digest, isLast) => {
        const bytes = stateLike(length, seeded(seed))
        const sizes = { leastBytes: Math.max(64, averageBytes >> 2), averageBytes, mostBytes: averageBytes * 4 }
        const cut = await cutChunks(bytes, { ...sizes, isLast, ...(digest === undefined ? {} : { digest }) })
        expect(cut).toEqual(await cutChunksJs(bytes, sizes, isLast, digest))
        expect(isLast ? sum(cut.lengths) : Math.max(sum(cut.lengths), length - sizes.mostBytes)).toBe(isLast ? length : sum(cut.lengths))
      },
    ),
    { numRuns: 60 },
  )
})

test('chunks keep within their sizes and come out near the average', async () => {
  const bytes = stateLike(4 << 20, seeded(3))
  const { lengths } = await cutChunks(bytes, SIZES)
  expect(sum(lengths)).toBe(bytes.length)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(SIZES.mostBytes)
  expect(Math.min(...lengths.subarray(0, -1))).toBeGreaterThanOrEqual(SIZES.leastBytes)
  expect(bytes.length / lengths.length).toBeGreaterThan(SIZES.averageBytes / 1.5)
  expect(bytes.length / lengths.length).toBeLessThan(SIZES.averageBytes * 1.5)
})

test('an insertion changes the chunks around it and no others', async () => {
  const older = stateLike(1 << 20, seeded(9))
  const newer = Buffer.concat([older.subarray(0, 300_000), Buffer.from('seven b'), older.subarray(300_000)])
  const digests = async (bytes: Uint8Array): Promise<ReadonlySet<string>> => {
    const list = await cutChunks(bytes, { ...SIZES, digest: 'blake3' })
    return new Set(pieces(list.digests, new Uint32Array(list.lengths.length).fill(32)).map((digest) => Buffer.from(digest).toString('hex')))
  }
  const [before, after] = [await digests(older), await digests(newer)]
  expect([...after].filter((digest) => !before.has(digest)).length).toBeLessThanOrEqual(4)
})

test('pieces cut one after the other are cut as the whole is', async () => {
  const bytes = stateLike(200_000, seeded(4))
  const lengths: number[] = []
  let from = 0
  for (let to = 30_000; from < bytes.length; to += 30_000) {
    const part = await cutChunks(bytes.subarray(from, to), { ...SIZES, isLast: to >= bytes.length })
    lengths.push(...part.lengths)
    from += sum(part.lengths)
  }
  expect(lengths).toEqual([...(await cutChunks(bytes, SIZES)).lengths])
})

test('equal sizes give pages, the last of them short; long runs of one byte are cut at the most', async () => {
  const pages = await cutChunks(stateLike(10_000, seeded(1)), { leastBytes: 4096, averageBytes: 4096, mostBytes: 4096 })
  expect([...pages.lengths]).toEqual([4096, 4096, 1808])
  for (const byte of [0, 32, 255]) {
    expect([...(await cutChunks(new Uint8Array(20_000).fill(byte), SIZES)).lengths]).toEqual([8192, 8192, 3616])
  }
})

test('digests are those of the chunks', async () => {
  const bytes = stateLike(90_000, seeded(8))
  const [blake3, hash] = [await loadBlake3(), await loadHash()]
  const each = { blake3: (chunk: Uint8Array) => blake3.digest(chunk), 'xxh3-128': (chunk: Uint8Array) => hash.xxh3_128(chunk) }
  for (const digest of ['blake3', 'xxh3-128'] as const) {
    const list = await cutChunks(bytes, { ...SIZES, averageBytes: 5000, digest })
    expect(Buffer.concat(pieces(bytes, list.lengths).map(each[digest])).equals(list.digests)).toBe(true)
  }
})

test.runIf(addonWith('chunk').addon)('a signal ends it while it runs', async () => {
  const stopping = new AbortController()
  const work = cutChunks(new Uint8Array(256 << 20), { ...SIZES, signal: stopping.signal })
  stopping.abort(new Error('enough'))
  await expect(work).rejects.toThrow('enough')
})

test('refuses sizes that cannot be, and an aborted signal', async () => {
  for (const wrong of [
    { leastBytes: 63 },
    { leastBytes: 2048 },
    { averageBytes: 511, leastBytes: 64 },
    { mostBytes: (16 << 20) + 1 },
    { mostBytes: 1e3 },
  ]) {
    await expect(cutChunks(new Uint8Array(9), { ...SIZES, ...wrong })).rejects.toThrow(RangeError)
  }
  await expect(cutChunks(new Uint8Array(9), { ...SIZES, signal: AbortSignal.abort(new Error('no more')) })).rejects.toThrow('no more')
  expect(chunkBackend().kind).toBe(addonWith('chunk').addon === undefined ? 'js' : 'native')
})
