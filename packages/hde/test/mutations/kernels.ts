import type { DeltaStreams } from '@dwcp/native-rdma/delta'
import { ByteReader } from '../../src/byte-reader.ts'
import { noise, prose } from '../support.ts'
import type { Seed, Target } from './attack.ts'
import { pageDeltaParts } from './frame-parts.ts'
import type { Modules } from './modules.ts'
import { bytesPart, type Part } from './parts.ts'

const LENGTH = 6_000
const PAGE_BYTES = 512
const COUNT = 12
const REFUSALS = /^ERR_NATIVE_(CORRUPT|TOO_LARGE)$|^ERR_HDE_CORRUPT$/
const STREAMS = ['literalLengths', 'copyLengths', 'shifts', 'literals', 'patchGaps', 'patchValues'] as const

const old = prose(21, 9_000)
const content = new Uint8Array(Buffer.concat([old.subarray(1_000, 4_000), noise(22, 500), prose(23, LENGTH - 3_500)]))

/** What decodes by itself, without a digest around it. */
export async function kernels(makes: Modules, reads: Modules): Promise<readonly Target[]> {
  return [await zstdFrames(makes, reads), await lz4Blocks(makes, reads), await pageDeltas(makes, reads), await scripts(makes, reads)]
}

async function zstdFrames({ codec }: Modules, reads: Modules): Promise<Target> {
  const seeds: Seed[] = []
  // What no zstd here can make was made elsewhere.
  const made = codec.codecBackend().zstd.canEncode
    ? await Promise.all([-5, 1, 3, 19].map((level) => codec.zstdCompress(content, { level })))
    : [Buffer.from('28b52ffd0058f50000c073747265616d206f6620756e6b6e6f776e2073697a652c200100ac32c7', 'hex')]
  for (const frame of made) seeds.push(zstdSeed(frame, new Uint8Array(), reads))
  if (codec.codecBackend().zstd.kind === 'native') seeds.push(zstdSeed(await codec.zstdCompress(content, { prefix: old }), old, reads))
  return { name: 'zstd frames', seeds, refusals: REFUSALS, limitBytes: 2 * LENGTH + (1 << 20) }
}

function zstdSeed(frame: Uint8Array, prefix: Uint8Array, { codec }: Modules): Seed {
  return {
    parts: () => [bytesPart(frame.subarray(5))],
    wrap: (bytes) => Buffer.concat([frame.subarray(0, 5), bytes]),
    decode: (bytes) => codec.zstdDecompress(bytes, { maxBytes: LENGTH, prefix }),
  }
}

async function lz4Blocks({ codec }: Modules, reads: Modules): Promise<Target> {
  const seeds = await Promise.all(
    [new Uint8Array(), old].map(async (prefix): Promise<Seed> => {
      const block = await codec.lz4Compress(content, { prefix })
      return { parts: () => [bytesPart(block)], decode: (bytes) => reads.codec.lz4Decompress(bytes, { lengthBytes: LENGTH, prefix }) }
    }),
  )
  return { name: 'LZ4 blocks', seeds, refusals: REFUSALS, limitBytes: LENGTH + (1 << 20) }
}

async function pageDeltas({ codec }: Modules, reads: Modules): Promise<Target> {
  const held = prose(31, (COUNT + 3) * PAGE_BYTES)
  const now = held.slice(0, COUNT * PAGE_BYTES)
  for (let at = 7; at < now.length; at += 900) now[at] = 200
  now.set(noise(32, PAGE_BYTES), 2 * PAGE_BYTES)
  now.fill(0, 3 * PAGE_BYTES, 4 * PAGE_BYTES)
  now.set(held.subarray(COUNT * PAGE_BYTES + 16, (COUNT + 1) * PAGE_BYTES + 16), 4 * PAGE_BYTES)
  const delta = await codec.encodePageDelta(now, held, { pageBytes: PAGE_BYTES })
  const seed: Seed = {
    parts: () => pageDeltaParts(delta),
    async decode(bytes) {
      const pages = held.slice()
      try {
        await reads.codec.applyPageDelta(bytes, pages, { pageBytes: PAGE_BYTES, count: COUNT })
      } catch (error) {
        if (Buffer.compare(pages, held) !== 0) throw new Error('pages were changed by what was refused', { cause: error })
        throw error
      }
      return pages
    },
  }
  return { name: 'page deltas', seeds: [seed], refusals: REFUSALS, limitBytes: 5 * held.length + (1 << 20) }
}

/** The six streams, each behind its length. */
async function scripts({ delta }: Modules, reads: Modules): Promise<Target> {
  const target = content.slice()
  for (let at = 30; at < 2_900; at += 71) target[at] = at
  const seeds = await Promise.all(
    (['fast', 'small'] as const).map(async (effort): Promise<Seed> => {
      const streams = await delta.deltaMatch(target, old, { effort, position: -50 })
      return {
        parts: () => STREAMS.map((name): Part => ({ kind: 'sized', parts: [bytesPart(streams[name])] })),
        decode: (bytes) => reads.delta.deltaApply(streamsOf(bytes), old, { lengthBytes: LENGTH, position: -50 }),
      }
    }),
  )
  return { name: 'delta scripts', seeds, refusals: REFUSALS, limitBytes: 3 * LENGTH + (1 << 20) }
}

function streamsOf(bytes: Uint8Array): DeltaStreams {
  const reader = new ByteReader(bytes, 0)
  const next = (): Uint8Array => reader.take(reader.varint())
  return { literalLengths: next(), copyLengths: next(), shifts: next(), literals: next(), patchGaps: next(), patchValues: next() }
}
