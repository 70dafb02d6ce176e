import type { StateChunk } from '@dwcp/interface'
import type { EncodingProfile, PageCodec } from '../../src/index.ts'
import { digestOf, frames, noise, PAGE_BYTES, pagesOf, prose, region } from '../support.ts'
import type { Seed, Target } from './attack.ts'
import { pagesFrameParts } from './frame-parts.ts'
import type { Modules } from './modules.ts'
import { bytesPart, type Part } from './parts.ts'

const PAGES = 8
const SMALL_PAGE_BYTES = 256
const options = { workload: 'w', regions: [region(PAGES, PAGES, SMALL_PAGE_BYTES), region(2, 64)] }
const LIMITS = { frameBytes: 64 * 1024, chunkBytes: 64 * 1024 }
const PAGES_KIND = 2
/** The chunk, three times the pages of a delta, an image of nothing, and what codecs keep beside: see README § Limits. */
const LIMIT_BYTES = 8 * LIMITS.chunkBytes + (1 << 20)

/** Every kind of frame, outcome and codec that the profile knows. */
function chunksOf(): readonly StateChunk[] {
  const small = prose(1, PAGES * SMALL_PAGE_BYTES)
  small.fill(0, SMALL_PAGE_BYTES, 2 * SMALL_PAGE_BYTES)
  const changed = small.slice()
  changed.copyWithin(5 * SMALL_PAGE_BYTES, 0, SMALL_PAGE_BYTES)
  changed.set(noise(4, SMALL_PAGE_BYTES), 7 * SMALL_PAGE_BYTES)
  changed.copyWithin(6 * SMALL_PAGE_BYTES + 16, 2 * SMALL_PAGE_BYTES, 3 * SMALL_PAGE_BYTES - 16)
  changed[3 * SMALL_PAGE_BYTES] = 255
  return [
    pagesOf(small, [0, 1, 2, 3, 4, 6], 0, SMALL_PAGE_BYTES),
    pagesOf(changed, [0, 1, 3, 5, 6, 7], 0, SMALL_PAGE_BYTES),
    pagesOf(noise(2, 2 * PAGE_BYTES), [0, 1], 1),
    { kind: 'opaque', bytes: prose(3, 500) },
    { kind: 'round', remainingBytes: 5, dirtyBytesPerSecond: 6 },
    { kind: 'stopped' },
    { kind: 'final', digest: 'sha-256:00' },
  ]
}

export async function pageFrames(makes: Modules, reads: Modules): Promise<Target> {
  const seeds: Seed[] = []
  for (const profile of ['datacenter', 'hybrid', 'v1'] as const) seeds.push(...(await seedsOf(makes, reads, profile)))
  seeds.push(...(await seedsOf(makes, reads, 'hybrid', 2)))
  return {
    name: 'frames of pages and state',
    seeds,
    refusals: /^ERR_HDE_(CORRUPT|LIMIT|VERSION|BASELINE_MISSING)$/,
    limitBytes: LIMIT_BYTES,
  }
}

/** @param siblings - Other workloads of which both sides hold a baseline. */
async function seedsOf(makes: Modules, reads: Modules, profile: EncodingProfile, siblings = 0): Promise<readonly Seed[]> {
  const source = makes.hde.createCodec({ profile: () => profile, siblingBaselines: siblings })
  const codec = reads.hde.createCodec({ limits: LIMITS, siblingBaselines: siblings })
  for (const each of [source, codec]) await holdSiblings(each, siblings)
  const made = await frames(source.encoder({ ...options, have: codec.baselines('w') }), ...chunksOf())
  return made.map((frame, number) => ({
    parts: (): Part[] => (frame[1] === PAGES_KIND ? pagesFrameParts(frame) : [bytesPart(frame)]),
    async decode(bytes) {
      const decoder = codec.decoder(options)
      for (const before of made.slice(0, number)) await decoder.decode(before)
      const chunks = await decoder.decode(bytes)
      return Buffer.concat(chunks.flatMap((chunk) => [Buffer.from(chunk.kind), ...('bytes' in chunk ? [chunk.bytes] : [])]))
    },
  }))
}

/** What they have in common with the workload: pages at other addresses, and pages almost as its own. */
async function holdSiblings(codec: PageCodec, siblings: number): Promise<void> {
  for (let number = 0; number < siblings; number += 1) {
    const encoder = codec.encoder({ ...options, workload: `sibling ${number}` })
    const [small, changed, large] = chunksOf()
    for (const chunk of [number === 0 ? small : changed, large]) {
      if (chunk?.kind === 'pages') await encoder.encode({ ...chunk, bytes: chunk.bytes.map((byte, at) => (at % 1000 === 7 ? 0 : byte)) })
    }
    encoder.close(digestOf(number))
  }
}
