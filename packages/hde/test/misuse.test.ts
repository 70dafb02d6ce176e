import type { StateChunk } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { createCodec, DEFAULT_DECODE_LIMITS } from '../src/index.ts'
import { codeOf, frames, noise, PAGE_BYTES, pagesOf, prose, range, region } from './support.ts'

const options = { workload: 'w', regions: [region(16)] }
const memory = noise(1, 16 * PAGE_BYTES)

test.each<[string, StateChunk]>([
  ['of a region that is not there', pagesOf(memory, [0], 1)],
  ['past the end of the region', { kind: 'pages', region: 0, pages: Uint32Array.of(16), bytes: new Uint8Array(PAGE_BYTES) }],
  ['out of order', pagesOf(memory, [3, 2])],
  ['twice', pagesOf(memory, [2, 2])],
  ['without their bytes', { kind: 'pages', region: 0, pages: Uint32Array.of(1), bytes: new Uint8Array(PAGE_BYTES - 1) }],
])('pages %s are refused at once and harm nothing', async (_, chunk) => {
  const encoder = createCodec().encoder(options)
  await expect(encoder.encode(chunk)).rejects.toThrow(RangeError)
  expect(await encoder.encode(pagesOf(memory, range(16)))).toHaveLength(2)
})

test('a round of negative or unknown numbers is refused', async () => {
  const encoder = createCodec().encoder(options)
  await expect(encoder.encode({ kind: 'round', remainingBytes: -1, dirtyBytesPerSecond: 0 })).rejects.toThrow(RangeError)
  await expect(encoder.encode({ kind: 'round', remainingBytes: 0, dirtyBytesPerSecond: Number.NaN })).rejects.toThrow(RangeError)
})

test('an empty list of pages makes no frame', async () => {
  const encoder = createCodec().encoder(options)
  await encoder.encode({ kind: 'stopped' })
  expect(await encoder.encode(pagesOf(memory, []))).toEqual([])
})

test('one call at a time, and none after close', async () => {
  const encoder = createCodec().encoder(options)
  const first = encoder.encode(pagesOf(memory, range(16)))
  expect(await codeOf(() => encoder.encode({ kind: 'stopped' }))).toBe('ERR_HDE_STATE')
  await first
  encoder.close()
  expect(await codeOf(() => encoder.encode({ kind: 'stopped' }))).toBe('ERR_HDE_STATE')
  const decoder = createCodec().decoder(options)
  decoder.close()
  expect(await codeOf(() => decoder.decode(new Uint8Array(30)))).toBe('ERR_HDE_STATE')
})

test('frames that are missing, repeated, out of order or of another stream are refused', async () => {
  const codec = createCodec()
  const made = await frames(codec.encoder(options), ...range(4).map((page) => pagesOf(memory, [page])))
  const [start, one, two] = [made[0], made[1], made[2]].map((frame) => frame ?? new Uint8Array(0))
  for (const order of [[one], [start, two], [start, one, one], [start, start]]) {
    const decoder = codec.decoder(options)
    const codes = []
    for (const frame of order) codes.push(await codeOf(() => decoder.decode(frame ?? new Uint8Array(0))))
    expect(codes.pop()).toBe('ERR_HDE_CORRUPT')
    expect(codes.every((code) => code === 'no error')).toBe(true)
  }
})

test('an encoder for other regions is found out by its first frame', async () => {
  for (const regions of [[region(17)], [region(8, 8, 8192)], [region(16), region(16)]]) {
    const [start] = await frames(createCodec().encoder({ workload: 'w', regions }), { kind: 'stopped' })
    expect(
      await codeOf(() =>
        createCodec()
          .decoder(options)
          .decode(start ?? new Uint8Array(0)),
      ),
    ).toBe('ERR_HDE_CORRUPT')
  }
})

test('limits hold at the bound and one past it', async () => {
  const made = await frames(createCodec().encoder(options), pagesOf(memory, range(16)))
  const largest = Math.max(...made.map(({ length }) => length))
  const outcome = async (frameBytes: number, chunkBytes: number): Promise<string> => {
    const decoder = createCodec({ limits: { frameBytes, chunkBytes } }).decoder(options)
    return codeOf(async () => {
      for (const frame of made) await decoder.decode(frame)
    })
  }
  expect(await outcome(largest, 16 * PAGE_BYTES)).toBe('no error')
  expect(await outcome(largest - 1, 16 * PAGE_BYTES)).toBe('ERR_HDE_LIMIT')
  expect(await outcome(largest, 16 * PAGE_BYTES - 1)).toBe('ERR_HDE_LIMIT')

  const parts = await frames(createCodec().encoder(options), { kind: 'opaque', bytes: prose(1, 2_500_000) })
  for (const [chunkBytes, code] of [
    [2_500_000, 'no error'],
    [2_499_999, 'ERR_HDE_LIMIT'],
  ] as const) {
    const decoder = createCodec().decoder({ ...options, limits: { frameBytes: 4_000_000, chunkBytes } })
    const decodeAll = async (): Promise<void> => {
      for (const frame of parts) await decoder.decode(frame)
    }
    expect(await codeOf(decodeAll)).toBe(code)
  }
  const tooLong = { kind: 'opaque' as const, bytes: new Uint8Array(DEFAULT_DECODE_LIMITS.chunkBytes + 1) }
  expect(await codeOf(() => createCodec().encoder(options).encode(tooLong))).toBe('ERR_HDE_LIMIT')
})

test('regions past what the format describes are refused', async () => {
  const codec = createCodec()
  for (const regions of [
    Array.from({ length: 1025 }, () => region(1)),
    [region(1, 1, 32)],
    [region(1, 1, 4 * 1024 * 1024)],
    [region(1, 1, 4097)],
    [{ pageBytes: 64, lengthBytes: 64, maxLengthBytes: 2 ** 38 }],
    [{ pageBytes: 64, lengthBytes: 64, maxLengthBytes: -64 }],
  ]) {
    expect(await codeOf(() => codec.encoder({ workload: 'w', regions }))).toBe('ERR_HDE_LIMIT')
    expect(await codeOf(() => codec.decoder({ workload: 'w', regions }))).toBe('ERR_HDE_LIMIT')
  }
  expect(codec.encoder({ workload: 'w', regions: Array.from({ length: 1024 }, () => region(1)) }).stats().rawBytes).toBe(0)
})

test('options that cannot be are refused at once', () => {
  expect(() => createCodec({ baselineBytes: -1 })).toThrow(RangeError)
  expect(() => createCodec({ limits: { frameBytes: 0, chunkBytes: 1 } })).toThrow(RangeError)
  expect(() => createCodec().decoder({ ...options, limits: { frameBytes: 1, chunkBytes: Number.NaN } })).toThrow(RangeError)
})

test('opaque state that breaks off is found out', async () => {
  const made = await frames(createCodec().encoder(options), { kind: 'opaque', bytes: prose(1, 1_500_000) })
  const other = await frames(createCodec().encoder(options), { kind: 'stopped' }, { kind: 'stopped' })
  const decoder = createCodec().decoder(options)
  for (const frame of made.slice(0, 2)) await decoder.decode(frame)
  expect(await codeOf(() => decoder.decode(other[2] ?? new Uint8Array(0)))).toBe('ERR_HDE_CORRUPT')
})
