import { addonWith } from './addon.js'
import type { Lz4Codec, ZstdCodec } from './codec-backend.js'
import { javaScriptLz4, javaScriptZstd } from './codec-js.js'
import { nativeLz4, nativeZstd } from './codec-native.js'
import { nodeZstd } from './zstd-zlib.js'

export interface Codecs {
  readonly zstd: ZstdCodec
  readonly lz4: Lz4Codec
}

let codecs: Codecs | undefined

/** Of this host, settled by the first use. */
export function chosenCodecs(): Codecs {
  if (codecs === undefined) {
    const zstd = addonWith('zstd')
    const lz4 = addonWith('lz4')
    codecs = {
      zstd: zstd.addon ? nativeZstd(zstd.addon, zstd.backend) : javaScriptZstd(zstd.backend.reason, nodeZstd()),
      lz4: lz4.addon ? nativeLz4(lz4.addon, lz4.backend) : javaScriptLz4(lz4.backend.reason),
    }
  }
  return codecs
}
