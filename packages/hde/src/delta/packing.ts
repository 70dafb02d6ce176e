import { isDwcpError } from '@dwcp/interface'
import type { ZstdCompressOptions } from '@dwcp/native-rdma/codec'
import { CODECS, methodOf, OLD_USES, type Packed } from '../packing.js'
import type { DeltaKernels } from './kernels.js'

export type PackOptions = Pick<ZstdCompressOptions, 'tableLogMax' | 'signal'>

/** As small as the level and this host make it, or as it is. */
export async function packStream(
  kernels: DeltaKernels,
  bytes: Uint8Array,
  reference: Uint8Array,
  level: number,
  options: PackOptions = {},
): Promise<Packed> {
  const plain: Packed = { method: methodOf(CODECS.raw, OLD_USES.none), bytes }
  if (bytes.length === 0) return plain
  const packed = await smaller(kernels, bytes, reference, { ...options, level })
  return packed.bytes.length < bytes.length ? packed : plain
}

async function smaller(
  kernels: DeltaKernels,
  bytes: Uint8Array,
  reference: Uint8Array,
  options: PackOptions & { readonly level: number },
): Promise<Packed> {
  if (!kernels.zstdEncodes) return { method: methodOf(CODECS.lz4, OLD_USES.none), bytes: await kernels.lz4Compress(bytes) }
  const alone = async (): Promise<Packed> => ({
    method: methodOf(CODECS.zstd, OLD_USES.none),
    bytes: await kernels.zstdCompress(bytes, options),
  })
  if (reference.length === 0 || !kernels.zstdPrefix) return alone()
  try {
    return { method: methodOf(CODECS.zstd, OLD_USES.prefix), bytes: await kernels.zstdCompress(bytes, { ...options, prefix: reference }) }
  } catch (error) {
    // Node's zlib takes no prefix that begins as a trained dictionary does.
    if (isDwcpError(error, 'ERR_NATIVE_UNAVAILABLE')) return alone()
    throw error
  }
}
