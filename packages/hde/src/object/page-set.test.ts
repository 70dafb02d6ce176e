import fc from 'fast-check'
import { expect, test } from 'vitest'
import { noise, prose } from '../../test/support.ts'
import { bytesBase, createDecoder, createEncoder, createMemoryStore, type PageSet, type PageSetDecodeOptions } from '../index.ts'
import { formerPages } from './page-set.ts'

const PAGE_BYTES = 4096
const older = noise(1, 100 * PAGE_BYTES + 1000)
const newer = older.slice().fill(7, 5 * PAGE_BYTES + 9, 5 * PAGE_BYTES + 200)
newer.set(noise(2, 300), 100 * PAGE_BYTES + 100)

function setOf(object: Uint8Array, pages: readonly number[], pageBytes: number = PAGE_BYTES): PageSet {
  const bytes = Buffer.concat(pages.map((page) => object.subarray(page * pageBytes, (page + 1) * pageBytes)))
  return { pages: Uint32Array.from(pages), pageBytes, lengthBytes: object.length, bytes }
}

async function joined(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}

/** What `object` becomes when the pages are written to it. */
async function written(
  object: Uint8Array,
  frames: Uint8Array,
  options: Partial<PageSetDecodeOptions> = {},
  decoder: ReturnType<typeof createDecoder> = createDecoder(),
): Promise<Uint8Array> {
  let result = object.slice()
  for await (const part of decoder.decode(frames, { ...options, as: 'pages' })) {
    const grown = new Uint8Array(part.lengthBytes)
    grown.set(result.subarray(0, part.lengthBytes))
    result = grown
    for (const [index, page] of part.pages.entries())
      result.set(part.bytes.subarray(index * part.pageBytes, (index + 1) * part.pageBytes), page * part.pageBytes)
  }
  return result
}

test('pages against a baseline in both stores cost what changed in them, and the last may be short', async () => {
  const [ours, theirs] = [await createMemoryStore(), await createMemoryStore()]
  const { digest } = await ours.put(older)
  await theirs.put(older)
  const encoder = createEncoder({ baselines: ours, link: () => 125e6 })
  const frames = await joined(encoder.encode(setOf(newer, [4, 5, 100]), { baseline: digest }))
  expect(Buffer.compare(await written(older, frames, {}, createDecoder({ baselines: theirs })), newer)).toBe(0)
  expect(frames.length).toBeLessThan(800)
  const { tiers, pages, rawBytes } = encoder.stats()
  expect(tiers.pages).toMatchObject({ objects: 1, rawBytes: 2 * PAGE_BYTES + 1000, wireBytes: frames.length })
  expect(tiers.pages.bytesPerSecond).toBeGreaterThan(0)
  expect([rawBytes, pages.missedBaselines, pages.lastChoice === undefined]).toEqual([2 * PAGE_BYTES + 1000, 0, false])

  await expect(written(older, frames)).rejects.toMatchObject({ code: 'ERR_HDE_BASELINE_MISSING', details: { baseline: digest } })
  await expect(written(older, frames, { base: bytesBase(newer) })).rejects.toMatchObject({ code: 'ERR_HDE_BASELINE_MISSING' })
})

test('pages are encoded by themselves where this side has lost the baseline', async () => {
  const { digest } = await (await createMemoryStore()).put(older)
  const encoder = createEncoder({ baselines: await createMemoryStore() })
  const frames = await joined(encoder.encode(setOf(newer, [5, 100]), { baseline: digest }))
  expect(Buffer.compare(await written(older, frames, { base: bytesBase(newer) }), newer)).toBe(0)
  expect(encoder.stats().pages.missedBaselines).toBe(1)
})

test('any pages of any object come back, whatever the length of the base', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(299), { maxLength: 60 }),
      fc.constantFrom(64, 128, 1024),
      fc.nat(63),
      fc.nat(40_000),
      async (numbers, pageBytes, cut, baseBytes) => {
        const object = prose(3, 300 * pageBytes - cut)
        const base = object.slice(0, baseBytes).fill(9, 100, 130)
        const set = setOf(
          object,
          numbers.sort((one, other) => one - other),
          pageBytes,
        )
        const frames = await joined(createEncoder().encode(set, { base: bytesBase(base) }))
        const parts: PageSet[] = []
        for await (const part of createDecoder().decode(frames, { as: 'pages', base: bytesBase(base) })) parts.push(part)
        expect(parts.flatMap(({ pages }) => [...pages])).toEqual(numbers)
        expect(Buffer.compare(Buffer.concat(parts.map(({ bytes }) => bytes)), set.bytes)).toBe(0)
      },
    ),
    { numRuns: 30 },
  )
})

test('a stream of pages builds on what the base has at them, as far as it reaches, and on the hash of their head', async () => {
  const head = noise(9, 16)
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(400), { maxLength: 80 }),
      fc.constantFrom(64, 1024, 4096),
      fc.nat(400 * 1024),
      fc.tuple(fc.nat(), fc.nat()),
      async (numbers, pageBytes, baseBytes, [from, length]) => {
        const pages = Uint32Array.from(numbers.sort((one, other) => one - other))
        const lengthBytes = 401 * pageBytes - 5
        const base = prose(4, baseBytes).subarray(0, baseBytes)
        const reach = base.subarray(0, Math.min(baseBytes, lengthBytes))
        const wanted = Buffer.concat([...numbers.map((page) => reach.subarray(page * pageBytes, (page + 1) * pageBytes)), head])
        const former = formerPages(bytesBase(base), { pages, pageBytes, lengthBytes }, head)
        expect(former.lengthBytes).toBe(wanted.length)
        const start = from % wanted.length
        const bytes = await former.read(start, length % (wanted.length - start + 1))
        expect(Buffer.compare(bytes, wanted.subarray(start, start + bytes.length))).toBe(0)
        expect(bytes.length).toBe(length % (wanted.length - start + 1))
      },
    ),
  )
})

test('the bytes of one set do not decode behind the page numbers of another', async () => {
  const [one, other] = await Promise.all(
    [
      [4, 5],
      [5, 6],
    ].map((pages) => joined(createEncoder().encode(setOf(newer, pages)))),
  )
  const at = (frames: Buffer | undefined): number => frames?.indexOf('DWCPdelt') ?? 0
  const spliced = Buffer.concat([one?.subarray(0, at(one)) ?? one ?? Buffer.alloc(0), other?.subarray(at(other)) ?? Buffer.alloc(0)])
  await expect(written(older, spliced)).rejects.toMatchObject({ code: 'ERR_HDE_BASELINE_MISSING' })
})

test('a set past the limit of pages is refused, and one at it is not', async () => {
  const frames = await joined(createEncoder().encode(setOf(newer, [4, 5, 6])))
  expect((await written(older, frames, {}, createDecoder({ limits: { pages: 3 } }))).length).toBe(newer.length)
  const decoder = createDecoder({ limits: { pages: 2 } })
  await expect(written(older, frames, {}, decoder)).rejects.toMatchObject({ code: 'ERR_HDE_LIMIT' })
})

test('every frame that is cut short, and another kind, is refused', async () => {
  const frames = await joined(createEncoder().encode(setOf(newer.subarray(0, 1000), [1, 2, 5], 64)))
  for (let length = 0; length < frames.length; length += 1)
    await expect(written(older, frames.subarray(0, length))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  await expect(joined(createDecoder().decode(frames))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  for (const object of [newer, { documents: [1] }])
    await expect(written(older, await joined(createEncoder().encode(object)))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
})

test('pages that are not there, do not ascend or have other bytes are refused before anything is sent', async () => {
  const good = setOf(newer, [4, 5])
  const bad: readonly PageSet[] = [
    { ...good, pages: Uint32Array.of(5, 4) },
    { ...good, pages: Uint32Array.of(4, 4) },
    { ...good, pages: Uint32Array.of(4, 101) },
    { ...good, bytes: good.bytes.subarray(1) },
    { ...good, pageBytes: 4095 },
    { ...good, pageBytes: 32 },
    { ...good, lengthBytes: Number.NaN },
  ]
  for (const set of bad) await expect(createEncoder().encode(set).next()).rejects.toThrow(RangeError)
  const twice = { base: bytesBase(older), baseline: 'blake3:00' } as const
  await expect(createEncoder().encode(good, twice).next()).rejects.toThrow(TypeError)
})

test('a signal ends both sides', async () => {
  const frames = await joined(createEncoder().encode(setOf(newer, [4, 5])))
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(joined(createEncoder().encode(setOf(newer, [4, 5]), { signal }))).rejects.toThrow('enough')
  await expect(written(older, frames, { signal })).rejects.toThrow('enough')
})
