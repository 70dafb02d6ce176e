import {
  codecBackend,
  loadPageImages,
  lz4Compress,
  lz4Decompress,
  type PageImages,
  zstdCompress,
  zstdDecompress,
} from '@dwcp/native-rdma/codec'
import { type Hash, loadHash } from '@dwcp/native-rdma/hash'

/** The codecs, the hash and the images that encoders and decoders run on. */
export interface Kernels {
  readonly hash: Pick<Hash, 'xxh3_128' | 'hashPages'>
  readonly images: PageImages
  /** Whether zstd can be made here; LZ4 serves where not. */
  readonly zstdEncodes: boolean
  /** Whether zstd takes a reference prefix here. */
  readonly zstdPrefix: boolean
  /** Which backend serves each purpose, and why. */
  readonly backends: Readonly<Record<'zstd' | 'lz4' | 'hash' | 'pages', string>>
  readonly zstdCompress: typeof zstdCompress
  readonly zstdDecompress: typeof zstdDecompress
  readonly lz4Compress: typeof lz4Compress
  readonly lz4Decompress: typeof lz4Decompress
}

/** Of this host. Asynchronous because the hash may be WebAssembly. */
export async function loadKernels(): Promise<Kernels> {
  const hash = await loadHash()
  const images = loadPageImages(hash)
  const { zstd, lz4 } = codecBackend()
  return {
    hash,
    images,
    zstdEncodes: zstd.canEncode,
    zstdPrefix: zstd.canEncodeWithPrefix,
    backends: {
      zstd: `${zstd.kind}: ${zstd.reason}`,
      lz4: `${lz4.kind}: ${lz4.reason}`,
      hash: `${hash.backend.kind}: ${hash.backend.reason}`,
      pages: `${images.backend.kind}: ${images.backend.reason}`,
    },
    zstdCompress,
    zstdDecompress,
    lz4Compress,
    lz4Decompress,
  }
}
