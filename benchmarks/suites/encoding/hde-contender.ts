import { createHash } from 'node:crypto'
import { createCodec, type EncodingProfile } from '@dwcp/hde'
import type { Decoder, Digest, Encoder, StateChunk, StateCodec } from '@dwcp/interface'
import type { Contender, Measurement } from '../../harness/suite.js'
import { PAGE_BYTES } from './page-sets.js'

const WORKLOAD = 'benchmark'
/** As migration's drivers hand pages over. */
const BATCH_PAGES = 256

/**
 * hde with one profile, from the first page to the last decoded one. `before`: what the other side holds already.
 * Encoding and decoding follow one another and are timed apart; what arrives is compared with `memory`, byte for byte.
 */
export async function hdeContender(
  name: string,
  ours: boolean,
  profile: EncodingProfile,
  memory: Uint8Array,
  before?: Uint8Array,
): Promise<Contender> {
  const source = createCodec({ profile: () => profile })
  const target = createCodec({ profile: () => profile })
  const have = before === undefined ? [] : [await agreeOn(before, source, target)]
  const run = async (): Promise<Measurement> => {
    const regions = regionsOf(memory)
    const encoder = source.encoder({ workload: WORKLOAD, regions, have })
    const decoder = target.decoder({ workload: WORKLOAD, regions })
    try {
      return await measure(encoder, decoder, memory)
    } finally {
      encoder.close()
      decoder.close()
    }
  }
  return { name, ours, run }
}

async function measure(encoder: Encoder, decoder: Decoder, memory: Uint8Array): Promise<Measurement> {
  const encodeCpu = cpuStopwatch()
  const frames: Uint8Array[] = []
  for (const chunk of chunksOf(memory)) frames.push(...(await encoder.encode(chunk)))
  const encodeSeconds = encodeCpu()
  const decodeCpu = cpuStopwatch()
  const arrived = new Uint8Array(memory.length)
  for (const frame of frames) for (const chunk of await decoder.decode(frame)) apply(chunk, arrived)
  const decodeSeconds = decodeCpu()
  if (Buffer.compare(arrived, memory) !== 0) throw new Error('what was decoded is not what was encoded')
  const wireBytes = frames.reduce((sum, frame) => sum + frame.length, 0)
  return { 'wire bytes': wireBytes, 'encode CPU': encodeSeconds, 'decode CPU': decodeSeconds }
}

/** Both sides see `memory` once and keep it under its digest. */
async function agreeOn(memory: Uint8Array, source: StateCodec, target: StateCodec): Promise<Digest> {
  const digest: Digest = `sha-256:${createHash('sha256').update(memory).digest('hex')}`
  const regions = regionsOf(memory)
  const encoder = source.encoder({ workload: WORKLOAD, regions })
  const decoder = target.decoder({ workload: WORKLOAD, regions })
  for (const chunk of chunksOf(memory)) for (const frame of await encoder.encode(chunk)) await decoder.decode(frame)
  encoder.close(digest)
  decoder.close(digest)
  return digest
}

function regionsOf(memory: Uint8Array): [{ pageBytes: number; lengthBytes: number; maxLengthBytes: number }] {
  return [{ pageBytes: PAGE_BYTES, lengthBytes: memory.length, maxLengthBytes: memory.length }]
}

function* chunksOf(memory: Uint8Array): Generator<StateChunk> {
  for (let page = 0; page < memory.length / PAGE_BYTES; page += BATCH_PAGES) {
    const bytes = memory.subarray(page * PAGE_BYTES, (page + BATCH_PAGES) * PAGE_BYTES)
    yield { kind: 'pages', region: 0, pages: Uint32Array.from({ length: bytes.length / PAGE_BYTES }, (_, index) => page + index), bytes }
  }
}

function apply(chunk: StateChunk, memory: Uint8Array): void {
  if (chunk.kind !== 'pages') return
  chunk.pages.forEach((page, index) => memory.set(chunk.bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES), page * PAGE_BYTES))
}

/** Seconds of CPU of the whole process: the codec's threads are in it, and hardly anything else is. */
function cpuStopwatch(): () => number {
  const start = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1e6
  }
}
