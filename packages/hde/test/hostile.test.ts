import { isDwcpError, type StateChunk } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { createCodecOn } from '../src/codec.ts'
import { createCodec, type EncodingProfile } from '../src/index.ts'
import { type Kernels, loadKernels } from '../src/kernels.ts'
import { frames, noise, PAGE_BYTES, pagesOf, prose, region, seeded } from './support.ts'

const PAGES = 8
const options = { workload: 'w', regions: [region(PAGES, PAGES, 256), region(2, 64)] }
const LIMITS = { frameBytes: 64 * 1024, chunkBytes: 64 * 1024 }
const EXPECTED = ['ERR_HDE_CORRUPT', 'ERR_HDE_LIMIT', 'ERR_HDE_VERSION', 'ERR_HDE_BASELINE_MISSING'] as const

/** A stream with every kind of frame, outcome and codec that the profile knows. */
async function stream(profile: EncodingProfile, load: () => Promise<Kernels> = loadKernels): Promise<readonly Uint8Array[]> {
  const encoder = createCodecOn(load, { profile: () => profile }).encoder(options)
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

const lz4Only = async (): Promise<Kernels> => ({ ...(await loadKernels()), zstdEncodes: false, zstdPrefix: false })

/** A frame and what a decoder must have seen before it. */
interface Case {
  readonly before: readonly Uint8Array[]
  readonly frame: Uint8Array
}

/** Frames that a mutation can do most with, each behind as few others as it needs. */
async function cases(): Promise<readonly Case[]> {
  const codec = createCodec()
  const short = async (chunk: StateChunk): Promise<Case> => caseAt(await frames(codec.encoder(options), chunk), 1)
  const [hybrid, datacenter, v1, lz4] = [
    await stream('hybrid'),
    await stream('datacenter'),
    await stream('v1'),
    await stream('hybrid', lz4Only),
  ]
  return [
    ...[hybrid, datacenter, v1, lz4].map((made) => caseAt(made, 1)),
    ...[hybrid, hybrid, lz4].map((made) => caseAt(made, 2)),
    caseAt(hybrid, 0),
    await short({ kind: 'opaque', bytes: prose(3, 500) }),
    await short({ kind: 'round', remainingBytes: 5, dirtyBytesPerSecond: 6 }),
    await short({ kind: 'final', digest: 'sha-256:00' }),
  ]
}

const caseAt = (made: readonly Uint8Array[], number: number): Case => ({
  before: made.slice(0, number),
  frame: made[number] ?? new Uint8Array(0),
})

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

test('200,000 mutated frames: no crash, no hang, no foreign error, no wrong byte, no memory past the limits', {
  timeout: 120_000,
}, async () => {
  const codec = createCodec({ limits: LIMITS })
  const all = await cases()
  const intact = await Promise.all(all.map((one) => outcomeOf(codec, one)))
  const next = seeded(20_261_122)
  let refused = 0
  let slowestMs = 0
  for (let count = 0; count < 200_000; count += 1) {
    const number = next() % all.length
    const { before, frame } = all[number] ?? { before: [], frame: new Uint8Array(0) }
    const mutant = mutate(frame, next)
    const startedMs = performance.now()
    const outcome = await outcomeOf(codec, { before, frame: mutant })
    slowestMs = Math.max(slowestMs, performance.now() - startedMs)
    if (typeof outcome === 'string') refused += 1
    // A codec may read the same content from other bytes; nothing else may come out.
    else expect(outcome).toEqual(intact[number])
  }
  expect(refused).toBeGreaterThan(190_000)
  // The work takes well under a millisecond; a shared machine may stop a process for much longer.
  expect(slowestMs).toBeLessThan(5_000)
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(256 * 1024 * 1024)
})

/** Most mutations go where the numbers are. */
function mutate(frame: Uint8Array, next: () => number): Uint8Array {
  const mutant = frame.slice()
  for (let changes = 1 + (next() % 3); changes > 0; changes -= 1) {
    const at = next() % 2 === 0 ? next() % Math.min(mutant.length, 24) : next() % mutant.length
    mutant[at] = next() % 3 === 0 ? 0xff : (mutant[at] ?? 0) ^ (1 << (next() % 8))
  }
  return mutant
}
