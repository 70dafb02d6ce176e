import type { Lz4Codec, ZstdCodec } from './codec-backend.js'
import { corrupt, tooLarge, unavailable } from './errors.js'
import { compressLz4Block, decompressLz4Block } from './lz4-block.js'
import { decodeZstd } from './zstd-decoder.js'
import { readZstdFrame } from './zstd-frame.js'
import { isPlainPrefix, type NodeZstd } from './zstd-zlib.js'

/** By Node's zlib where it has zstd; otherwise decodes here, and cannot encode. */
export function javaScriptZstd(reason: string, node: NodeZstd | undefined): ZstdCodec {
  const takes = (prefix: Uint8Array): boolean => prefix.length === 0 || (node?.takesPrefix === true && isPlainPrefix(prefix))
  return {
    backend: { kind: 'js', reason, canEncode: node !== undefined, canEncodeWithPrefix: node?.takesPrefix === true },
    async compress(source, level, prefix, { signal } = {}) {
      signal?.throwIfAborted()
      if (node === undefined) throw unavailable('zstd encoding', `${reason}, and this Node (${process.version}) has no zstd`)
      if (!takes(prefix)) throw unavailable('zstd encoding with this prefix', `${reason}, and this Node (${process.version}) cannot`)
      return node.compress(source, level, prefix)
    },
    async decompress(frame, maxBytes, prefix) {
      const shape = readZstdFrame(frame)
      if (typeof shape === 'string') throw corrupt('a zstd frame', shape)
      const { contentBytes } = shape
      if (contentBytes !== undefined && contentBytes > maxBytes) throw tooLarge('a zstd frame', maxBytes, `it declares ${contentBytes}`)
      // Without a declared size Node's zlib would allocate the window that the frame asks for.
      if (contentBytes === undefined || node === undefined || !takes(prefix)) return decodeZstd(frame, shape, maxBytes, prefix)
      const content = await node.decompress(frame, contentBytes, prefix)
      if (content.length === contentBytes) return content
      throw corrupt('a zstd frame', `it declares ${contentBytes} bytes and holds ${content.length}`)
    },
  }
}

export function javaScriptLz4(reason: string): Lz4Codec {
  return {
    backend: { kind: 'js', reason },
    compress: async (source, prefix) => compressLz4Block(source, prefix),
    decompress: async (block, lengthBytes, prefix) => decompressLz4Block(block, lengthBytes, prefix),
  }
}
