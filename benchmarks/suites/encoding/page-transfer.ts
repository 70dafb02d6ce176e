import { createHash } from 'node:crypto'
import { createCodec, type EncodingProfile, type PageDecoder } from '@dwcp/hde'
import type { Digest, EncoderStats, StateChunk, StateCodec } from '@dwcp/interface'
import { PAGE_BYTES } from './page-sets.js'

const WORKLOAD = 'benchmark'
const SIBLING = 'sibling'
/** In one chunk: 1 MiB, as migration's driver of programs hands memory over, and 64 MiB, as one who reads a virtual machine's would. */
export const CHUNK_PAGES = { program: 256, machine: 16_384 } as const
/** What the receiver's memory is filled with before: a page that is not handed out is then seen to be wrong. */
const STALE = 0xa5

/** What one transfer cost. Seconds are of CPU time over all threads. */
export interface TransferCost {
  readonly wireBytes: number
  readonly encodeSeconds: number
  readonly decodeSeconds: number
  readonly pages: EncoderStats['pages']
}

/** Two codecs that hold the same earlier version of a memory, or none. */
export interface PageLink {
  /** Encodes, decodes, places and compares, byte for byte. */
  transfer(memory: ListedMemory): Promise<TransferCost>
}

/** What a driver hands over. */
export interface ListedMemory {
  readonly memory: Uint8Array
  readonly chunks: readonly StateChunk[]
  /** Makes the receiver's memory what it is before. */
  readonly restore: (receiver: Uint8Array) => void
}

/** Every page of the memory is handed over, as in the first round of a migration. */
export function allPages(memory: Uint8Array, chunkPages: number = CHUNK_PAGES.machine): ListedMemory {
  const pages = Uint32Array.from({ length: memory.length / PAGE_BYTES }, (_, index) => index)
  return { memory, chunks: [...chunksOf(memory, pages, chunkPages)], restore: (receiver) => receiver.fill(STALE) }
}

/** The pages that differ from `before` are handed over, as in the rounds that follow. */
export function changedPages(memory: Uint8Array, before: Uint8Array, chunkPages: number): ListedMemory {
  return {
    memory,
    chunks: [...chunksOf(memory, changedPageNumbers(memory, before), chunkPages)],
    restore: (receiver) => receiver.set(before),
  }
}

/** Both versions in whole pages and of one length, zeros behind their ends: an image may have grown, or end within a page. */
export function wholePages(version: Uint8Array, before: Uint8Array | undefined): readonly [Uint8Array, Uint8Array | undefined] {
  const length = Math.ceil(Math.max(version.length, before?.length ?? 0) / PAGE_BYTES) * PAGE_BYTES
  const padded = (bytes: Uint8Array): Uint8Array => {
    if (bytes.length === length) return bytes
    const longer = new Uint8Array(length)
    longer.set(bytes)
    return longer
  }
  return [padded(version), before && padded(before)]
}

/** `before` undefined: of a receiver that holds zeros. */
export function changedPageNumbers(memory: Uint8Array, before: Uint8Array = new Uint8Array(memory.length)): Uint32Array {
  const changed: number[] = []
  for (let at = 0; at < memory.length; at += PAGE_BYTES) {
    if (Buffer.compare(memory.subarray(at, at + PAGE_BYTES), before.subarray(at, at + PAGE_BYTES)) !== 0) changed.push(at / PAGE_BYTES)
  }
  return Uint32Array.from(changed)
}

/** What both sides hold before, if anything. */
export interface HeldBefore {
  readonly before?: Uint8Array | undefined
  /** It is of another workload, as when a machine comes to a node that holds another one. */
  readonly sibling?: true | undefined
}

/** Rounds of a migration follow one another; after one alone, caches and spare memory are what another contender has left. */
const APPLY_PASSES = 4

export async function openPageLink(profile: EncodingProfile, { before, sibling }: HeldBefore = {}): Promise<PageLink> {
  const source = createCodec({ profile: () => profile, siblingBaselines: 1 })
  const target = createCodec({ profile: () => profile, siblingBaselines: 1 })
  if (before !== undefined) await agreeOn(before, sibling === true ? SIBLING : WORKLOAD, source, target)
  return { transfer: (listed) => transfer(listed, source, target, target.baselines(WORKLOAD)) }
}

async function transfer(
  { memory, chunks, restore }: ListedMemory,
  source: ReturnType<typeof createCodec>,
  target: ReturnType<typeof createCodec>,
  have: readonly Digest[],
): Promise<TransferCost> {
  const job = { workload: WORKLOAD, regions: regionsOf(memory) }
  const encoder = source.encoder({ ...job, have })
  try {
    const encodeCpu = cpuStopwatch()
    const frames: Uint8Array[] = []
    for (const chunk of chunks) frames.push(...(await encoder.encode(chunk)))
    const encodeSeconds = encodeCpu()
    // One for all: giving memory back to the kernel would be in the next one's time.
    const arrived = new Uint8Array(memory.length)
    let decodeSeconds = 0
    for (let pass = 0; pass < APPLY_PASSES; pass += 1) {
      // Before the clock runs: faulting memory in is the kernel's work and depends on whose memory it is.
      restore(arrived)
      decodeSeconds += (await applied(frames, target.decoder(job), arrived)) / APPLY_PASSES
      if (Buffer.compare(arrived, memory) !== 0) throw new Error('what was decoded is not what was encoded')
    }
    const wireBytes = frames.reduce((sum, frame) => sum + frame.length, 0)
    return { wireBytes, encodeSeconds, decodeSeconds, pages: encoder.stats().pages }
  } finally {
    encoder.close()
  }
}

/** CPU seconds of a decoder from its first frame to its last. */
async function applied(frames: readonly Uint8Array[], decoder: PageDecoder, memory: Uint8Array): Promise<number> {
  try {
    const cpu = cpuStopwatch()
    for (const frame of frames) await decoder.apply(frame, () => memory)
    return cpu()
  } finally {
    decoder.close()
  }
}

/** Both sides see `memory` once and keep it under its digest. */
async function agreeOn(memory: Uint8Array, workload: string, source: StateCodec, target: StateCodec): Promise<void> {
  const digest: Digest = `sha-256:${createHash('sha256').update(memory).digest('hex')}`
  const job = { workload, regions: regionsOf(memory) }
  const encoder = source.encoder(job)
  const decoder = target.decoder(job)
  for (const chunk of allPages(memory).chunks) for (const frame of await encoder.encode(chunk)) await decoder.decode(frame)
  encoder.close(digest)
  decoder.close(digest)
}

function regionsOf(memory: Uint8Array): [{ pageBytes: number; lengthBytes: number; maxLengthBytes: number }] {
  return [{ pageBytes: PAGE_BYTES, lengthBytes: memory.length, maxLengthBytes: memory.length }]
}

function* chunksOf(memory: Uint8Array, listed: Uint32Array, chunkPages: number): Generator<StateChunk> {
  for (let first = 0; first < listed.length; first += chunkPages) {
    const pages = listed.slice(first, first + chunkPages)
    yield { kind: 'pages', region: 0, pages, bytes: bytesOf(memory, pages) }
  }
}

/** A view where the pages follow one another, as a driver gives it; else their copies. */
function bytesOf(memory: Uint8Array, pages: Uint32Array): Uint8Array {
  const [first = 0, last = 0] = [pages[0], pages.at(-1)]
  if (last - first === pages.length - 1) return memory.subarray(first * PAGE_BYTES, (last + 1) * PAGE_BYTES)
  const bytes = new Uint8Array(pages.length * PAGE_BYTES)
  pages.forEach((page, index) => bytes.set(memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), index * PAGE_BYTES))
  return bytes
}

/** Seconds of CPU of the whole process: the codec's threads are in it, and hardly anything else is. */
export function cpuStopwatch(): () => number {
  const start = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1e6
  }
}
