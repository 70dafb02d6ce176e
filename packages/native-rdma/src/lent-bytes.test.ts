import { describe, expect, test } from 'vitest'
import { applyPageDelta, codecBackend, encodePageDelta, lz4Compress, lz4Decompress, zstdDecompress } from './codec.ts'
import { deltaApply, deltaMatch } from './delta.ts'

/** An array whose buffer may shrink at any time; TypeScript's library here does not know such buffers yet. */
function resizableBytes(length: number): Uint8Array {
  const buffer: unknown = Reflect.construct(ArrayBuffer, [length, { maxByteLength: 2 * length }])
  if (!(buffer instanceof ArrayBuffer)) throw new TypeError('no buffer')
  return new Uint8Array(buffer)
}

describe('bytes that are lent to a native job', () => {
  test('are not taken from a buffer that may shrink while another thread reads it', async () => {
    const bytes = resizableBytes(4096)
    const plain = new Uint8Array(4096)
    expect(() => lz4Compress(bytes)).toThrow('resizable')
    expect(() => lz4Decompress(plain, { lengthBytes: 9, prefix: bytes })).toThrow('resizable')
    expect(() => zstdDecompress(bytes, { maxBytes: 9 })).toThrow('resizable')
    await expect(deltaMatch(plain, bytes)).rejects.toThrow('resizable')
    await expect(encodePageDelta(bytes, plain, { pageBytes: 4096 })).rejects.toThrow('resizable')
    await expect(applyPageDelta(plain, bytes, { pageBytes: 4096 })).rejects.toThrow('resizable')
    const streams = await deltaMatch(plain, plain)
    await expect(deltaApply(streams, bytes, { lengthBytes: 4096 })).rejects.toThrow('resizable')
  })

  test.runIf(codecBackend().lz4.kind === 'native')('that were transferred before it was done give an error, never a result', async () => {
    for (let round = 0; round < 20; round += 1) {
      const bytes = new Uint8Array(4 << 20).fill(round)
      const work = lz4Compress(bytes)
      const taken = structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
      await expect(work).rejects.toThrow('transferred')
      expect(taken.byteLength).toBe(4 << 20)
    }
  })
})
