import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '@dwcp/interface'
import { loadPageImages } from '@dwcp/native-rdma/codec'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type BaselineStore, type CodecOptions, createCodec, createMemoryStore, openDiskStore, type PageCodec } from '../src/index.ts'
import { loadKernels } from '../src/kernels.ts'
import { createCodecOn } from '../src/state/codec.ts'
import { codeOf, digestOf, frames, noise, PAGE_BYTES, pagesOf, pass, range, region, store as written } from './support.ts'

const PAGES = 24
const job = { workload: 'w', regions: [region(PAGES, 2 * PAGES)] }
/** Some of it zeros, some of it twice there. */
const memory = noise(1, PAGES * PAGE_BYTES).fill(0, 3 * PAGE_BYTES, 6 * PAGE_BYTES)
memory.copyWithin(20 * PAGE_BYTES, 0, PAGE_BYTES)

/** Moves `content` from one codec to another; both keep it under `digest`. */
async function move(from: PageCodec, to: PageCodec, content: Uint8Array, digest: Digest, workload = 'w'): Promise<number> {
  const of = { ...job, workload }
  const [encoder, decoder] = [from.encoder({ ...of, have: to.baselines(workload) }), to.decoder(of)]
  const arrived = new Uint8Array(content.length)
  written(arrived, await pass(encoder, decoder, pagesOf(content, range(PAGES))))
  expect(Buffer.compare(arrived, content)).toBe(0)
  const { wireBytes } = encoder.stats()
  encoder.close(digest)
  decoder.close(digest)
  return wireBytes
}

async function saved(store: BaselineStore, objects: number): Promise<void> {
  await expect.poll(() => store.latest().length, { timeout: 10_000, interval: 5 }).toBe(objects)
}

const BACKENDS = [
  ['native', (options: CodecOptions = {}) => createCodec(options)],
  [
    'js',
    (options: CodecOptions = {}) =>
      createCodecOn(async () => {
        const kernels = await loadKernels()
        return { ...kernels, images: loadPageImages(kernels.hash, 'js') }
      }, options),
  ],
] as const

describe.each(BACKENDS)('baselines in a store, by %s images', (_, create) => {
  test('serve both sides after their processes are gone', async () => {
    const [here, there] = [await createMemoryStore(), await createMemoryStore()]
    const whole = await move(create({ store: here }), create({ store: there }), memory, digestOf(1))
    await saved(here, 1)
    await saved(there, 1)
    const newer = memory.slice()
    newer[7 * PAGE_BYTES + 1] = 99
    const [source, target] = [create({ store: here }), create({ store: there })]
    expect(target.baselines('w')).toEqual([digestOf(1)])
    expect(target.baselines('v')).toEqual([])
    expect(await move(source, target, newer, digestOf(2))).toBeLessThan(whole / 100)
    expect(target.baselines('w')).toEqual([digestOf(2), digestOf(1)])
  })

  test('serve where memory had no room for them', async () => {
    const store = await createMemoryStore()
    const [source, target] = [create(), create({ store, baselineBytes: 1.5 * memory.length })]
    const whole = await move(source, target, memory, digestOf(1))
    await saved(store, 1)
    await move(create(), target, noise(2, memory.length), digestOf(3), 'other')
    expect(target.baselines('w')).toEqual([digestOf(1)])
    expect(await move(source, target, memory, digestOf(2))).toBeLessThan(whole / 100)
  })

  test('that were evicted between question and use are missed by name', async () => {
    const store = await createMemoryStore()
    const source = create()
    await move(source, create({ store }), memory, digestOf(1))
    await saved(store, 1)
    const target = create({ store })
    const encoder = source.encoder({ ...job, have: target.baselines('w') })
    const [start = new Uint8Array()] = await frames(encoder, pagesOf(memory, range(PAGES)))
    for (const { digest } of store.latest()) await store.delete(digest)
    expect(await codeOf(() => target.decoder(job).decode(start))).toBe('ERR_HDE_BASELINE_MISSING')
  })
})

test('as many of a workload are kept as in memory, the newest', async () => {
  const store = await createMemoryStore()
  const [source, target] = [createCodec(), createCodec({ store, baselinesPerWorkload: 2 })]
  for (const value of [1, 2, 3]) {
    await move(source, target, noise(value, memory.length), digestOf(value))
    await expect.poll(() => store.latest()[0]?.name, { timeout: 10_000, interval: 5 }).toContain(digestOf(value))
  }
  await saved(store, 2)
  await target.close()
  expect(createCodec({ store }).baselines('w')).toEqual([digestOf(3), digestOf(2)])
})

test('are not written while a state is on its way', async () => {
  const store = await createMemoryStore()
  const target = createCodec({ store })
  let longestGapMs = 0
  do {
    await move(createCodec(), target, noise(9, memory.length), digestOf(9), 'before')
    const [encoder, decoder] = [createCodec().encoder(job), target.decoder(job)]
    longestGapMs = 0
    for (let lastMs = performance.now(), endMs = lastMs + 800; lastMs < endMs; lastMs = performance.now()) {
      await pass(encoder, decoder, pagesOf(memory, range(PAGES)))
      longestGapMs = Math.max(longestGapMs, performance.now() - lastMs)
    }
    // A host that stood still for that long has shown nothing.
  } while (longestGapMs > 250)
  expect(store.latest()).toEqual([])
  await saved(store, 1)
})

test('an object that is no image is done without, and goes', async () => {
  const store = await createMemoryStore()
  const source = createCodec()
  await move(source, createCodec({ store }), memory, digestOf(1))
  await saved(store, 1)
  const [{ digest, name } = { digest: digestOf(0), name: '' }] = store.latest()
  await store.delete(digest)
  for (const object of [new Uint8Array(10), noise(3, 4096), new TextEncoder().encode('DWCPimag'.padEnd(4096, '\u0001'))]) {
    await store.put(object, { name })
    const target = createCodec({ store })
    expect(target.baselines('w')).toEqual([digestOf(1)])
    const encoder = source.encoder({ ...job, have: target.baselines('w') })
    const [start = new Uint8Array()] = await frames(encoder, pagesOf(memory, range(PAGES)))
    expect(await codeOf(() => target.decoder(job).decode(start))).toBe('ERR_HDE_BASELINE_MISSING')
    expect(store.latest()).toEqual([])
  }
})

test('a codec that is closed keeps nothing half, and its store goes on', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'dwcp-archive-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const store = await openDiskStore(directory)
  const target = createCodec({ store })
  await move(createCodec(), target, memory, digestOf(1))
  await target.close()
  expect(store.latest()).toEqual([])
  const again = createCodec({ store })
  await move(createCodec(), again, memory, digestOf(2))
  await saved(store, 1)
  await again.close()
  await store.close()
  await using reopened = await openDiskStore(directory)
  expect(createCodec({ store: reopened }).baselines('w')).toEqual([digestOf(2)])
})

test('regions of any page lengths come back as they were', async () => {
  const shape = fc.record({ log2: fc.integer({ min: 6, max: 14 }), pages: fc.integer({ min: 0, max: 40 }), more: fc.nat(9) })
  await fc.assert(
    fc.asyncProperty(fc.array(shape, { minLength: 1, maxLength: 4 }), fc.nat(), async (shapes, seed) => {
      const regions = shapes.map(({ log2, pages, more }) => region(pages, pages + more, 2 ** log2))
      const of = { workload: 'many', regions }
      const store = await createMemoryStore()
      const [source, target] = [createCodec(), createCodec({ store })]
      const contents = regions.map(({ lengthBytes }, index) => noise(seed + index, lengthBytes))
      const [encoder, decoder] = [source.encoder(of), target.decoder(of)]
      await pass(encoder, decoder, { kind: 'opaque', bytes: noise(seed, 10) })
      for (const [index, { pageBytes }] of regions.entries()) {
        const pages = range((contents[index]?.length ?? 0) / pageBytes).filter((page) => (page + seed) % 5 !== 0)
        await pass(encoder, decoder, pagesOf(contents[index] ?? new Uint8Array(), pages, index, pageBytes))
      }
      encoder.close(digestOf(1))
      decoder.close(digestOf(1))
      await saved(store, 1)
      const back = createCodec({ store }).encoder({ ...of, have: source.baselines('many') })
      const there = source.decoder(of)
      for (const [index, { pageBytes }] of regions.entries()) {
        const content = contents[index] ?? new Uint8Array()
        const arrived = new Uint8Array(content.length)
        written(arrived, await pass(back, there, pagesOf(content, range(content.length / pageBytes), index, pageBytes)), pageBytes)
        expect(Buffer.compare(arrived, content)).toBe(0)
      }
    }),
    { numRuns: 10 },
  )
})
