import { loadPageImages } from '@dwcp/native-rdma/codec'
import { expect, test } from 'vitest'
import { createCodec, DEFAULT_DECODE_LIMITS } from '../src/index.ts'
import { type Kernels, loadKernels } from '../src/kernels.ts'
import { createCodecOn } from '../src/state/codec.ts'
import { frames, noise, PAGE_BYTES, pagesOf, pass, prose, range, region, store } from './support.ts'

const options = { workload: 'w', regions: [region(16)] }
const sum = (values: readonly Uint8Array[]): number => values.reduce((total, { length }) => total + length, 0)

test('says of every page what became of it', async () => {
  const encoder = createCodec().encoder(options)
  const memory = new Uint8Array(16 * PAGE_BYTES)
  memory.set(noise(1, 4 * PAGE_BYTES))
  await encoder.encode(pagesOf(memory, range(8)))
  expect(encoder.stats().pages).toEqual({ zero: 4, unchanged: 0, duplicate: 0, delta: 0, full: 4 })
  memory[10] = 1
  memory.copyWithin(5 * PAGE_BYTES, 2 * PAGE_BYTES, 3 * PAGE_BYTES)
  memory.set(noise(9, PAGE_BYTES), 9 * PAGE_BYTES)
  await encoder.encode(pagesOf(memory, [0, 1, 5, 6, 9]))
  expect(encoder.stats().pages).toEqual({ zero: 5, unchanged: 1, duplicate: 1, delta: 1, full: 5 })
})

test('a changed word costs a few bytes where the old page is known, a whole page in v1', async () => {
  const memory = noise(3, 16 * PAGE_BYTES)
  const cost = async (profile: 'hybrid' | 'internet' | 'v1'): Promise<number> => {
    const encoder = createCodec({ profile: () => profile }).encoder(options)
    await encoder.encode(pagesOf(memory, range(16)))
    const changed = memory.slice()
    for (const page of range(16)) changed[page * PAGE_BYTES + 100] = (changed[page * PAGE_BYTES + 100] ?? 0) + 1
    return sum(await encoder.encode(pagesOf(changed, range(16))))
  }
  expect(await cost('hybrid')).toBeLessThan(1000)
  expect(await cost('internet')).toBeLessThan(1000)
  expect(await cost('v1')).toBeGreaterThan(16 * PAGE_BYTES)
})

test('a whole batch of 1 MiB is described by its old pages, wherever in it they are', async () => {
  const regions = [region(256)]
  const memory = noise(4, 256 * PAGE_BYTES)
  const encoder = createCodec().encoder({ workload: 'w', regions })
  await encoder.encode(pagesOf(memory, range(256)))
  for (const page of range(256)) memory[page * PAGE_BYTES + 7] = (memory[page * PAGE_BYTES + 7] ?? 0) + 1
  expect(sum(await encoder.encode(pagesOf(memory, range(256))))).toBeLessThan(30_000)
  expect(encoder.stats().pages.delta).toBe(256)
})

test('a page equal to another of the same batch is no duplicate: the peer does not hold that one yet', async () => {
  const encoder = createCodec().encoder(options)
  const memory = new Uint8Array(16 * PAGE_BYTES)
  memory.set(noise(1, PAGE_BYTES), 0)
  memory.set(noise(1, PAGE_BYTES), PAGE_BYTES)
  await encoder.encode(pagesOf(memory, [0, 1]))
  expect(encoder.stats().pages.duplicate).toBe(0)
  memory.set(noise(1, PAGE_BYTES), 2 * PAGE_BYTES)
  await encoder.encode(pagesOf(memory, [2]))
  expect(encoder.stats().pages.duplicate).toBe(1)
})

test('pages that change places refer to where each was before', async () => {
  const codec = createCodec()
  const [encoder, decoder] = [codec.encoder(options), codec.decoder(options)]
  const memory = noise(1, 16 * PAGE_BYTES)
  await pass(encoder, decoder, pagesOf(memory, range(16)))
  const swapped = new Uint8Array(memory.length)
  for (const page of range(16)) swapped.set(memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), (15 - page) * PAGE_BYTES)
  const arrived = new Uint8Array(memory.length)
  store(arrived, await pass(encoder, decoder, pagesOf(swapped, range(16))))
  expect(Buffer.compare(arrived, swapped)).toBe(0)
  expect(encoder.stats().pages.duplicate).toBe(16)
})

test('pages of equal hash and different bytes are never taken for duplicates', async () => {
  const codec = createCodecOn(async () => {
    const hash: Kernels['hash'] = {
      xxh3_128: () => new Uint8Array(16),
      hashPages: (bytes, pageBytes) => new Uint8Array((bytes.length / pageBytes) * 16),
    }
    return { ...(await loadKernels()), hash, images: loadPageImages(hash, 'js') }
  })
  const [encoder, decoder] = [codec.encoder(options), codec.decoder(options)]
  const arrived = new Uint8Array(16 * PAGE_BYTES)
  const memory = noise(5, arrived.length)
  for (const page of range(16)) store(arrived, await pass(encoder, decoder, pagesOf(memory, [page])))
  expect(Buffer.compare(arrived, memory)).toBe(0)
  expect(encoder.stats().pages).toMatchObject({ duplicate: 0, full: 16 })
})

test('bytes that change under us never make the two sides disagree', async () => {
  const codec = createCodec()
  const wide = { workload: 'w', regions: [region(600)] }
  const [encoder, decoder] = [codec.encoder(wide), codec.decoder(wide)]
  const memory = prose(1, 600 * PAGE_BYTES)
  for (const fill of [1, 2]) {
    const chunk = pagesOf(memory, range(600))
    const encoding = encoder.encode(chunk)
    if (chunk.kind === 'pages') chunk.bytes.fill(fill, PAGE_BYTES)
    for (const frame of await encoding) await decoder.decode(frame)
  }
  const arrived = new Uint8Array(memory.length)
  store(arrived, await pass(encoder, decoder, pagesOf(memory, range(600))))
  expect(Buffer.compare(arrived, memory)).toBe(0)
})

test('the datacenter profile compresses what compresses and leaves the rest alone', async () => {
  const codec = createCodec({ profile: () => 'datacenter' })
  const text = codec.encoder(options)
  await frames(text, pagesOf(prose(1, 16 * PAGE_BYTES), range(16)))
  expect(text.stats().payloadBytes.lz4).toBeGreaterThan(0)
  expect(text.stats().wireBytes).toBeLessThan(0.8 * 16 * PAGE_BYTES)
  const random = codec.encoder(options)
  for (const seed of range(10)) await frames(random, pagesOf(noise(seed, 16 * PAGE_BYTES), range(16)))
  expect(random.stats().payloadBytes).toEqual({ raw: 10 * 16 * PAGE_BYTES, lz4: 0, zstd: 0, delta: 0 })
  expect(random.stats().wireBytes).toBeLessThan(10 * 16 * PAGE_BYTES + 1000)
})

test('without a zstd encoder LZ4 serves, old pages help all the same, and the stats and the log say so', async () => {
  const logged: string[] = []
  const log = (_: unknown, message: string): void => void logged.push(message)
  const load = async (): ReturnType<typeof loadKernels> => ({ ...(await loadKernels()), zstdEncodes: false, zstdPrefix: false })
  const codec = createCodecOn(load, { logger: { debug: log, info: log, warn: log, error: log } })
  const [encoder, decoder] = [codec.encoder(options), createCodec().decoder(options)]
  const memory = noise(3, 16 * PAGE_BYTES)
  const arrived = new Uint8Array(memory.length)
  store(arrived, await pass(encoder, decoder, pagesOf(memory, range(16))))
  const before = encoder.stats().wireBytes
  for (const page of range(16)) memory[page * PAGE_BYTES] = (memory[page * PAGE_BYTES] ?? 0) + 1
  store(arrived, await pass(encoder, decoder, pagesOf(memory, range(16))))
  expect(Buffer.compare(arrived, memory)).toBe(0)
  expect(encoder.stats().wireBytes - before).toBeLessThan(1000)
  expect(encoder.stats().payloadBytes.zstd).toBe(0)
  expect(encoder.stats().backends?.lz4).toBeTruthy()
  expect(logged.some((message) => message.includes('LZ4 serves'))).toBe(true)
})

test('no frame passes the default limit, whatever the pages', async () => {
  const regions = [region(4, 4, 2 * 1024 * 1024)]
  const encoder = createCodec({ profile: () => 'datacenter' }).encoder({ workload: 'w', regions })
  const made = await frames(encoder, pagesOf(noise(1, 8 * 1024 * 1024), range(4), 0, 2 * 1024 * 1024))
  expect(Math.max(...made.map(({ length }) => length))).toBeLessThanOrEqual(DEFAULT_DECODE_LIMITS.frameBytes)
})

test('asks for the profile of its own link', () => {
  const codec = createCodec({ profile: (link) => (link === 'far' ? 'internet' : link === undefined ? 'v1' : 'datacenter') })
  const made = [codec.encoder({ ...options, link: 'far' }), codec.encoder({ ...options, link: 'near' }), codec.encoder(options)]
  expect(made.map((encoder) => encoder.stats().profile)).toEqual(['internet', 'datacenter', 'v1'])
})

test('noise goes out raw, at no more than its own size, on every kind of link', async () => {
  const regions = [region(256)]
  const memory = noise(6, 256 * PAGE_BYTES)
  for (const profile of ['datacenter', 'hybrid', 'internet'] as const) {
    const encoder = createCodec({ profile: () => profile }).encoder({ workload: 'w', regions })
    await encoder.encode(pagesOf(memory, range(256)))
    const { payloadBytes } = encoder.stats()
    expect([profile, payloadBytes]).toEqual([profile, { raw: memory.length, lz4: 0, zstd: 0, delta: 0 }])
  }
})

test.each([
  ['hybrid', 'v1'],
  ['internet', 'datacenter'],
  ['datacenter', 'internet'],
  ['v1', 'hybrid'],
] as const)('a transfer that begins as %s and goes on as %s arrives whole', async (before, after) => {
  const regions = [region(64)]
  let profile: 'datacenter' | 'hybrid' | 'internet' | 'v1' = before
  const encoder = createCodec({ profile: () => profile }).encoder({ workload: 'w', regions })
  const decoder = createCodec().decoder({ workload: 'w', regions })
  const source = new Uint8Array(64 * PAGE_BYTES)
  const target = new Uint8Array(64 * PAGE_BYTES)
  source.set(prose(7, 20 * PAGE_BYTES))
  for (let round = 0; round < 4; round++) {
    source.set(noise(round, 3 * PAGE_BYTES), (5 + round) * PAGE_BYTES)
    for (const frame of await encoder.encode(pagesOf(source, range(64)))) store(target, await decoder.decode(frame))
    expect(target).toEqual(source)
    profile = after
  }
  expect(encoder.stats().profile).toBe(after)
})
