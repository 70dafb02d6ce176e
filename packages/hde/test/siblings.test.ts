import * as fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { PageCodec } from '../src/index.ts'
import { BACKENDS, modulesOn } from './mutations/modules.ts'
import { codeOf, digestOf, frames, noise, PAGE_BYTES, pagesOf, pass, prose, range, region, seeded, store } from './support.ts'

const PAGES = 32
const options = { workload: 'w', regions: [region(PAGES)] }
/** Of three machines; the last one is larger, so that nothing can begin as it. */
const machines = [noise(1, PAGES * PAGE_BYTES), prose(2, PAGES * PAGE_BYTES), noise(3, 2 * PAGES * PAGE_BYTES)] as const

afterAll(() => void vi.unstubAllEnvs())

/** A codec that holds each machine under its own digest, whose first 3 bytes differ in length of the name only. */
async function holder(createCodec: (options: { readonly siblingBaselines: number }) => PageCodec, count = 3): Promise<PageCodec> {
  const codec = createCodec({ siblingBaselines: 4 })
  for (const [number, memory] of machines.slice(0, count).entries()) {
    const pages = memory.length / PAGE_BYTES
    const encoder = codec.encoder({ workload: `machine ${number}`, regions: [region(pages)] })
    await encoder.encode(pagesOf(memory, range(pages)))
    encoder.close(digestOf(number))
  }
  return codec
}

/** Page `from` of machine `of`, at each address in turn. */
function patchwork(places: readonly { readonly of: number; readonly from: number }[]): Uint8Array {
  const memory = new Uint8Array(PAGES * PAGE_BYTES)
  for (const [page, { of, from }] of places.entries()) {
    const source = machines[of] ?? machines[0]
    memory.set(source.subarray(from * PAGE_BYTES, (from + 1) * PAGE_BYTES), page * PAGE_BYTES)
  }
  return memory
}

describe.each(BACKENDS)('on %s', (backend) => {
  test('pages that any sibling has, wherever it has them, cost next to nothing', { timeout: 60_000 }, async () => {
    const { hde } = await modulesOn(backend)
    const [source, target] = [await holder(hde.createCodec), await holder(hde.createCodec)]
    const place = fc.record({ of: fc.integer({ min: 0, max: 2 }), from: fc.integer({ min: 0, max: PAGES - 1 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(place, { minLength: PAGES, maxLength: PAGES }), async (places) => {
        const memory = patchwork(places)
        const [encoder, decoder] = [source.encoder({ ...options, have: target.baselines('w') }), target.decoder(options)]
        const arrived = new Uint8Array(memory.length)
        store(arrived, await pass(encoder, decoder, pagesOf(memory, range(PAGES))))
        expect(Buffer.compare(arrived, memory)).toBe(0)
        const { pages, siblings } = encoder.stats()
        // Those at their own address in the machine that it begins as are not even moved.
        expect([pages.duplicate + pages.unchanged, siblings]).toEqual([PAGES, [2, 1, 0].map(digestOf)])
        for (const side of [encoder, decoder]) side.close()
      }),
      { numRuns: 15 },
    )
  })

  test('pages are found in any region of any sibling that has pages of their length', { timeout: 60_000 }, async () => {
    const { hde } = await modulesOn(backend)
    const shape = fc.record({ pages: fc.nat(6), pageBytes: fc.constantFrom(64, 256, 4096) })
    const shapes = fc.array(shape, { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.array(shapes, { minLength: 1, maxLength: 3 }), shapes, fc.nat(), async (siblings, own, seed) => {
        const jobOf = (workload: string, some: typeof own) => ({
          workload,
          regions: some.map(({ pages, pageBytes }) => region(pages, pages, pageBytes)),
        })
        const [source, target] = [hde.createCodec({ siblingBaselines: 4 }), hde.createCodec({ siblingBaselines: 4 })]
        const held: Uint8Array[] = []
        for (const [of, some] of siblings.entries()) {
          const encoders = [source, target].map((codec) => codec.encoder(jobOf(`sibling ${of}`, some)))
          for (const [at, { pages, pageBytes }] of some.entries()) {
            const memory = noise(seed + held.length, pages * pageBytes)
            for (const encoder of encoders) await encoder.encode(pagesOf(memory, range(pages), at, pageBytes))
            held.push(...range(pages).map((page) => memory.subarray(page * pageBytes, (page + 1) * pageBytes)))
          }
          for (const encoder of encoders) encoder.close(digestOf(of))
        }
        const job = jobOf('w', own)
        const [encoder, decoder] = [source.encoder({ ...job, have: target.baselines('w') }), target.decoder(job)]
        const next = seeded(seed)
        let known = 0
        for (const [at, { pages, pageBytes }] of own.entries()) {
          const alike = held.filter(({ length }) => length === pageBytes)
          const memory = Buffer.concat(range(pages).map(() => alike[next() % alike.length] ?? noise(seed - 1, pageBytes)))
          known += alike.length > 0 ? pages : 0
          const arrived = new Uint8Array(memory.length)
          store(arrived, await pass(encoder, decoder, pagesOf(memory, range(pages), at, pageBytes)), pageBytes)
          expect(Buffer.compare(arrived, memory)).toBe(0)
        }
        const { duplicate, unchanged } = encoder.stats().pages
        expect(duplicate + unchanged).toBeGreaterThanOrEqual(known)
        for (const side of [encoder, decoder]) side.close()
      }),
      { numRuns: 40 },
    )
  })

  test('pages that are almost those of a sibling are told by what differs', async () => {
    const { hde } = await modulesOn(backend)
    const [source, target] = [await holder(hde.createCodec), await holder(hde.createCodec)]
    const memory = patchwork(range(PAGES).map((from) => ({ of: 2, from: PAGES + ((from * 7) % PAGES) })))
    for (const page of range(PAGES)) memory[page * PAGE_BYTES + 2048] = 1
    const [encoder, decoder] = [source.encoder({ ...options, have: target.baselines('w') }), target.decoder(options)]
    const arrived = new Uint8Array(memory.length)
    store(arrived, await pass(encoder, decoder, pagesOf(memory, range(PAGES))))
    expect(Buffer.compare(arrived, memory)).toBe(0)
    // Without the addon no content is looked for that has moved into other pages.
    if (backend === 'native') expect(encoder.stats().wireBytes).toBeLessThan(memory.length / 20)
    for (const side of [encoder, decoder]) side.close()
  })

  test('pages are found that have moved behind others which were written over', async () => {
    const { hde } = await modulesOn(backend)
    const [source, target] = [await holder(hde.createCodec, 1), await holder(hde.createCodec, 1)]
    const memory = patchwork(range(PAGES).map((page) => ({ of: 0, from: (page + PAGES / 2) % PAGES })))
    const [encoder, decoder] = [source.encoder({ ...options, have: target.baselines('w') }), target.decoder(options)]
    const arrived = new Uint8Array(memory.length)
    for (const first of [0, PAGES / 2]) store(arrived, await pass(encoder, decoder, pagesOf(memory, range(PAGES / 2, first))))
    expect(Buffer.compare(arrived, memory)).toBe(0)
    expect(encoder.stats()).toMatchObject({ baseline: digestOf(0), siblings: [digestOf(0)], pages: { duplicate: PAGES } })
    for (const side of [encoder, decoder]) side.close()
  })

  test('serve a stream that begins with something else than pages', async () => {
    const { hde } = await modulesOn(backend)
    const [source, target] = [await holder(hde.createCodec), await holder(hde.createCodec)]
    const [encoder, decoder] = [source.encoder({ ...options, have: target.baselines('w') }), target.decoder(options)]
    await pass(encoder, decoder, { kind: 'opaque', bytes: Uint8Array.of(1, 2, 3) })
    const memory = patchwork(range(PAGES).map((from) => ({ of: from % 2, from })))
    const arrived = new Uint8Array(memory.length)
    store(arrived, await pass(encoder, decoder, pagesOf(memory, range(PAGES))))
    expect(Buffer.compare(arrived, memory)).toBe(0)
    expect(encoder.stats()).toMatchObject({ pages: { duplicate: PAGES }, siblings: [2, 1, 0].map(digestOf) })
  })

  test('leave a baseline that stands alone', async () => {
    const { hde } = await modulesOn(backend)
    const [source, target] = [await holder(hde.createCodec), await holder(hde.createCodec)]
    const memory = patchwork(range(PAGES).map((from) => ({ of: 2 - (from % 2), from })))
    const [encoder, decoder] = [source.encoder({ ...options, have: target.baselines('w') }), target.decoder(options)]
    await pass(encoder, decoder, pagesOf(memory, range(PAGES)))
    for (const side of [encoder, decoder]) side.close(digestOf(9))
    const [again, there] = [source.encoder({ ...options, have: [digestOf(9)] }), target.decoder(options)]
    const arrived = new Uint8Array(memory.length)
    store(arrived, await pass(again, there, pagesOf(memory, range(PAGES))))
    expect(Buffer.compare(arrived, memory)).toBe(0)
    expect(again.stats()).toMatchObject({ baseline: digestOf(9), pages: { unchanged: PAGES } })
    expect(again.stats().siblings).toBeUndefined()
  })

  test('leave a baseline in which pages are found that it shares with them', async () => {
    const { hde } = await modulesOn(backend)
    const [source, target] = [await holder(hde.createCodec), await holder(hde.createCodec)]
    const [encoder, decoder] = [source.encoder({ ...options, have: target.baselines('w') }), target.decoder(options)]
    await pass(encoder, decoder, pagesOf(machines[0], range(PAGES)))
    for (const side of [encoder, decoder]) side.close(digestOf(9))
    const memory = patchwork(range(PAGES).map((page) => ({ of: 0, from: (page + 5) % PAGES })))
    const job = { ...options, workload: 'v' }
    const [again, there] = [source.encoder({ ...job, have: [digestOf(9)] }), target.decoder(job)]
    const arrived = new Uint8Array(memory.length)
    store(arrived, await pass(again, there, pagesOf(memory, range(PAGES))))
    expect(Buffer.compare(arrived, memory)).toBe(0)
    expect(again.stats()).toMatchObject({ siblings: [digestOf(9)], pages: { duplicate: PAGES } })
  })

  test('that the decoder has lost are named, before anything is decoded', async () => {
    const { hde } = await modulesOn(backend)
    const [source, target] = [await holder(hde.createCodec), await holder(hde.createCodec, 2)]
    const have = source.baselines('w')
    const [start] = await frames(source.encoder({ ...options, have }), { kind: 'stopped' })
    const error: unknown = await target
      .decoder(options)
      .decode(start ?? new Uint8Array())
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'ERR_HDE_BASELINE_MISSING', details: { digest: digestOf(2) } })
  })
})

test('frames of each backend are decoded by each other one', { timeout: 60_000 }, async () => {
  const memory = patchwork(range(PAGES).map((from) => ({ of: from % 3, from })))
  for (const page of range(PAGES / 2)) memory[page * PAGE_BYTES + 100] = 7
  for (const from of BACKENDS) {
    const encoding = await modulesOn(from)
    const source = await holder(encoding.hde.createCodec)
    const made = await frames(source.encoder({ ...options, have: source.baselines('w') }), pagesOf(memory, range(PAGES)))
    for (const to of BACKENDS) {
      const { hde } = await modulesOn(to)
      const decoder = (await holder(hde.createCodec)).decoder(options)
      const arrived = new Uint8Array(memory.length)
      for (const frame of made) store(arrived, await decoder.decode(frame))
      expect(Buffer.compare(arrived, memory), `${from} to ${to}`).toBe(0)
    }
  }
})

test('a reference behind the last page of the last sibling is refused', async () => {
  const { hde } = await modulesOn('native')
  const [source, fewer] = [await holder(hde.createCodec), await holder(hde.createCodec, 2)]
  const memory = patchwork(range(PAGES).map((from) => ({ of: 2, from: PAGES + from })))
  const [, ofThree] = await frames(source.encoder({ ...options, have: [2, 1, 0].map(digestOf) }), pagesOf(memory, range(PAGES)))
  const decoder = fewer.decoder(options)
  const [start] = await frames(source.encoder({ ...options, have: [1, 0].map(digestOf) }), { kind: 'stopped' })
  await decoder.decode(start ?? new Uint8Array())
  expect(await codeOf(() => decoder.decode(ofThree ?? new Uint8Array()))).toBe('ERR_HDE_CORRUPT')
})
