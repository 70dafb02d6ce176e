import { isDwcpError } from '@dwcp/interface'
import { corrupt } from './errors.js'
import type { Kernels } from './kernels.js'

export const CODECS = { raw: 0, lz4: 1, zstd: 2 } as const
/** How old pages help: not at all, as zstd's reference prefix, or XORed into the new ones. */
export const OLD_USES = { none: 0, prefix: 1, xor: 2 } as const

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

/** As {@link pack}, given the old pages: aligned with `source` where {@link deltaUse} is `xor`. */
export async function packDelta(kernels: Kernels, source: Uint8Array, old: Uint8Array, level: number): Promise<Packed> {
  if (deltaUse(kernels) === OLD_USES.prefix) {
    const bytes = await kernels.zstdCompress(source, { level, prefix: old })
    return { method: methodOf(CODECS.zstd, OLD_USES.prefix), bytes }
  }
  const { method, bytes } = await pack(kernels, xor(source, old), level)
  return { method: methodOf(method, OLD_USES.xor), bytes }
}

export function deltaUse(kernels: Kernels): number {
  return kernels.zstdPrefix ? OLD_USES.prefix : OLD_USES.xor
}

/** @returns exactly `lengthBytes` bytes; anything else is `ERR_HDE_CORRUPT`. */
export async function unpack(kernels: Kernels, { method, bytes }: Packed, old: Uint8Array, lengthBytes: number): Promise<Uint8Array> {
  const use = oldUseOf(method)
  const plain = await unpackBytes(kernels, method, bytes, use === OLD_USES.prefix ? old : undefined, lengthBytes)
  if (plain.length !== lengthBytes) throw corrupt(`a payload of ${plain.length} bytes where ${lengthBytes} were declared`)
  return use === OLD_USES.xor ? xor(plain, old) : plain
}

/** Refuses a method that this version does not know, before anything is prepared for it. */
export function checkMethod(method: number, oldAllowed: boolean): void {
  const codec = method & 0x0f
  const use = oldUseOf(method)
  const known = codec <= CODECS.zstd && use <= OLD_USES.xor
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

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  const result = new Uint8Array(a.length)
  // Words need an aligned start, which a slice of a frame does not have.
  const words = new Uint32Array(aligned(a), 0, a.length >>> 2)
  const others = new Uint32Array(aligned(b), 0, a.length >>> 2)
  const target = new Uint32Array(result.buffer, 0, a.length >>> 2)
  for (let index = 0; index < words.length; index += 1) target[index] = (words[index] ?? 0) ^ (others[index] ?? 0)
  return result
}

function aligned(bytes: Uint8Array): ArrayBufferLike {
  return bytes.byteOffset === 0 ? bytes.buffer : new Uint8Array(bytes).buffer
}
