import { zstdDecompress } from '@dwcp/native-rdma/codec'
import { expect, test } from 'vitest'
import { noise } from '../../test/support.ts'
import { storedFrame } from './stored-frame.ts'

test.each([0, 1, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 300_000])(
  '%d bytes come back from a frame that no compressor made',
  async (length) => {
    const content = noise(length, length)
    const decoded = await zstdDecompress(storedFrame(content), { maxBytes: length })
    expect(Buffer.compare(decoded, content)).toBe(0)
  },
)
