import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { isDwcpError } from '@dwcp/interface'
import { codecBackend } from '@dwcp/native-rdma/codec'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { noise } from '../../test/support.ts'
import {
  bytesBase,
  createDeltaDecoder,
  createDeltaEncoder,
  type DeltaBase,
  type DeltaLevel,
  fileBase,
  inspectDelta,
  joinedBase,
} from '../index.ts'
import { blocksOf } from './blocks.ts'

/** Text-like bytes: they compress, and repeat now and then. */
function prose(length: number, seed: number): Uint8Array<ArrayBuffer> {
  let state = seed | 1
  return Uint8Array.from({ length }, (_, at) => {
    if (at % 7 === 0) state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return 97 + ((state >> (at % 7)) & 15)
  })
}

async function gathered(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const list: Uint8Array[] = []
  for await (const part of parts) list.push(part)
  return Buffer.concat(list)
}

const encode = (target: Uint8Array, base: DeltaBase, level: DeltaLevel = 'balanced'): Promise<Buffer> =>
  gathered(createDeltaEncoder({ level }).encode(target, { base }))
const decode = (stream: Uint8Array, base: DeltaBase): Promise<Buffer> => gathered(createDeltaDecoder().decode(stream, { base }))

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    if (!isDwcpError(error)) throw error
    return error.code
  }
}

const older = prose(300_000, 5)
const newer = Buffer.concat([older.subarray(150_000), prose(5_000, 9), older.subarray(0, 149_000), Buffer.from('the end')])

test.each(['fast', 'balanced', 'small'] as const)('a newer version comes back whole from far fewer bytes at level %s', async (level) => {
  const stream = await encode(newer, bytesBase(older), level)
  expect((await decode(stream, bytesBase(older))).equals(newer)).toBe(true)
  expect(stream.length).toBeLessThan(newer.length / 20)
})

test('what was edited is described by its former version', async () => {
  const edited = older.slice()
  for (let at = 100_000; at < 110_000; at += 12) edited[at] = 33
  const alone = await encode(edited.subarray(100_000, 110_000), bytesBase(new Uint8Array()))
  expect((await encode(edited, bytesBase(older))).length).toBeLessThan(alone.length * 0.75)
})

test('an unchanged object of a megabyte costs little more than its digests', async () => {
  const same = prose(1 << 20, 3)
  expect((await encode(same, bytesBase(same))).length).toBeLessThan(128)
})

test('a first copy says once what stands in it twice, however far apart', async () => {
  const far = noise(1, 4 << 20)
  const object = Buffer.concat([far, noise(2, 6 << 20), far])
  const stream = await encode(object, bytesBase(new Uint8Array()))
  const isNative = codecBackend().zstd.kind === 'native'
  expect(stream.length).toBeLessThan(isNative ? object.length - 0.9 * far.length : object.length + 1000)
  expect(Buffer.compare(await decode(stream, bytesBase(new Uint8Array())), object)).toBe(0)
})

test('empty objects and missing bases are fine', async () => {
  const nothing = bytesBase(new Uint8Array())
  expect(await decode(await encode(new Uint8Array(), nothing), nothing)).toHaveLength(0)
  expect((await decode(await encode(newer, nothing), nothing)).equals(newer)).toBe(true)
  expect(await decode(await encode(new Uint8Array(), bytesBase(older)), bytesBase(older))).toHaveLength(0)
})

test('files, several bases and iterables serve as well', async ({ onTestFinished }) => {
  const folder = await mkdtemp(join(tmpdir(), 'dwcp-delta-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'older'), older)
  await writeFile(join(folder, 'newer'), newer)
  await using base = joinedBase([await fileBase(join(folder, 'older')), bytesBase(prose(999, 1))])
  await using object = await fileBase(join(folder, 'newer'))
  const encoder = createDeltaEncoder()
  const stream = await gathered(encoder.encode(object, { base }))
  expect((await decode(stream, base)).equals(newer)).toBe(true)
  expect(encoder.stats()).toMatchObject({ rawBytes: newer.length, wireBytes: stream.length })
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < newer.length; at += 1_000) yield newer.subarray(at, at + 1_000)
  }
  expect((await gathered(createDeltaEncoder().encode(pieces(), { base, lengthBytes: newer.length }))).equals(stream)).toBe(true)
})

test('a file that became shorter is said to be', async ({ onTestFinished }) => {
  const folder = await mkdtemp(join(tmpdir(), 'dwcp-delta-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'older')
  await writeFile(path, older)
  await using base = await fileBase(path)
  await truncate(path, 10)
  await expect(encode(newer, base)).rejects.toThrow('has become shorter')
})

test('blocks are full but the last, however the pieces come', async () => {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const length of [3, 0, 10, 1, 6]) yield new Uint8Array(length)
  }
  const lengths: number[] = []
  for await (const block of blocksOf(pieces(), 8)) lengths.push(block.length)
  expect(lengths).toEqual([8, 8, 4])
})

test('another base is refused before any byte comes out', async () => {
  const stream = await encode(newer, bytesBase(older))
  const other = older.slice()
  other[77] = 0
  for (const wrong of [bytesBase(other), bytesBase(older.subarray(1)), bytesBase(new Uint8Array())]) {
    expect(await codeOf(createDeltaDecoder().decode(stream, { base: wrong }).next())).toBe('ERR_HDE_BASELINE_MISSING')
  }
})

test('a base that changes after it was looked at gives an error, never wrong bytes', async () => {
  const stream = await encode(newer, bytesBase(older))
  let reads = 0
  const shifting: DeltaBase = {
    ...bytesBase(older),
    lengthBytes: older.length,
    read: async (offset, length) => {
      reads += 1
      const bytes = older.slice(offset, offset + length)
      if (reads > 1) bytes.fill(0)
      return bytes
    },
  }
  // Windows too small to hold the base make the decoder read it again.
  const limits = { windowBytes: older.length - 1 }
  expect(await codeOf(gathered(createDeltaDecoder({ limits }).decode(stream, { base: shifting })))).toBe('ERR_HDE_LIMIT')
  expect(await codeOf(decode(stream, { ...shifting, read: async (offset, length) => older.slice(offset, offset + length).fill(0) }))).toBe(
    'ERR_HDE_BASELINE_MISSING',
  )
})

test('what passes a limit is refused before it is allocated', async () => {
  const stream = await encode(newer, bytesBase(older))
  const tight = createDeltaDecoder({ limits: { blockBytes: newer.length - 1 } })
  expect(await codeOf(gathered(tight.decode(stream, { base: bytesBase(older) })))).toBe('ERR_HDE_LIMIT')
  const endless = Buffer.concat([stream.subarray(0, 8), Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])])
  expect(await codeOf(decode(endless, bytesBase(older)))).toBe('ERR_HDE_LIMIT')
})

test('another version of the format is named', async () => {
  const stream = await encode(newer, bytesBase(older))
  stream[10] = 9
  expect(await codeOf(decode(stream, bytesBase(older)))).toBe('ERR_HDE_VERSION')
})

test('a stream cut anywhere, or followed by anything, is corrupt', async () => {
  const stream = await encode(newer.subarray(0, 20_000), bytesBase(older))
  for (let length = 0; length < stream.length; length += 7) {
    expect(await codeOf(decode(stream.subarray(0, length), bytesBase(older)))).toBe('ERR_HDE_CORRUPT')
  }
  expect(await codeOf(decode(Buffer.concat([stream, Buffer.alloc(1)]), bytesBase(older)))).toBe('ERR_HDE_CORRUPT')
})

test('mutated streams give an error of this package, never other bytes', async () => {
  const target = newer.subarray(100_000, 160_000)
  const base = bytesBase(older.subarray(0, 60_000))
  const stream = await encode(target, base)
  let refused = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ at: fc.nat(stream.length - 1), value: fc.nat(255) }), { minLength: 1, maxLength: 4 }),
      async (changes) => {
        const mutated = Buffer.from(stream)
        for (const { at, value } of changes) mutated[at] = value
        try {
          expect((await decode(mutated, base)).equals(target)).toBe(true)
        } catch (error) {
          if (!isDwcpError(error)) throw error
          expect(error.code).toMatch(/^ERR_HDE_/)
          refused += 1
        }
      },
    ),
    { numRuns: 1_500 },
  )
  expect(refused).toBeGreaterThan(1_000)
})

test('a stream tells what it is made of', async () => {
  const stream = await encode(newer, bytesBase(older))
  const summary = await inspectDelta(stream)
  expect(summary).toMatchObject({ baseBytes: older.length, targetBytes: newer.length, wireBytes: stream.length, blocks: 1 })
  expect(summary.baseHash).toMatch(/^[0-9a-f]{32}$/)
  const { literals, copyLengths } = summary.streams
  expect(literals.rawBytes).toBeLessThan(6_000)
  expect(copyLengths.packedBytes).toBeGreaterThan(0)
  expect(await codeOf(inspectDelta(stream.subarray(1)))).toBe('ERR_HDE_CORRUPT')
})

test('encoding and decoding end with their signal', async () => {
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(gathered(createDeltaEncoder().encode(newer, { base: bytesBase(older), signal }))).rejects.toThrow('enough')
  const stream = await encode(newer, bytesBase(older))
  await expect(gathered(createDeltaDecoder().decode(stream, { base: bytesBase(older), signal }))).rejects.toThrow('enough')
})

test('progress is told after each block', async () => {
  const seen: number[] = []
  const stream = await gathered(createDeltaEncoder().encode(newer, { onProgress: ({ rawBytes }) => seen.push(rawBytes) }))
  await gathered(createDeltaDecoder().decode(stream, { onProgress: ({ rawBytes, targetBytes }) => seen.push(rawBytes, targetBytes ?? -1) }))
  expect(seen).toEqual([newer.length, newer.length, newer.length])
})

test('a level that is not one is refused', () => {
  // @ts-expect-error -- what JavaScript would let through
  expect(() => createDeltaEncoder({ level: 'best' })).toThrow(RangeError)
})

test('a stream of Node is taken for what it is, and parts whose memory is used again for what they were', async () => {
  const [base, object] = [prose(4000, 1), prose(4000, 2)]
  async function* reused(): AsyncGenerator<Uint8Array, void, undefined> {
    const part = new Uint8Array(10_000)
    for (let at = 0; at < object.length; at += part.length) {
      part.set(object.subarray(at, at + part.length))
      yield part.subarray(0, Math.min(part.length, object.length - at))
    }
  }
  for (const source of [Readable.from([object.subarray(0, 5), object.subarray(5)]), reused()]) {
    const frames = await gathered(createDeltaEncoder().encode(source, { base: bytesBase(base) }))
    const decoded = await gathered(createDeltaDecoder().decode(frames, { base: bytesBase(base) }))
    expect(Buffer.compare(decoded, object)).toBe(0)
  }
})
