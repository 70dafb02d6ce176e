import * as fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { BACKENDS, modulesOn } from './mutations/modules.ts'
import { codeOf, noise, PAGE_BYTES, pagesOf, prose, range, region } from './support.ts'

const PAGES = 24
const job = { workload: 'w', regions: [region(PAGES), region(PAGES, PAGES, 256)] }

afterAll(() => void vi.unstubAllEnvs())

/** A memory of a few kinds of pages, so that frames have pages of every outcome. */
function written(rounds: readonly (readonly number[])[], round: number, pageBytes: number): Uint8Array {
  const memory = new Uint8Array(PAGES * pageBytes)
  for (const [number, kinds] of rounds.slice(0, round + 1).entries()) {
    for (const [page, kind] of kinds.entries()) {
      const at = memory.subarray(page * pageBytes, (page + 1) * pageBytes)
      if (kind === 1) at.set(noise(number * PAGES + page, pageBytes))
      if (kind === 2) at.set(prose(page, pageBytes))
      if (kind === 3) at.set(memory.subarray(0, pageBytes))
      if (kind === 4) at[8 * number] = 7
      if (kind === 5) at.fill(0)
    }
  }
  return memory
}

describe.each(BACKENDS)('on %s', (backend) => {
  test('what is applied to a memory is what is handed out', { timeout: 60_000 }, async () => {
    const { hde } = await modulesOn(backend)
    const kinds = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: PAGES, maxLength: PAGES })
    const rounds = fc.array(kinds, { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(
        rounds,
        fc.constantFrom('datacenter', 'hybrid', 'v1'),
        fc.integer({ min: 0, max: 15 }),
        async (all, profile, offset) => {
          const codec = hde.createCodec({ profile: () => profile })
          const [encoder, decoder, other] = [codec.encoder(job), codec.decoder(job), codec.decoder(job)]
          // Of any alignment.
          const memories = job.regions.map(({ lengthBytes }) => new Uint8Array(lengthBytes + offset).subarray(offset))
          for (const round of all.keys()) {
            for (const [index, { pageBytes }] of job.regions.entries()) {
              const memory = written(all, round, pageBytes)
              for (const frame of await encoder.encode(pagesOf(memory, range(PAGES), index, pageBytes))) {
                const handed = await other.decode(frame)
                const applied = await decoder.apply(frame, (wanted, lengthBytes) => {
                  expect([wanted, lengthBytes]).toEqual([index, memory.length])
                  return memories[wanted] ?? new Uint8Array()
                })
                const told = handed.map((chunk) =>
                  chunk.kind === 'pages' ? { kind: 'applied', region: index, pages: chunk.pages } : chunk,
                )
                expect(applied).toEqual(told)
              }
              expect(Buffer.compare(memories[index] ?? memory.subarray(1), memory)).toBe(0)
            }
          }
          for (const side of [encoder, decoder, other]) side.close()
        },
      ),
      { numRuns: 20 },
    )
  })

  test('a frame that is refused leaves the memory as it was', async () => {
    const { hde } = await modulesOn(backend)
    const codec = hde.createCodec()
    const memory = noise(1, PAGES * PAGE_BYTES)
    const [start, pages] = await codec.encoder(job).encode(pagesOf(memory, range(PAGES)))
    const broken = Uint8Array.from(pages ?? [])
    broken[broken.length - 1000] = (broken[broken.length - 1000] ?? 0) ^ 1
    const decoder = codec.decoder(job)
    const arrived = new Uint8Array(memory.length).fill(0xa5)
    await decoder.apply(start ?? broken, () => arrived)
    expect(await codeOf(() => decoder.apply(broken, () => arrived))).toBe('ERR_HDE_CORRUPT')
    expect(arrived.every((byte) => byte === 0xa5)).toBe(true)
  })

  test('a memory that ends before the last page is refused', async () => {
    const { hde } = await modulesOn(backend)
    const codec = hde.createCodec()
    const frames = await codec.encoder(job).encode(pagesOf(noise(1, PAGES * PAGE_BYTES), range(PAGES)))
    const decoder = codec.decoder(job)
    const short = new Uint8Array(PAGES * PAGE_BYTES - 1)
    await expect(Promise.all(frames.slice(0, 1).map((frame) => decoder.apply(frame, () => short)))).resolves.toEqual([[]])
    await expect(decoder.apply(frames[1] ?? short, () => short)).rejects.toThrow(RangeError)
  })

  test('the loop turns while a frame of many pages is taken in', { timeout: 60_000 }, async () => {
    const { hde } = await modulesOn(backend)
    const pages = 4096
    const of = { workload: 'w', regions: [region(pages)] }
    const [encoder, decoder] = [hde.createCodec().encoder(of), hde.createCodec().decoder(of)]
    const chunk = pagesOf(noise(1, pages * PAGE_BYTES), range(pages))
    for (const frame of await encoder.encode(chunk)) await decoder.decode(frame)
    const [same, ...more] = await encoder.encode(chunk)
    expect([more.length, encoder.stats().pages.unchanged]).toEqual([0, pages])
    let turns = 0
    let timer = setImmediate(function count() {
      turns += 1
      timer = setImmediate(count)
    })
    await decoder.decode(same ?? new Uint8Array())
    clearImmediate(timer)
    expect(turns).toBeGreaterThan(2)
    for (const side of [encoder, decoder]) side.close()
  })
})
