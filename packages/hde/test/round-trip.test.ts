import type { StateChunk } from '@dwcp/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCodec, type EncodingProfile } from '../src/index.ts'
import { digestOf, noise, PAGE_BYTES, pagesOf, pass, prose, range, region, store } from './support.ts'

const MAX_PAGES = 64
const PROFILES: readonly EncodingProfile[] = ['datacenter', 'hybrid', 'internet', 'v1']

/** One write by the workload. */
const change = fc.record({
  page: fc.nat(MAX_PAGES - 1),
  what: fc.constantFrom('zero' as const, 'noise' as const, 'prose' as const, 'touch' as const, 'copy' as const, 'nothing' as const),
  seed: fc.nat(5),
  from: fc.nat(MAX_PAGES - 1),
})
const rounds = fc.array(fc.array(change, { maxLength: 30 }), { minLength: 1, maxLength: 4 })

function apply(memory: Uint8Array, { page, what, seed, from }: typeof change extends fc.Arbitrary<infer Value> ? Value : never): void {
  const target = memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
  if (what === 'zero') target.fill(0)
  if (what === 'noise') target.set(noise(seed, PAGE_BYTES))
  if (what === 'prose') target.set(prose(seed, PAGE_BYTES))
  if (what === 'touch') target[(seed * 997) % PAGE_BYTES] = seed + 1
  if (what === 'copy') target.set(memory.subarray(from * PAGE_BYTES, (from + 1) * PAGE_BYTES))
}

const pagesTouched = (changes: readonly { readonly page: number }[], bound: number): number[] =>
  [...new Set(changes.map(({ page }) => page))].filter((page) => page < bound).sort((a, b) => a - b)

test.each(PROFILES)('%s: what arrives is what was there, over rounds, growth and the way back on a baseline', async (profile) => {
  await fc.assert(
    fc.asyncProperty(rounds, fc.integer({ min: 1, max: MAX_PAGES }), async (program, firstPages) => {
      const [here, there] = [createCodec({ profile: () => profile }), createCodec({ profile: () => profile })]
      const memory = new Uint8Array(MAX_PAGES * PAGE_BYTES)
      const arrived = new Uint8Array(memory.length)
      const options = { workload: 'w', regions: [region(firstPages, MAX_PAGES)] }
      const [encoder, decoder] = [here.encoder(options), there.decoder(options)]
      for (const [number, changes] of program.entries()) {
        for (const one of changes) apply(memory, one)
        const pages = number === 0 ? range(MAX_PAGES) : pagesTouched(changes, MAX_PAGES)
        if (number === 0)
          store(
            arrived,
            await pass(
              encoder,
              decoder,
              pagesOf(
                memory,
                pages.filter((page) => page < firstPages),
              ),
            ),
          )
        // The rest is what the region grew by.
        store(arrived, await pass(encoder, decoder, pagesOf(memory, number === 0 ? pages.filter((page) => page >= firstPages) : pages)))
      }
      expect(Buffer.compare(arrived, memory)).toBe(0)
      encoder.close(digestOf(1))
      decoder.close(digestOf(1))
      expect(here.baselines('w')).toEqual(profile === 'datacenter' ? [] : [digestOf(1)])
      expect(there.baselines('w')).toEqual(here.baselines('w'))

      const back = there.encoder({ ...options, have: here.baselines('w') })
      const home = here.decoder(options)
      const returned = new Uint8Array(memory.length)
      store(returned, await pass(back, home, pagesOf(memory, range(MAX_PAGES))))
      expect(Buffer.compare(returned, memory)).toBe(0)
      const { pages, baseline } = back.stats()
      expect(baseline).toBe(profile === 'datacenter' ? undefined : digestOf(1))
      if (profile !== 'datacenter') expect(pages.zero + pages.unchanged).toBe(MAX_PAGES)
    }),
    { numRuns: 60 },
  )
})

test('pages of other sizes and several regions go through, each in its own', async () => {
  const regions = [region(4, 4, 64), region(2, 2, 65_536), region(1, 1, 2 * 1024 * 1024), region(300, 300)]
  const codec = createCodec()
  const [encoder, decoder] = [codec.encoder({ workload: 'w', regions }), codec.decoder({ workload: 'w', regions })]
  for (const [index, { pageBytes, lengthBytes }] of regions.entries()) {
    const memory = noise(index, lengthBytes)
    const arrived = new Uint8Array(lengthBytes)
    store(arrived, await pass(encoder, decoder, pagesOf(memory, range(lengthBytes / pageBytes), index, pageBytes)), pageBytes)
    expect(Buffer.compare(arrived, memory)).toBe(0)
  }
})

test('everything else passes through, in order, opaque state of any length whole', async () => {
  const codec = createCodec()
  const options = { workload: 'w', regions: [region(1)] }
  const [encoder, decoder] = [codec.encoder(options), codec.decoder(options)]
  const chunks: readonly StateChunk[] = [
    { kind: 'opaque', bytes: prose(1, 3_000_000) },
    { kind: 'round', remainingBytes: 2 ** 40, dirtyBytesPerSecond: 1234.5 },
    { kind: 'stopped' },
    { kind: 'opaque', bytes: new Uint8Array(0) },
    { kind: 'opaque', bytes: noise(2, 1024 * 1024) },
    { kind: 'opaque', bytes: noise(2, 1024 * 1024 + 1) },
    { kind: 'final', digest: digestOf(9) },
  ]
  const arrived: StateChunk[] = []
  for (const chunk of chunks) arrived.push(...(await pass(encoder, decoder, chunk)))
  // Bytes are compared by Buffer: the matcher takes seconds for megabytes.
  const withoutBytes = (chunk: StateChunk): object => ('bytes' in chunk ? { ...chunk, bytes: chunk.bytes.length } : chunk)
  expect(arrived.map(withoutBytes)).toEqual(chunks.map(withoutBytes))
  const bytesOf = (all: readonly StateChunk[]): Buffer => Buffer.concat(all.flatMap((chunk) => ('bytes' in chunk ? [chunk.bytes] : [])))
  expect(bytesOf(arrived).equals(bytesOf(chunks))).toBe(true)
  expect(encoder.stats().rawBytes).toBe(3_000_000 + 2 * 1024 * 1024 + 1)
})
