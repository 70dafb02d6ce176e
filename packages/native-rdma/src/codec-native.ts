import type { Addon } from './addon.js'
import type { Backend } from './backend.js'
import { type Lz4Codec, MAX_TABLE_LOG, type ZstdCodec } from './codec-backend.js'
import { settle } from './settle.js'
import { stoppable } from './stoppable.js'

export function nativeZstd(addon: Addon, backend: Backend): ZstdCodec {
  return {
    backend: { ...backend, canEncode: true, canEncodeWithPrefix: true },
    compress: (source, level, prefix, { tableLogMax = MAX_TABLE_LOG, signal } = {}) =>
      settle(
        'zstd',
        Number.POSITIVE_INFINITY,
        stoppable(signal, (stop) => addon.zstdCompress(source, prefix, level, tableLogMax, stop)),
      ),
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
