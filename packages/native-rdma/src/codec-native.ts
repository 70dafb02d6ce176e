import type { Addon } from './addon.js'
import type { Backend } from './backend.js'
import type { Lz4Codec, ZstdCodec } from './codec-backend.js'
import { corrupt, outOfMemory, tooLarge, unavailable } from './errors.js'

export function nativeZstd(addon: Addon, backend: Backend): ZstdCodec {
  return {
    backend: { ...backend, canEncode: true },
    compress: (source, level, prefix) => settle('zstd', Number.POSITIVE_INFINITY, addon.zstdCompress(source, prefix, level)),
    decompress: (frame, maxBytes, prefix) => settle('a zstd frame', maxBytes, addon.zstdDecompress(frame, prefix, maxBytes)),
  }
}

export function nativeLz4(addon: Addon, backend: Backend): Lz4Codec {
  return {
    backend,
    compress: (source, prefix) => settle('LZ4', 0x7e000000, addon.lz4Compress(source, prefix)),
    decompress: (block, lengthBytes, prefix) => settle('an LZ4 block', lengthBytes, addon.lz4Decompress(block, prefix, lengthBytes)),
  }
}

/** Gives the addon's faults their codes; the numbers are `enum class Fault` of native/outcome.h. */
async function settle(what: string, maxBytes: number, work: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof Error) || !('fault' in error)) throw error
    switch (error.fault) {
      case 1:
        throw unavailable(what, error.message)
      case 2:
        throw tooLarge(what, maxBytes, error.message)
      case 3:
        throw corrupt(what, error.message)
      case 4:
        throw outOfMemory(what, error.message)
      default:
        throw error
    }
  }
}
