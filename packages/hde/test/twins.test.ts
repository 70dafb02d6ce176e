import { isDwcpError, type StateChunk } from '@dwcp/interface'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { DeltaLevel, EncodingProfile } from '../src/index.ts'
import { BACKENDS, type Modules, modulesOn } from './mutations/modules.ts'
import { gathered } from './mutations/streams.ts'
import { frames, noise, PAGE_BYTES, pagesOf, prose, range, region } from './support.ts'

const options = { workload: 'w', regions: [region(64)] }

afterAll(() => void vi.unstubAllEnvs())

/** Compressible and random pages, then changed words and moved pages: every codec and outcome. */
function workload(): readonly StateChunk[] {
  const memory = new Uint8Array(64 * PAGE_BYTES)
  memory.set(prose(1, 32 * PAGE_BYTES))
  memory.set(noise(2, 16 * PAGE_BYTES), 40 * PAGE_BYTES)
  const first = pagesOf(memory, range(64))
  for (const page of [...range(16), ...range(8, 40)]) memory[page * PAGE_BYTES + 99] = page
  memory.copyWithin(50 * PAGE_BYTES, 20 * PAGE_BYTES, 24 * PAGE_BYTES)
  return [first, pagesOf(memory, [...range(20), ...range(20, 40)]), { kind: 'opaque', bytes: prose(5, 100_000) }]
}

const bytesOf = (chunks: readonly StateChunk[]): Buffer => Buffer.concat(chunks.flatMap((chunk) => ('bytes' in chunk ? [chunk.bytes] : [])))

const older = prose(7, 200_000)
const newer = Buffer.concat([older.subarray(90_000), noise(8, 3_000), older.subarray(0, 80_000), prose(9, 20_000)])
for (let at = 1_000; at < 60_000; at += 701) newer[at] = at

const formers = range(40).map((index) => ({ name: `node-${index}`, phase: 'Ready', load: index / 8, text: `${index}`.repeat(50) }))
const documents = formers.map((former, index) => (index % 3 === 0 ? { ...former, load: index, text: `of ${index}`.repeat(30) } : former))

const directions = BACKENDS.flatMap((makes) => BACKENDS.map((reads) => [makes, reads] as const))

describe.each(directions)('what is made on %s', (makes, reads) => {
  const both = async (): Promise<readonly [Modules, Modules]> => [await modulesOn(makes), await modulesOn(reads)]

  test.each<EncodingProfile>(['datacenter', 'hybrid', 'internet', 'v1'])(`is read on ${reads}: pages by %s`, async (profile) => {
    const chunks = workload()
    const [made, read] = await both()
    const encoder = made.hde.createCodec({ profile: () => profile }).encoder(options)
    const decoder = read.hde.createCodec({ profile: () => profile }).decoder(options)
    const arrived: StateChunk[] = []
    for (const frame of await frames(encoder, ...chunks)) arrived.push(...(await decoder.decode(frame)))
    expect(arrived.map(({ kind }) => kind)).toEqual(chunks.map(({ kind }) => kind))
    expect(bytesOf(arrived).equals(bytesOf(chunks))).toBe(true)
  })

  test.each<DeltaLevel>(['fast', 'balanced', 'small'])(`is read on ${reads}: delta streams of level %s`, async (level) => {
    const [made, read] = await both()
    const stream = await gathered(made.hde.createDeltaEncoder({ level }).encode(newer, { base: made.hde.bytesBase(older) }))
    expect(stream.length).toBeLessThan(newer.length / 4)
    expect((await gathered(read.hde.createDeltaDecoder().decode(stream, { base: read.hde.bytesBase(older) }))).equals(newer)).toBe(true)
  })

  test(`is read on ${reads}: documents`, async () => {
    const [made, read] = await both()
    for (const previous of [formers, formers.map(() => undefined)]) {
      expect(await read.hde.decodeDocuments(await made.hde.encodeDocuments(documents, previous), previous)).toEqual(documents)
    }
  })

  test(`is read on ${reads}: v1 packets, whole and as deltas`, async () => {
    const [made, read] = await both()
    const id = made.hde.v1MemoryBaselineId('w')
    const baseline = (asked: string): Uint8Array | undefined => (asked === id ? older : undefined)
    for (const sent of [await made.hde.encodeV1Packet(newer), await made.hde.encodeV1Packet(newer, { baseline: { id, bytes: older } })]) {
      expect(Buffer.compare((await read.hde.decodeV1Packet(sent, { baseline })).bytes, newer)).toBe(0)
    }
  })

  test(`is read on ${reads}: codecs and kernels`, async () => {
    const [made, read] = await both()
    const block = await made.codec.lz4Compress(newer, { prefix: older })
    expect(Buffer.compare(await read.codec.lz4Decompress(block, { lengthBytes: newer.length, prefix: older }), newer)).toBe(0)
    const prefix = Buffer.concat([Uint8Array.of(0x37, 0xa4, 0x30, 0xec), older])
    for (const known of [new Uint8Array(), older, prefix]) {
      const frame = await made.codec.zstdCompress(newer, { prefix: known }).catch((error: unknown) => {
        if (makes === 'native' || !isDwcpError(error, 'ERR_NATIVE_UNAVAILABLE')) throw error
        return undefined
      })
      if (frame === undefined) continue
      expect(Buffer.compare(await read.codec.zstdDecompress(frame, { maxBytes: newer.length, prefix: known }), newer)).toBe(0)
    }
  })
})
