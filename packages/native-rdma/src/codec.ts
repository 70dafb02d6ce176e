import type { Backend } from './backend.js'
import { MAX_TABLE_LOG, type ZstdBackend } from './codec-backend.js'
import { chosenCodecs } from './codec-choice.js'
import { corrupt, tooLarge } from './errors.js'
import { requireLent } from './lent-bytes.js'

export type { Backend } from './backend.js'
export type { ZstdBackend } from './codec-backend.js'
export { type DictionaryBackend, dictionaryBackend, zstdCompressWith, zstdDecompressWith, zstdTrain } from './dictionary.js'
export type { NativeErrorCode } from './errors.js'
export {
  applyPageDelta,
  encodePageDelta,
  PAGE_KIND_CODES,
  type PageDeltaApplyOptions,
  type PageDeltaEncodeOptions,
  type PageKind,
  pageDeltaBackend,
  scanPages,
} from './page-delta.js'
export {
  loadPageImages,
  type OwnedPages,
  type PackedPages,
  type PackOptions,
  type PageBatch,
  type PageFrame,
  type PageImage,
  type PageImages,
  type PageReader,
  type PageRegion,
  type SampledPages,
  type TakenPages,
  type TakeOptions,
} from './page-image.js'
export { TAGS_PER_PAGE, tagPages } from './page-tags.js'

/**
 * How hard to try, and what the decoder will have before the frame.
 *
 * @public
 */
export interface ZstdCompressOptions {
  /** -131072 (fastest) to 22 (smallest). @defaultValue 3 */
  readonly level?: number
  /** Content that the decoder holds too. Where it overlaps the source in memory it is not used: pass a copy. */
  readonly prefix?: Uint8Array
  /**
   * Below level 6 and with a prefix: the tables that the prefix is found by have at most two to the power of this many entries. 17 fits
   * a core's own cache; more find more of a long prefix and cost a wait for each place. The addon heeds it. 16 to 22. @defaultValue 22
   */
  readonly tableLogMax?: number
  /** Stops the work within milliseconds where the addon does it; elsewhere it is looked at before the work begins. */
  readonly signal?: AbortSignal
}

/**
 * The bound on what comes out, and what stood before the frame.
 *
 * @public
 */
export interface ZstdDecompressOptions {
  /** Most bytes the frame may decode to; nothing above it is allocated. */
  readonly maxBytes: number
  /** What the frame was made with. A wrong one gives wrong bytes or an error: verify a digest. */
  readonly prefix?: Uint8Array
}

/**
 * What the decoder will have before the block.
 *
 * @public
 */
export interface Lz4CompressOptions {
  /** Content that the decoder holds too; its last 64 KiB count. */
  readonly prefix?: Uint8Array
}

/**
 * What the block must hold, and what stood before it.
 *
 * @public
 */
export interface Lz4DecompressOptions {
  /** What the block decodes to, exactly. */
  readonly lengthBytes: number
  /** What the block was made with. A wrong one gives wrong bytes or an error: verify a digest. */
  readonly prefix?: Uint8Array
}

const DEFAULT_LEVEL = 3
const MIN_LEVEL = -131_072
const MAX_LEVEL = 22
const MIN_TABLE_LOG = 16
/** LZ4_MAX_INPUT_SIZE of the reference implementation. */
const LZ4_MAX_BYTES = 0x7e000000
const LZ4_MAX_PREFIX_BYTES = 64 << 10
const NO_BYTES = new Uint8Array()

/**
 * Which implementation serves each codec on this host, and why.
 * @public
 */
export function codecBackend(): { readonly zstd: ZstdBackend; readonly lz4: Backend } {
  const { zstd, lz4 } = chosenCodecs()
  return { zstd: zstd.backend, lz4: lz4.backend }
}

/**
 * One Zstandard frame that declares its content size. Runs on the libuv thread pool; `source` and `prefix` are borrowed, unchanged
 * and not transferred, until the promise settles.
 *
 * @throws `ERR_NATIVE_UNAVAILABLE` where nothing here can encode zstd, or not with a prefix; `ERR_NATIVE_OUT_OF_MEMORY`;
 * `signal.reason`.
 *
 * @example
 * ```ts
 * import { zstdCompress, zstdDecompress } from '@dwcp/native-rdma/codec'
 * const frame = await zstdCompress(new TextEncoder().encode('new page'), { prefix: new TextEncoder().encode('old page') })
 * await zstdDecompress(frame, { maxBytes: 4096, prefix: new TextEncoder().encode('old page') })
 * ```
 * @public
 */
export function zstdCompress(source: Uint8Array, options: ZstdCompressOptions = {}): Promise<Uint8Array> {
  const { level = DEFAULT_LEVEL, prefix = NO_BYTES, tableLogMax = MAX_TABLE_LOG, signal } = options
  requireLent('source', source)
  requireLent('prefix', prefix)
  requireInteger('level', level, MIN_LEVEL, MAX_LEVEL)
  requireInteger('tableLogMax', tableLogMax, MIN_TABLE_LOG, MAX_TABLE_LOG)
  return chosenCodecs().zstd.compress(source, level, prefix, { tableLogMax, signal })
}

/**
 * The content of exactly one Zstandard frame, with or without a declared size. Bytes are borrowed as by {@link zstdCompress}.
 * Without the addon and on a Node without zstd it runs on the calling thread and does not verify the frame's own checksum.
 *
 * @throws `ERR_NATIVE_TOO_LARGE` past `maxBytes`; `ERR_NATIVE_CORRUPT`; `ERR_NATIVE_OUT_OF_MEMORY`.
 * @public
 */
export function zstdDecompress(frame: Uint8Array, options: ZstdDecompressOptions): Promise<Uint8Array> {
  const { maxBytes, prefix = NO_BYTES } = options
  requireLent('frame', frame)
  requireLent('prefix', prefix)
  requireInteger('maxBytes', maxBytes, 0, Number.MAX_SAFE_INTEGER)
  return chosenCodecs().zstd.decompress(frame, maxBytes, prefix)
}

/**
 * One raw LZ4 block (no frame, no length: the receiver must know it). At most 2,113,929,216 bytes, which is the format's reference
 * limit. Bytes are borrowed as by {@link zstdCompress}; without the addon it runs on the calling thread.
 *
 * @throws `ERR_NATIVE_TOO_LARGE`; `ERR_NATIVE_OUT_OF_MEMORY`.
 * @public
 */
export function lz4Compress(source: Uint8Array, options: Lz4CompressOptions = {}): Promise<Uint8Array> {
  const { prefix = NO_BYTES } = options
  requireLent('source', source)
  requireLent('prefix', prefix)
  if (source.length > LZ4_MAX_BYTES) {
    return Promise.reject(tooLarge('one LZ4 block', LZ4_MAX_BYTES, `the source has ${source.length}; split it`))
  }
  return chosenCodecs().lz4.compress(source, prefix.subarray(-LZ4_MAX_PREFIX_BYTES))
}

/**
 * The content of a raw LZ4 block, exactly `lengthBytes` of it. Bytes are borrowed as by {@link zstdCompress}.
 *
 * @throws `ERR_NATIVE_CORRUPT`; `ERR_NATIVE_OUT_OF_MEMORY`.
 * @public
 */
export function lz4Decompress(block: Uint8Array, options: Lz4DecompressOptions): Promise<Uint8Array> {
  const { lengthBytes, prefix = NO_BYTES } = options
  requireLent('block', block)
  requireLent('prefix', prefix)
  requireInteger('lengthBytes', lengthBytes, 0, LZ4_MAX_BYTES)
  // No byte of a block adds more than 255 bytes: what claims more is refused before it is allocated.
  if (lengthBytes / 255 > block.length) {
    return Promise.reject(corrupt('an LZ4 block', `${block.length} bytes cannot hold ${lengthBytes}`))
  }
  return chosenCodecs().lz4.decompress(block, lengthBytes, prefix.subarray(-LZ4_MAX_PREFIX_BYTES))
}

function requireInteger(name: string, value: unknown, min: number, max: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`)
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${value}`)
  }
}
