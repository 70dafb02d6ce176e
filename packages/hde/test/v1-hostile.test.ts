import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { decodeV1Packet, encodeV1Packet, v1MemoryBaselineId } from '../src/index.ts'
import { codeOf, noise, prose } from './support.ts'

const ID = v1MemoryBaselineId('w')
const BLOCK = 4096
const HEADER_BYTES = 16
const MIB = 1024 * 1024
const EXPECTED = ['ERR_HDE_CORRUPT', 'ERR_HDE_LIMIT', 'ERR_HDE_BASELINE_MISSING'] as const

const old = prose(1, 3 * BLOCK + 100)
const object = old.slice()
object.set(noise(2, 40), BLOCK)
const baseline = (id: string): Uint8Array | undefined => (id === ID ? old : undefined)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** What comes out, or the code of an error of this package; any other error is thrown. */
async function outcomeOf(work: Promise<{ readonly bytes: Uint8Array }>): Promise<Uint8Array | string> {
  try {
    return (await work).bytes
  } catch (error) {
    for (const code of EXPECTED) if (isDwcpError(error, code)) return code
    throw error
  }
}

/** A header that fits, around any bytes. */
function packetOf(frame: Uint8Array, flag = 0): Uint8Array {
  const packet = Buffer.concat([new Uint8Array(HEADER_BYTES), frame])
  packet.writeUInt8(flag)
  packet.writeBigUInt64BE(BigInt(frame.length), 8)
  return packet
}

/** A frame of zeros in blocks of one repeated byte: 4 bytes become up to 128 KiB. */
function bomb(blocks: number, declaredBytes: number): Uint8Array {
  const frame = Buffer.alloc(13 + 4 * blocks)
  frame.writeUInt32LE(0xfd2fb528)
  frame.writeUInt8(0xe0, 4)
  frame.writeBigUInt64LE(BigInt(declaredBytes), 5)
  for (let block = 0; block < blocks; block += 1) {
    frame.writeUIntLE(((128 * 1024) << 3) | (1 << 1) | (block === blocks - 1 ? 1 : 0), 13 + 4 * block, 3)
  }
  return frame
}

afterAll(() => void vi.unstubAllEnvs())

test('any bytes are refused, bare or behind a header that fits', async () => {
  const property = fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0, 1), async (bytes, flag) => {
    expect(await outcomeOf(decodeV1Packet(bytes, { baseline }))).toBe('ERR_HDE_CORRUPT')
    expect(await outcomeOf(decodeV1Packet(packetOf(bytes, flag), { baseline }))).toBe('ERR_HDE_CORRUPT')
  })
  await fc.assert(property, { numRuns: 500 })
})

test('a packet cut at any offset, or with a byte too many, is refused', async () => {
  for (const packet of [await encodeV1Packet(object), await encodeV1Packet(object, { baseline: { id: ID, bytes: old } })]) {
    for (let length = 0; length < packet.length; length += 1) {
      const outcome = await outcomeOf(decodeV1Packet(packet.subarray(0, length), { baseline }))
      if (outcome !== 'ERR_HDE_CORRUPT') throw new Error(`cut to ${length} bytes: ${String(outcome)}`)
      const repaired = await outcomeOf(decodeV1Packet(packetOf(packet.subarray(HEADER_BYTES, length), packet[0]), { baseline }))
      if (repaired !== 'ERR_HDE_CORRUPT') throw new Error(`cut to ${length} bytes, and the header fitted: ${String(repaired)}`)
    }
    expect(await outcomeOf(decodeV1Packet(Buffer.concat([packet, Buffer.alloc(1)]), { baseline }))).toBe('ERR_HDE_CORRUPT')
    const longer = packetOf(Buffer.concat([packet.subarray(HEADER_BYTES), Buffer.alloc(1)]), packet[0])
    expect(await outcomeOf(decodeV1Packet(longer, { baseline }))).toBe('ERR_HDE_CORRUPT')
  }
})

test('every field of the header that v1 does not use so is refused', async () => {
  const packet = await encodeV1Packet(object)
  for (const [at, value] of [[0, 2], [0, 255], [1, 3], [1, 255], ...[2, 3, 4, 5, 6, 7].map((reserved) => [reserved, 1])]) {
    const changed = packet.slice()
    changed[at ?? 0] = value ?? 0
    expect(await codeOf(() => decodeV1Packet(changed))).toBe('ERR_HDE_CORRUPT')
  }
  for (const length of [0n, 2n ** 64n - 1n, BigInt(packet.length)]) {
    const changed = packet.slice()
    viewOf(changed).setBigUint64(8, length)
    expect(await codeOf(() => decodeV1Packet(changed))).toBe('ERR_HDE_CORRUPT')
  }
})

test('nothing in v1 checks the first byte: a delta said to be an object is only found by its length', async () => {
  const packet = await encodeV1Packet(object, { baseline: { id: ID, bytes: old } })
  packet[0] = 0
  expect(
    Buffer.from((await decodeV1Packet(packet)).bytes)
      .subarray(0, ID.length)
      .toString(),
  ).toBe(ID)
  expect(await codeOf(() => decodeV1Packet(packet, { lengthBytes: object.length }))).toBe('ERR_HDE_CORRUPT')
})

describe.each(['', 'off'])('with DWCP_NATIVE="%s"', (native) => {
  test('a frame that claims more than its bytes can hold, or becomes more than the limit, takes no memory', async () => {
    vi.resetModules()
    vi.stubEnv('DWCP_NATIVE', native)
    const { decodeV1Packet: decode } = await import('../src/index.ts')
    const beforeBytes = process.memoryUsage().arrayBuffers
    for (let count = 0; count < 50; count += 1) {
      for (const flag of [0, 1]) {
        expect(await codeOf(() => decode(packetOf(bomb(4, 1024 * MIB), flag), { baseline }))).toBe('ERR_HDE_CORRUPT')
        expect(await codeOf(() => decode(packetOf(bomb(8192, 1024 * MIB), flag), { baseline, objectBytes: MIB }))).toBe('ERR_HDE_LIMIT')
      }
    }
    expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(64 * MIB)
    expect((await decode(packetOf(bomb(8, MIB)), { objectBytes: MIB })).bytes).toHaveLength(MIB)
  })
})
