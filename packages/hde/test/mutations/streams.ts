import { type DeltaLevel, v1MemoryBaselineId } from '../../src/index.ts'
import { Breathing } from '../../src/v1/breathing.ts'
import { makeDelta } from '../../src/v1/delta.ts'
import { storedFrame } from '../../src/v1/stored-frame.ts'
import { noise, prose, seeded } from '../support.ts'
import type { Seed, Target } from './attack.ts'
import { deltaStreamParts, documentParts } from './frame-parts.ts'
import type { Modules } from './modules.ts'
import { bytesPart } from './parts.ts'

const LIMITS = { blockBytes: 8_192, windowBytes: 16_384 }
/** A window, a block, and three times a block for its streams, as the README says; tables of a codec beside. */
const DELTA_LIMIT_BYTES = LIMITS.windowBytes + 6 * LIMITS.blockBytes + (1 << 20)

export async function gathered(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const list: Uint8Array[] = []
  for await (const part of parts) list.push(part)
  return Buffer.concat(list)
}

export async function deltaStreams(makes: Modules, reads: Modules): Promise<Target> {
  const base = Buffer.from(prose(5, 12_000))
  const target = Buffer.concat([base.subarray(5_000, 8_500), noise(7, 60), base.subarray(200, 3_000)])
  const roll = seeded(11)
  for (let at = 40; at < 3_000; at += 61) target[at] = roll() & 255
  const { hde } = makes
  // Few and short streams are not worth compressing and stay raw; the longer ones are compressed.
  const objects: readonly (readonly [Uint8Array, DeltaLevel])[] = [
    [target, 'fast'],
    [target, 'balanced'],
    [target, 'small'],
    [target.subarray(0, 300), 'balanced'],
    [prose(8, 4_000), 'balanced'],
  ]
  const seeds = await Promise.all(
    objects.map(async ([object, level]): Promise<Seed> => {
      const stream = await gathered(hde.createDeltaEncoder({ level }).encode(object, { base: hde.bytesBase(base) }))
      const decoder = reads.hde.createDeltaDecoder({ limits: LIMITS })
      return {
        parts: () => deltaStreamParts(stream),
        decode: (bytes) => gathered(decoder.decode(bytes, { base: reads.hde.bytesBase(base) })),
      }
    }),
  )
  return { name: 'delta streams', seeds, refusals: /^ERR_HDE_(CORRUPT|LIMIT|VERSION|BASELINE_MISSING)$/, limitBytes: DELTA_LIMIT_BYTES }
}

const V1_ID = v1MemoryBaselineId('w')
const V1_BASELINE = prose(1, 12_388)
const V1_OBJECT = V1_BASELINE.slice()
V1_OBJECT.set(noise(2, 40), 4_096)
const V1 = { refusals: /^ERR_HDE_(CORRUPT|LIMIT|BASELINE_MISSING)$/, limitBytes: 8 * V1_OBJECT.length + (1 << 20) }

export async function v1Packets({ hde }: Modules, reads: Modules): Promise<Target> {
  const packets = [
    await hde.encodeV1Packet(V1_OBJECT),
    await hde.encodeV1Packet(V1_OBJECT, { baseline: { id: V1_ID, bytes: V1_BASELINE } }),
    await hde.encodeV1Packet(V1_OBJECT, { tier: 'global' }),
  ]
  const seeds = packets.map((packet): Seed => {
    const [head, frame] = [packet.subarray(0, 8), packet.subarray(16)]
    return { parts: () => [bytesPart(frame)], wrap: (bytes) => v1Packet(head, bytes), decode: (bytes) => v1Object(reads, bytes) }
  })
  return { name: 'v1 packets', seeds, ...V1 }
}

/** What nothing in v1 checks: deltas, inside frames that hold them as they are. */
export async function v1Deltas(_makes: Modules, reads: Modules): Promise<Target> {
  const delta = await makeDelta(V1_OBJECT, { id: V1_ID, bytes: V1_BASELINE }, new Breathing(undefined))
  const head = Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0)
  const seed: Seed = {
    parts: () => [bytesPart(delta.subarray(0, 80)), bytesPart(delta.subarray(80))],
    wrap: (bytes) => v1Packet(head, storedFrame(bytes)),
    decode: (bytes) => v1Object(reads, bytes),
  }
  return { name: 'v1 deltas', seeds: [seed], ...V1 }
}

function v1Packet(head: Uint8Array, frame: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(BigInt(frame.length))
  return Buffer.concat([head, length, frame])
}

async function v1Object({ hde }: Modules, packet: Uint8Array): Promise<Uint8Array> {
  const baseline = (id: string): Uint8Array | undefined => (id === V1_ID ? V1_BASELINE : undefined)
  return (await hde.decodeV1Packet(packet, { baseline, lengthBytes: V1_OBJECT.length })).bytes
}

const DOCUMENT_LIMITS = { documents: 64, nodes: 4_096, documentBytes: 65_536 }

export async function documentBatches({ hde }: Modules, reads: Modules): Promise<Target> {
  const former = Array.from({ length: 12 }, (_, index) => node(index, 0))
  const batches = [
    Array.from({ length: 12 }, (_, index) => node(index, 1)),
    Array.from({ length: 12 }, (_, index) => (index === 4 ? 'another shape' : node(index, index))),
    former,
  ]
  const unknown = former.map(() => undefined)
  const options = { limits: DOCUMENT_LIMITS }
  const seeds: Seed[] = []
  for (const [batch, previous] of [...batches.map((one) => [one, former] as const), [former, unknown] as const]) {
    const bytes = await hde.encodeDocuments(batch, previous)
    const decode = async (mutant: Uint8Array): Promise<Uint8Array> =>
      Buffer.from(JSON.stringify(await reads.hde.decodeDocuments(mutant, previous, options)))
    seeds.push({ parts: () => documentParts(bytes), decode })
  }
  const texts = (documents: readonly unknown[]): Uint8Array[] => documents.map((document) => Buffer.from(JSON.stringify(document)))
  const [older, newer] = [texts(former), texts(batches[1] ?? [])]
  const bytes = await hde.encodeDocumentBytes(newer, older, { form: 'json' })
  const decode = async (mutant: Uint8Array): Promise<Uint8Array> =>
    Buffer.concat(await reads.hde.decodeDocumentBytes(mutant, older, { form: 'json', ...options }))
  seeds.push({ parts: () => documentParts(bytes), decode })
  return {
    name: 'documents',
    seeds,
    refusals: /^ERR_HDE_(CORRUPT|LIMIT|VERSION|BASELINE_MISSING|DICTIONARY_MISSING)$/,
    limitBytes: 4 << 20,
  }
}

function node(index: number, at: number): { readonly [key: string]: string | number | readonly { readonly id: string }[] } {
  const value = (index * 7919 + at * 104_729) % 100_000
  return {
    name: `node-${index}`,
    phase: (index + at) % 5 === 0 ? 'Draining' : 'Ready',
    heartbeat: 1_790_000_000_000 + at * 5_000 + (value % 40),
    load: value / 1000,
    machines: Array.from({ length: 1 + (index % 4) }, (_, one) => ({ id: `vm-${index}-${one + at}` })),
  }
}
