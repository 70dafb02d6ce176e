import { isDwcpError } from '@dwcp/interface'
import { corrupt } from './errors.js'
import type { Kernels } from './kernels.js'

export const CODECS = { raw: 0, lz4: 1, zstd: 2 } as const
/** The method of a payload that is a page delta; only pages have it. */
export const PAGE_DELTA = 3
/** How old content helps: not at all, or as zstd's reference prefix. */
export const OLD_USES = { none: 0, prefix: 1 } as const

const OLD_USE_SHIFT = 4

/** A payload, and the byte that says how it is packed. */
export interface Packed {
  readonly method: number
  readonly bytes: Uint8Array
}

export function methodOf(codec: number, oldUse: number): number {
  return codec | (oldUse << OLD_USE_SHIFT)
}

export function oldUseOf(method: number): number {
  return method >>> OLD_USE_SHIFT
}

export function codecName(method: number): keyof typeof CODECS {
  const codec = method & 0x0f
  return codec === CODECS.zstd ? 'zstd' : codec === CODECS.lz4 ? 'lz4' : 'raw'
}

/** `level` 0 means LZ4, which also serves where no zstd can be made here. */
export async function pack(kernels: Kernels, source: Uint8Array, level: number): Promise<Packed> {
  if (level > 0 && kernels.zstdEncodes) {
    return { method: methodOf(CODECS.zstd, OLD_USES.none), bytes: await kernels.zstdCompress(source, { level }) }
  }
  return { method: methodOf(CODECS.lz4, OLD_USES.none), bytes: await kernels.lz4Compress(source) }
}

/** @returns exactly `lengthBytes` bytes; anything else is `ERR_HDE_CORRUPT`. */
export async function unpack(kernels: Kernels, { method, bytes }: Packed, old: Uint8Array, lengthBytes: number): Promise<Uint8Array> {
  const plain = await unpackBytes(kernels, method, bytes, oldUseOf(method) === OLD_USES.prefix ? old : undefined, lengthBytes)
  if (plain.length !== lengthBytes) throw corrupt(`a payload of ${plain.length} bytes where ${lengthBytes} were declared`)
  return plain
}

/** Refuses a method that this version does not know, before anything is prepared for it. */
export function checkMethod(method: number, oldAllowed: boolean): void {
  const codec = method & 0x0f
  const use = oldUseOf(method)
  const known = codec <= CODECS.zstd && use <= OLD_USES.prefix
  if (!known || (use !== OLD_USES.none && !oldAllowed) || (use === OLD_USES.prefix && codec !== CODECS.zstd)) {
    throw corrupt(`a payload packed by method ${method}`)
  }
}

async function unpackBytes(
  kernels: Kernels,
  method: number,
  bytes: Uint8Array,
  prefix: Uint8Array | undefined,
  lengthBytes: number,
): Promise<Uint8Array> {
  try {
    switch (codecName(method)) {
      case 'zstd':
        return await kernels.zstdDecompress(bytes, prefix === undefined ? { maxBytes: lengthBytes } : { maxBytes: lengthBytes, prefix })
      case 'lz4':
        return await kernels.lz4Decompress(bytes, { lengthBytes })
      case 'raw':
        return bytes
    }
  } catch (error) {
    const refused = isDwcpError(error, 'ERR_NATIVE_CORRUPT') || isDwcpError(error, 'ERR_NATIVE_TOO_LARGE')
    throw refused ? corrupt(`a payload that ${codecName(method)} does not decode`, {}, error) : error
  }
}
