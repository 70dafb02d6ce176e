import * as zlib from 'node:zlib'
import { corrupt, tooLarge } from './errors.js'

type Done = (error: Error | null, result: Uint8Array) => void

interface ZstdOptions {
  readonly params?: Readonly<Record<number, number>>
  readonly maxOutputLength?: number
  readonly pledgedSrcSize?: number
  readonly dictionary?: Uint8Array
}

/** The part of Node's zlib that Node 22.15 and 24 have and Node 20 has not. */
interface ZlibZstd {
  zstdCompress(source: Uint8Array, options: ZstdOptions, done: Done): void
  zstdDecompress(frame: Uint8Array, options: ZstdOptions, done: Done): void
  zstdCompressSync(source: Uint8Array, options: ZstdOptions): Uint8Array
}

/** zstd by Node's own zlib. */
export interface NodeZstd {
  /** Whether this version takes a prefix (`dictionary`); options it does not know it ignores silently. */
  readonly takesPrefix: boolean
  compress(source: Uint8Array, level: number, prefix: Uint8Array): Promise<Uint8Array>
  /** For a frame that declares its content size, which the caller has checked against `maxBytes`. */
  decompress(frame: Uint8Array, maxBytes: number, prefix: Uint8Array): Promise<Uint8Array>
}

/** Of `ZSTD_cParameter` and `ZSTD_dParameter`, as zlib.constants has them. */
const COMPRESSION_LEVEL = 100
const WINDOW_LOG = 101
const WINDOW_LOG_MAX = 100
const MIN_WINDOW_LOG = 10
const MAX_WINDOW_LOG = 31
/** What begins like this would be read as a trained dictionary and not as plain content. */
const DICTIONARY_MAGIC = Uint8Array.of(0x37, 0xa4, 0x30, 0xec)

/** @returns undefined on a Node without it. */
export function nodeZstd(): NodeZstd | undefined {
  const module: object = zlib
  if (!hasZstd(module)) return undefined
  return {
    takesPrefix: honoursDictionary(module),
    compress(source, level, prefix) {
      const params: Record<number, number> = { [COMPRESSION_LEVEL]: level }
      if (prefix.length > 0) params[WINDOW_LOG] = windowLog(source.length + prefix.length)
      const options = { params, pledgedSrcSize: source.length, ...(prefix.length > 0 && { dictionary: prefix }) }
      return new Promise((resolve, reject) => {
        module.zstdCompress(source, options, (error, frame) => (error ? reject(error) : resolve(frame)))
      })
    },
    decompress(frame, maxBytes, prefix) {
      const options = {
        params: { [WINDOW_LOG_MAX]: MAX_WINDOW_LOG },
        maxOutputLength: Math.max(1, maxBytes),
        ...(prefix.length > 0 && { dictionary: prefix }),
      }
      return new Promise((resolve, reject) => {
        module.zstdDecompress(frame, options, (error, content) => {
          if (!error) return resolve(content)
          const isLimit = 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
          reject(isLimit ? tooLarge('a zstd frame', maxBytes, 'it decodes to more') : corrupt('a zstd frame', error.message, error))
        })
      })
    },
  }
}

/** Whether zstd takes these bytes as content only, when it is not told so. */
export function isPlainPrefix(prefix: Uint8Array): boolean {
  return prefix.length < DICTIONARY_MAGIC.length || DICTIONARY_MAGIC.some((byte, at) => prefix[at] !== byte)
}

function hasZstd(module: object): module is ZlibZstd {
  return 'zstdCompress' in module && 'zstdDecompress' in module && 'zstdCompressSync' in module
}

function honoursDictionary(module: ZlibZstd): boolean {
  const incompressible = Uint8Array.from({ length: 64 }, (_, at) => at * 73 + at * at * 31)
  return module.zstdCompressSync(incompressible, { dictionary: incompressible }).length < incompressible.length
}

/** The level's own window may not reach back over the whole prefix. */
function windowLog(bytes: number): number {
  return Math.min(MAX_WINDOW_LOG, Math.max(MIN_WINDOW_LOG, Math.ceil(Math.log2(bytes + 1))))
}
