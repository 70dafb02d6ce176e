import { readFileSync } from 'node:fs'
import { zstdDecompress } from '@dwcp/native-rdma/codec'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type * as Hde from '../src/index.ts'
import { v1DiskBaselineId, v1MemoryBaselineId } from '../src/index.ts'

/** Bytes that a running v1 node made. */
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`./v1-vectors/${name}`, import.meta.url)))

const HEADER_BYTES = 16
/** Magic number and descriptor; then 2 or 4 bytes of content size, because all of these have one segment. */
const frameHeaderBytes = (frame: Uint8Array): number => 5 + ((frame[4] ?? 0) >> 6 === 2 ? 4 : 2)

const objects = [
  { name: 'memory', id: v1MemoryBaselineId('vm-1'), baseTier: 'local', deltaTier: 'regional' },
  { name: 'disk', id: v1DiskBaselineId('vm-1', 7), baseTier: 'regional', deltaTier: 'global' },
] as const

afterAll(() => void vi.unstubAllEnvs())

/** The functions from modules loaded anew, on the addon or on the JavaScript twins. */
async function v1On(native: string): Promise<typeof Hde> {
  vi.resetModules()
  vi.stubEnv('DWCP_NATIVE', native)
  return import('../src/index.ts')
}

describe.each(objects)('v1 $name', ({ name, id, baseTier, deltaTier }) => {
  const base = read(`${name}-base.raw`)
  const object = read(`${name}-delta.raw`)
  const basePacket = read(`${name}-base.packet`)
  const deltaPacket = read(`${name}-delta.packet`)

  test.each(['', 'off'])('with DWCP_NATIVE="%s" the packets of a v1 node decode to its objects', async (native) => {
    const { decodeV1Packet } = await v1On(native)
    const whole = await decodeV1Packet(basePacket, { lengthBytes: base.length })
    expect(whole).toEqual({ bytes: whole.bytes, tier: baseTier, baselineId: undefined })
    expect(Buffer.compare(whole.bytes, base)).toBe(0)
    const asked: string[] = []
    const baseline = (wanted: string): Uint8Array => {
      asked.push(wanted)
      return whole.bytes
    }
    const applied = await decodeV1Packet(deltaPacket, { baseline, lengthBytes: object.length })
    expect(applied).toEqual({ bytes: applied.bytes, tier: deltaTier, baselineId: id })
    expect(Buffer.compare(applied.bytes, object)).toBe(0)
    expect(asked).toEqual([id])
  })

  test.each(['', 'off'])('with DWCP_NATIVE="%s" our packets have every byte of theirs that no compressor chooses', async (native) => {
    const { encodeV1Packet } = await v1On(native)
    const theirs = deltaPacket.subarray(HEADER_BYTES)
    const ours = await encodeV1Packet(object, { tier: deltaTier, baseline: { id, bytes: base } })
    const frame = ours.subarray(HEADER_BYTES)
    expect(ours.subarray(0, 8)).toEqual(deltaPacket.subarray(0, 8))
    expect(Buffer.from(ours).readBigUInt64BE(8)).toBe(BigInt(frame.length))
    expect(frame.subarray(-4)).toEqual(theirs.subarray(-4))
    const [deltaOfOurs, deltaOfTheirs] = await Promise.all([frame, theirs].map((one) => zstdDecompress(one, { maxBytes: 16_384 })))
    expect(deltaOfOurs).toEqual(deltaOfTheirs)

    const whole = await encodeV1Packet(base, { tier: baseTier })
    expect(whole.subarray(0, 8)).toEqual(basePacket.subarray(0, 8))
    expect(whole.subarray(-4)).toEqual(basePacket.subarray(-4))
  })

  test('where libzstd compresses, the head of the frame is theirs as well', async () => {
    const { encodeV1Packet } = await v1On('')
    const { codecBackend } = await import('@dwcp/native-rdma/codec')
    // Without a compressor the frame is a stored one, whose head differs; CI has the addon.
    if (!codecBackend().zstd.canEncode) expect(process.env['CI']).not.toBe('true')
    else {
      const pairs = [
        [await encodeV1Packet(base, { tier: baseTier }), basePacket],
        [await encodeV1Packet(object, { tier: deltaTier, baseline: { id, bytes: base } }), deltaPacket],
      ] as const
      for (const [ours, theirs] of pairs) {
        const headBytes = frameHeaderBytes(theirs.subarray(HEADER_BYTES))
        expect(ours.subarray(HEADER_BYTES, HEADER_BYTES + headBytes)).toEqual(theirs.subarray(HEADER_BYTES, HEADER_BYTES + headBytes))
      }
    }
  })
})
