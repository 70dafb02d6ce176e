import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isDwcpError, type StateChunk } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { MAGIC } from '../src/delta/format.ts'
import { FrameReader } from '../src/delta/frame-reader.ts'
import { createCodec, type EncodingProfile } from '../src/index.ts'
import { loadKernels } from '../src/kernels.ts'
import { beginFrame, FRAME_KINDS, sealFrame } from '../src/state/frame.ts'
import { frames, noise, PAGE_BYTES, pagesOf, prose, region } from './support.ts'

const PAGES = 8
const options = { workload: 'w', regions: [region(PAGES, PAGES, 256), region(2, 64)] }
const LIMITS = { frameBytes: 64 * 1024, chunkBytes: 64 * 1024 }
const EXPECTED = ['ERR_HDE_CORRUPT', 'ERR_HDE_LIMIT', 'ERR_HDE_VERSION', 'ERR_HDE_BASELINE_MISSING'] as const

/** A stream with every kind of frame, outcome and codec that the profile knows. */
async function stream(profile: EncodingProfile): Promise<readonly Uint8Array[]> {
  const encoder = createCodec({ profile: () => profile }).encoder(options)
  const small = prose(1, PAGES * 256)
  small.fill(0, 256, 512)
  const changed = small.slice()
  changed.copyWithin(5 * 256, 0, 256)
  changed[3 * 256] = 255
  const chunks: readonly StateChunk[] = [
    pagesOf(small, [0, 1, 2, 3], 0, 256),
    pagesOf(changed, [0, 1, 3, 5, 7], 0, 256),
    pagesOf(noise(2, 2 * PAGE_BYTES), [0, 1], 1),
    { kind: 'opaque', bytes: prose(3, 500) },
    { kind: 'round', remainingBytes: 5, dirtyBytesPerSecond: 6 },
    { kind: 'stopped' },
    { kind: 'final', digest: 'sha-256:00' },
  ]
  return frames(encoder, ...chunks)
}

/** A frame and what a decoder must have seen before it. */
interface Case {
  readonly before: readonly Uint8Array[]
  readonly frame: Uint8Array
}

/** What comes out, or the code of an error of this package; any other error is thrown. */
async function outcomeOf(codec: ReturnType<typeof createCodec>, { before, frame }: Case): Promise<readonly StateChunk[] | string> {
  const decoder = codec.decoder(options)
  for (const good of before) await decoder.decode(good)
  try {
    return await decoder.decode(frame)
  } catch (error) {
    for (const code of EXPECTED) if (isDwcpError(error, code)) return code
    throw error
  }
}

test.each<EncodingProfile>(['datacenter', 'hybrid', 'v1'])('%s: a frame cut at any offset is refused', async (profile) => {
  const made = await stream(profile)
  const codec = createCodec({ limits: LIMITS })
  for (const [number, frame] of made.entries()) {
    // Only frames of raw noise are longer than this; every offset of their heads is covered by others.
    const step = Math.max(1, Math.floor(frame.length / 1200))
    for (let length = 0; length < frame.length; length += step) {
      const outcome = await outcomeOf(codec, { before: made.slice(0, number), frame: frame.subarray(0, length) })
      if (outcome !== 'ERR_HDE_CORRUPT') throw new Error(`frame ${number} cut to ${length} bytes: ${JSON.stringify(outcome)}`)
    }
    const longer = { before: made.slice(0, number), frame: Buffer.concat([frame, Buffer.alloc(1)]) }
    expect(await outcomeOf(codec, longer)).toBe('ERR_HDE_CORRUPT')
  }
})

/** What garbage collection leaves of heap and buffers. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('opaque state in parts of one byte takes no more memory than its bytes', async () => {
  const kernels = await loadKernels()
  const decoder = createCodec().decoder(options)
  const [start] = await stream('hybrid')
  await decoder.decode(start ?? new Uint8Array())
  const parts = 100_000
  const part = (sequence: number, flags: number): Uint8Array => {
    const head = beginFrame(FRAME_KINDS.opaque, sequence)
    head.byte(flags)
    head.varint(1)
    head.byte(0)
    return sealFrame(head.view(), Uint8Array.of(7), kernels.hash.xxh3_128(Uint8Array.of(7)), kernels.hash)
  }
  const before = await heldBytes()
  for (let sequence = 1; sequence < parts; sequence += 1) expect(await decoder.decode(part(sequence, 1))).toEqual([])
  expect((await heldBytes()) - before).toBeLessThan(20 * parts)
  expect(await decoder.decode(part(parts, 0))).toEqual([{ kind: 'opaque', bytes: new Uint8Array(parts).fill(7) }])
})

test('a frame that comes byte by byte takes little more memory than its bytes', async () => {
  const length = 300_000
  let most = 0
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.concat([MAGIC, Uint8Array.of(224, 167, 18)])
    const before = await heldBytes()
    for (let at = 0; at < length; at += 1) {
      if (at === length - 1) most = (await heldBytes()) - before
      yield new Uint8Array(1).fill(at)
    }
  }
  const reader = new FrameReader(bytes(), 1 << 20)
  await reader.magic()
  expect(Buffer.from(await reader.frame()).equals(Buffer.from(Uint8Array.from({ length }, (_, at) => at)))).toBe(true)
  expect(await reader.atEnd()).toBe(true)
  expect(most).toBeLessThan(10 * length)
})
