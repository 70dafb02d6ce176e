import { isDwcpError } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { createCodec, type PageCodec } from '../src/index.ts'
import { codeOf, digestOf, frames, noise, PAGE_BYTES, pagesOf, pass, range, region, store } from './support.ts'

const options = { workload: 'w', regions: [region(16)] }
const memory = noise(1, 16 * PAGE_BYTES)

/** A codec that holds `content` under digest 1, as a receiver or a sender would. */
async function holding(content: Uint8Array, codec: PageCodec = createCodec()): Promise<PageCodec> {
  const [encoder, decoder] = [createCodec().encoder(options), codec.decoder(options)]
  await pass(encoder, decoder, pagesOf(content, range(16)))
  decoder.close(digestOf(1))
  return codec
}

test('takes the first digest of the receiver that it holds itself', async () => {
  const codec = await holding(memory)
  const encoder = codec.encoder({ ...options, have: [digestOf(7), digestOf(1), digestOf(8)] })
  await encoder.encode(pagesOf(memory, range(16)))
  expect(encoder.stats()).toMatchObject({ baseline: digestOf(1), pages: { unchanged: 16 } })
  for (const other of [{ have: [digestOf(7)] }, { workload: 'other', have: [digestOf(1)] }]) {
    const without = codec.encoder({ ...options, ...other })
    await without.encode(pagesOf(memory, range(16)))
    expect(without.stats()).toMatchObject({ pages: { unchanged: 0 } })
    expect(without.stats().baseline).toBeUndefined()
  }
})

test('a receiver that lost the baseline says which one, and full pages go through afterwards', async () => {
  const source = await holding(memory)
  const target = createCodec()
  const [first] = await frames(source.encoder({ ...options, have: [digestOf(1)] }), pagesOf(memory, range(16)))
  const decoder = target.decoder(options)
  const error: unknown = await decoder.decode(first ?? new Uint8Array(0)).catch((caught: unknown) => caught)
  expect(isDwcpError(error, 'ERR_HDE_BASELINE_MISSING') && error.details).toEqual({ digest: digestOf(1), workload: 'w', held: [] })
  expect(await codeOf(() => decoder.decode(new Uint8Array(0)))).toBe('ERR_HDE_STATE')
  const arrived = new Uint8Array(memory.length)
  store(arrived, await pass(source.encoder(options), target.decoder(options), pagesOf(memory, range(16))))
  expect(Buffer.compare(arrived, memory)).toBe(0)
})

test('other bytes under the same digest are found by the check, never handed out', async () => {
  const source = await holding(memory)
  const other = memory.slice()
  other[5 * PAGE_BYTES] = (other[5 * PAGE_BYTES] ?? 0) + 1
  const target = await holding(other)
  const now = memory.slice()
  for (const page of range(16)) now[page * PAGE_BYTES + 9] = 0
  for (const content of [memory, now]) {
    const [encoder, decoder] = [source.encoder({ ...options, have: [digestOf(1)] }), target.decoder(options)]
    expect(await codeOf(() => pass(encoder, decoder, pagesOf(content, range(16))))).toBe('ERR_HDE_CORRUPT')
  }
})

test('a baseline of other regions is not used by an encoder and not accepted by a decoder', async () => {
  const codec = await holding(memory)
  const smaller = { workload: 'w', regions: [region(8)] }
  const finer = { workload: 'w', regions: [region(32, 32, 2048)] }
  for (const other of [smaller, finer]) {
    const encoder = codec.encoder({ ...other, have: [digestOf(1)] })
    await frames(encoder, { kind: 'stopped' })
    expect(encoder.stats().baseline).toBeUndefined()
  }
  const grown = { workload: 'w', regions: [region(16, 32)] }
  const encoder = codec.encoder({ ...grown, have: [digestOf(1)] })
  const [start] = await frames(encoder, { kind: 'stopped' })
  expect(encoder.stats().baseline).toBe(digestOf(1))
  const target = createCodec()
  const two = { workload: 'w', regions: [region(16, 32), region(1)] }
  const before = target.decoder(two)
  for (const frame of await frames(createCodec().encoder(two), pagesOf(memory, [0], 1))) await before.decode(frame)
  before.close(digestOf(1))
  expect(await codeOf(() => target.decoder(grown).decode(start ?? new Uint8Array(0)))).toBe('ERR_HDE_BASELINE_MISSING')
})

test('transfers that build on one baseline at the same time change neither it nor one another', async () => {
  const [source, target] = [await holding(memory), await holding(memory)]
  const streams = range(3).map((number) => ({
    content: noise(number + 10, memory.length),
    encoder: source.encoder({ ...options, have: [digestOf(1)] }),
    decoder: target.decoder(options),
    arrived: new Uint8Array(memory.length),
  }))
  for (const page of range(16)) {
    for (const { content, encoder, decoder, arrived } of streams) store(arrived, await pass(encoder, decoder, pagesOf(content, [page])))
  }
  for (const { content, arrived } of streams) expect(Buffer.compare(arrived, content)).toBe(0)
  const again = source.encoder({ ...options, have: [digestOf(1)] })
  const arrived = new Uint8Array(memory.length)
  store(arrived, await pass(again, target.decoder(options), pagesOf(memory, range(16))))
  expect(again.stats().pages.unchanged).toBe(16)
  expect(Buffer.compare(arrived, memory)).toBe(0)
})

test('a new baseline keeps the older ones, the newest named first', async () => {
  const codec = await holding(memory)
  const encoder = codec.encoder({ ...options, have: [digestOf(1)] })
  await encoder.encode(pagesOf(noise(2, PAGE_BYTES), [0]))
  encoder.close(digestOf(2))
  expect(codec.baselines('w')).toEqual([digestOf(2), digestOf(1)])
})

test('keeps nothing of a stream that broke, is under way or described no image, and says so', async () => {
  const told: unknown[] = []
  const ignore = (): void => undefined
  const logger = {
    info: ignore,
    warn: ignore,
    error: ignore,
    debug: (fields: Readonly<Record<string, unknown>>) => void told.push(fields['why']),
  }
  const codec = createCodec({ logger })
  const broken = codec.decoder(options)
  await broken.decode(new Uint8Array(99)).catch(() => undefined)
  broken.close(digestOf(1))
  const busy = codec.encoder(options)
  const encoding = busy.encode(pagesOf(memory, range(16)))
  busy.close(digestOf(2))
  expect(await codeOf(() => encoding)).toBe('ERR_HDE_STATE')
  createCodec({ logger, profile: () => 'datacenter' })
    .encoder(options)
    .close(digestOf(3))
  await holding(memory, createCodec({ logger, baselineBytes: 1000 }))
  expect(codec.baselines('w')).toEqual([])
  expect(told).toEqual(['the stream did not end well', 'the stream did not end well', 'this profile keeps no image', 'past baselineBytes'])
})

test('baselines past the bound go, the least recently used first', async () => {
  const codec = createCodec({ baselineBytes: 440_000, baselinesPerWorkload: 9 })
  for (const number of range(6)) {
    const [encoder, decoder] = [createCodec().encoder(options), codec.decoder(options)]
    await pass(encoder, decoder, pagesOf(noise(number, memory.length), range(16)))
    decoder.close(digestOf(number))
  }
  expect(codec.baselines('w')).toHaveLength(5)
  expect(codec.baselines('w')).not.toContain(digestOf(0))
})
