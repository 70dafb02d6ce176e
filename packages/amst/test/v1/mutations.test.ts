import { isDwcpError, systemClock } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { Arrival } from '../../src/v1/arrival.ts'
import { ChunkParser } from '../../src/v1/chunk.ts'
import { resolveV1Limits } from '../../src/v1/limits.ts'
import { chunkOf, chunksIn, VECTORS } from './wire.ts'

const WANTED = Number(process.env['DWCP_MUTATIONS'] ?? 30_000)
const SEED = Number(process.env['DWCP_SEED'] ?? Date.now() % 2 ** 31)
const LIMITS = resolveV1Limits({ transferBytes: 1_000_000, chunkBytesMin: 64, chunkBytesMax: 65_536 })
const REFUSALS = /^ERR_AMST_(PROTOCOL|LIMIT)$/
/** Into what one transfer fits at most, and its bookkeeping: what a mutant may take. */
const HELD_LIMIT_BYTES = 2_000_000

/** Whole numbers from 0 to below `bound`. */
type Roll = (bound: number) => number

/** SplitMix32: a seed gives the same mutants on every machine. */
function rolls(seed: number): Roll {
  let state = seed >>> 0
  return (bound) => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * bound)
  }
}

/** A chunk whose fields say what they like. */
interface Chunk {
  id: number
  offset: number
  lengthBytes: number
  totalBytes: number
  payload: Uint8Array
}
type Streams = Chunk[][]

/** A transfer as good senders make it: chunks of one length, in any order, on one to four connections. */
function transferOf(roll: Roll): Streams {
  const chunkBytes = 64 + roll(200)
  const object = Uint8Array.from({ length: 1 + roll(8 * chunkBytes) }, () => roll(256))
  const streams: Streams = Array.from({ length: 1 + roll(4) }, () => [])
  for (let id = 0; id * chunkBytes < object.byteLength; id += 1) {
    const offset = id * chunkBytes
    const payload = object.subarray(offset, offset + chunkBytes)
    const stream = streams[roll(streams.length)] ?? []
    stream.splice(roll(stream.length + 1), 0, { id, offset, lengthBytes: payload.byteLength, totalBytes: object.byteLength, payload })
  }
  return streams
}

const FIELDS = ['id', 'offset', 'lengthBytes', 'totalBytes'] as const

/** One change that a reader must notice, or must not mind. */
function mutate(streams: Streams, donor: Streams, roll: Roll): void {
  const stream = streams[roll(streams.length)] ?? []
  const at = roll(stream.length)
  const chunk = stream[at]
  if (chunk === undefined) return
  const others = [...streams, ...donor].flat()
  const other = others[roll(others.length)] ?? chunk
  const field = FIELDS[roll(FIELDS.length)] ?? 'id'
  switch (roll(12)) {
    case 0:
      chunk[field] += 1
      break
    case 1:
      chunk[field] -= 1
      break
    case 2:
      chunk[field] ^= 1 << roll(32)
      break
    case 3:
      chunk[field] = 2 ** roll(33) - roll(2)
      break
    case 4:
      chunk[field] = other[field]
      break
    case 5:
      stream.splice(at, 1)
      break
    case 6:
      stream.splice(roll(stream.length + 1), 0, { ...other })
      break
    case 7:
      chunk.payload = chunk.payload.subarray(0, roll(chunk.payload.byteLength))
      break
    case 8:
      chunk.payload = Uint8Array.from([...chunk.payload, ...Array.from({ length: 1 + roll(20) }, () => roll(256))])
      break
    case 9:
      chunk.payload = Uint8Array.from(chunk.payload, (byte, n) => (n === 0 ? byte ^ 1 : byte))
      break
    case 10:
      // One chunk as two: right if the ids after it follow.
      stream.splice(at, 1, ...halves(chunk))
      if (roll(2) === 0)
        for (const later of streams.flat()) if (later.offset > chunk.offset && !stream.slice(at, at + 2).includes(later)) later.id += 1
      break
    default:
      for (const each of streams.flat()) each.totalBytes = chunk.totalBytes + roll(3) - 1
  }
  for (const each of streams.flat()) for (const name of FIELDS) each[name] = (each[name] % 2 ** 32) >>> 0
}

function halves(chunk: Chunk): Chunk[] {
  const half = chunk.lengthBytes >>> 1
  return [
    { ...chunk, lengthBytes: half, payload: chunk.payload.subarray(0, half) },
    {
      ...chunk,
      id: chunk.id + 1,
      offset: chunk.offset + half,
      lengthBytes: chunk.lengthBytes - half,
      payload: chunk.payload.subarray(half),
    },
  ]
}

const bytesOf = (stream: readonly Chunk[]): Buffer =>
  Buffer.concat(stream.map(({ id, offset, lengthBytes, totalBytes, payload }) => chunkOf(id, offset, payload, totalBytes, lengthBytes)))

/** What becomes of the bytes of some connections, read in turns and in pieces of any length: the object, or why there is none. */
async function received(streams: readonly Buffer[], roll: Roll): Promise<Uint8Array | string> {
  const connections = streams.map((bytes) => ({ bytes, parser: new ChunkParser(LIMITS) }))
  let arrival: Arrival | undefined
  let taken: Promise<Uint8Array> | undefined
  try {
    for (
      let open = connections.filter(({ bytes }) => bytes.byteLength > 0);
      open.length > 0;
      open = open.filter(({ bytes }) => bytes.byteLength > 0)
    ) {
      const connection = open[roll(open.length)]
      if (connection === undefined) break
      const lengthBytes = 1 + roll(roll(4) === 0 ? 20 : 1000)
      for (const part of connection.parser.parts(connection.bytes.subarray(0, lengthBytes))) {
        if (arrival === undefined && 'header' in part) {
          arrival = new Arrival('somewhere', part.header, { limits: LIMITS, clock: systemClock })
          taken = arrival.bytes()
          taken.catch(() => undefined)
        }
        await arrival?.take(part)
      }
      connection.bytes = connection.bytes.subarray(lengthBytes)
    }
    if (connections.some(({ parser }) => !parser.isBetweenChunks)) return 'cut'
    // Whoever has it all has stored it by then.
    await new Promise((resolve) => setImmediate(resolve))
    arrival?.reject(new Error('incomplete'))
    return (await taken?.catch(() => undefined)) ?? 'incomplete'
  } catch (error) {
    arrival?.reject(error)
    if (!isDwcpError(error) || !REFUSALS.test(error.code)) throw error
    return error.code
  }
}

/** Whether each byte of the object is that of a chunk which was sent for it, the chunks in their order: found by looking, not by parsing. */
function isMadeOf(object: Uint8Array, streams: Streams): boolean {
  const sent = streams.map(bytesOf).flatMap(chunksAsRead)
  let end = 0
  for (let id = 0; end < object.byteLength; id += 1) {
    const chunk = sent.find(
      (one) =>
        one.readUInt32BE(0) === id &&
        one.readUInt32BE(4) === end &&
        one.readUInt32BE(12) === object.byteLength &&
        one.subarray(16).equals(object.subarray(end, end + one.byteLength - 16)),
    )
    if (chunk === undefined) return false
    end += chunk.byteLength - 16
  }
  return end === object.byteLength
}

/** A mutant's stream as whoever reads it sees it; what is cut is left out. */
const chunksAsRead = (stream: Buffer): Buffer[] => {
  const chunks: Buffer[] = []
  for (let at = 0; at + 16 <= stream.byteLength; ) {
    const end = at + 16 + stream.readUInt32BE(at + 8)
    if (end > stream.byteLength) break
    chunks.push(stream.subarray(at, end))
    at = end
  }
  return chunks
}

test('a good transfer arrives in whatever order and pieces its connections bring it', { timeout: 60_000 + WANTED }, async () => {
  const roll = rolls(SEED)
  for (let n = 0; n < WANTED / 20; n += 1) {
    const streams = transferOf(roll)
    const object = await received(streams.map(bytesOf), roll)
    expect(
      typeof object !== 'string' && isMadeOf(object, streams),
      `DWCP_SEED=${SEED}, transfer ${n}: ${String(object).slice(0, 50)}`,
    ).toBe(true)
  }
})

test('mutants are refused, incomplete, or exactly what their chunks say, and take no more memory than they bring', {
  timeout: 60_000 + WANTED,
}, async () => {
  const roll = rolls(SEED + 1)
  const tally = { whole: 0, cut: 0, incomplete: 0, ERR_AMST_PROTOCOL: 0, ERR_AMST_LIMIT: 0 }
  for (let n = 0; n < WANTED; n += 1) {
    const streams = transferOf(roll)
    for (let left = roll(3); left >= 0; left -= 1) mutate(streams, transferOf(roll), roll)
    const before = process.memoryUsage().arrayBuffers
    const outcome = await received(streams.map(bytesOf), roll)
    const what = `DWCP_SEED=${SEED}, mutant ${n}`
    expect(process.memoryUsage().arrayBuffers - before, what).toBeLessThan(HELD_LIMIT_BYTES)
    if (typeof outcome !== 'string') expect(isMadeOf(outcome, streams), what).toBe(true)
    tally[typeof outcome === 'string' ? (outcome as 'cut') : 'whole'] += 1
  }
  if (WANTED > 1_000_000) process.stderr.write(`v1 transfers: ${JSON.stringify(tally)}\n`)
  for (const [outcome, times] of Object.entries(tally)) expect(times, outcome).toBeGreaterThan(WANTED / 100)
})

test('the vectors with any one bit of any header flipped are never taken for the transfer', async () => {
  const roll = rolls(SEED + 2)
  for (const [k, chunks] of VECTORS.map(chunksIn).entries()) {
    let at = 0
    for (const chunk of chunks) {
      for (let bit = 0; bit < 128; bit += 1) {
        const damaged = VECTORS.map((stream) => Buffer.from(stream))
        const target = damaged[k]
        if (target) target[at + (bit >> 3)] = (target[at + (bit >> 3)] ?? 0) ^ (1 << (bit & 7))
        expect(typeof (await received(damaged, roll)), `stream ${k}, chunk at ${at}, bit ${bit}`).toBe('string')
      }
      at += chunk.byteLength
    }
  }
})
