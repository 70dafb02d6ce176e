import { type Cost, type PageMethod, PageSampler } from '@dwcp/hde/choice'
import {
  applyPageDelta,
  encodePageDelta,
  lz4Compress,
  lz4Decompress,
  tagPages,
  zstdCompress,
  zstdDecompress,
} from '@dwcp/native-rdma/codec'
import { PAGE_BYTES, type Region, sampleOf } from './regions.js'

/** Work that takes less is done several times for one figure: the clock of CPU time and the loop have their own cost. */
const LEAST_MS = 2
const MOST_TIMES = 50

/** Packs by one method and back, verified; CPU time of the whole process, the least of `repeats`. */
export async function measureMethod({ pages, old }: Region, method: PageMethod, repeats: number): Promise<Cost> {
  if (method.kind === 'raw') return { encodeMs: 0, bytes: pages.length, decodeMs: 0 }
  // Nothing is compressed at level 0, so that nothing else helps.
  const known = method.level === 0 ? old.subarray(0, pages.length) : old
  const encode = (): Promise<Uint8Array> => {
    // Encoders look for what has moved before they pack.
    if (method.kind === 'delta') for (const each of [pages, old.subarray(0, pages.length)]) tagPages(each, PAGE_BYTES)
    return packed(pages, known, method)
  }
  const bytes = await encode()
  const space = new Uint8Array(Math.max(known.length, pages.length))
  const decode = (): Promise<Uint8Array> => unpacked(bytes, pages.length, known, space, method)
  if (Buffer.compare(await decode(), pages) !== 0) throw new Error(`${method.name} does not give back what it was given`)
  // Putting the old pages back is not the decoder's work.
  const restoreMs = method.kind === 'delta' ? await cpuMs(async () => space.set(known), repeats) : 0
  const decodeMs = await cpuMs(decode, repeats)
  return { encodeMs: await cpuMs(encode, repeats), bytes: bytes.length, decodeMs: Math.max(0, decodeMs - restoreMs) }
}

/** Milliseconds that looking at a region takes. */
export async function measureSampling(region: Region, repeats: number): Promise<number> {
  const sampler = new PageSampler(tagPages)
  return cpuMs(async () => sampler.of(sampleOf(region)), repeats)
}

function packed(pages: Uint8Array, old: Uint8Array, { kind, level }: PageMethod): Promise<Uint8Array> {
  if (kind === 'lz4') return lz4Compress(pages)
  return kind === 'zstd' ? zstdCompress(pages, { level }) : encodePageDelta(pages, old, { pageBytes: PAGE_BYTES, level })
}

async function unpacked(
  bytes: Uint8Array,
  lengthBytes: number,
  old: Uint8Array,
  space: Uint8Array,
  { kind }: PageMethod,
): Promise<Uint8Array> {
  if (kind === 'lz4') return lz4Decompress(bytes, { lengthBytes })
  if (kind === 'zstd') return zstdDecompress(bytes, { maxBytes: lengthBytes })
  space.set(old)
  await applyPageDelta(bytes, space.subarray(0, old.length), { pageBytes: PAGE_BYTES, count: lengthBytes / PAGE_BYTES })
  return space.subarray(0, lengthBytes)
}

async function cpuMs(work: () => Promise<unknown>, repeats: number): Promise<number> {
  let times = 1
  let least = Number.POSITIVE_INFINITY
  await work()
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const start = process.cpuUsage()
    for (let time = 0; time < times; time += 1) await work()
    const { user, system } = process.cpuUsage(start)
    const totalMs = (user + system) / 1000
    least = Math.min(least, totalMs / times)
    if (totalMs < LEAST_MS) times = Math.min(MOST_TIMES, times * 2 + Math.floor(LEAST_MS / Math.max(0.1, least)))
  }
  return least
}
