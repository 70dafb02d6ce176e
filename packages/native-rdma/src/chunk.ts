import { addonWith } from './addon.js'
import type { Backend } from './backend.js'
import { cutChunksJs } from './chunk-js.js'
import { settle } from './settle.js'
import { stoppable } from './stoppable.js'

export type { Backend } from './backend.js'
export type { NativeErrorCode } from './errors.js'

/**
 * The sizes of content-defined chunks. Where all three are equal, chunks are pages of that many bytes, whatever they hold.
 *
 * @public
 */
export interface ChunkSizes {
  /** At least 64. */
  readonly leastBytes: number
  /** 512 to 1 MiB. The mean comes out some 20 % above it. */
  readonly averageBytes: number
  /** At most 16 MiB. */
  readonly mostBytes: number
}

/**
 * XXH3-128 (16 bytes) stops no attacker; BLAKE3 (32 bytes) does.
 *
 * @public
 */
export type DigestKind = 'xxh3-128' | 'blake3'

/**
 * How to cut, and what to hash the chunks by.
 *
 * @public
 */
export interface CutChunksOptions extends ChunkSizes {
  /** @defaultValue none */
  readonly digest?: DigestKind
  /** Whether the bytes end where their object does: if not, what is behind the last cut is left for the next call. @defaultValue true */
  readonly isLast?: boolean
  /** Stops the work within milliseconds; without the addon it is looked at before the work begins. */
  readonly signal?: AbortSignal
}

/**
 * Chunks in their order.
 *
 * @public
 */
export interface ChunkList {
  readonly lengths: Uint32Array
  /** One after the other; nothing where none were asked for. */
  readonly digests: Uint8Array
}

const KINDS = { none: 0, 'xxh3-128': 1, blake3: 2 } as const
const DIGEST_BYTES = { none: 0, 'xxh3-128': 16, blake3: 32 } as const
const LEAST_BYTES = 64
const LEAST_AVERAGE_BYTES = 512
const MOST_AVERAGE_BYTES = 1 << 20
const MOST_BYTES = 16 << 20

/**
 * Who cuts here, and why.
 * @public
 */
export function chunkBackend(): Backend {
  return addonWith('chunk').backend
}

/**
 * Cuts bytes where their content says so, after FastCDC (Xia et al. 2016, 2020): a windowed gear hash, least sizes that are not looked
 * at, sizes normalised around the average. The same content is cut at the same places wherever it stands, by every implementation.
 * The bytes begin where a chunk does; they are borrowed, unchanged, until the promise settles. On the thread pool where the addon
 * serves.
 *
 * @throws `RangeError` for sizes that cannot be; `ERR_NATIVE_OUT_OF_MEMORY`; `signal.reason`.
 * @example
 * ```ts
 * import { cutChunks } from '@dwcp/native-rdma/chunk'
 * const sizes = { leastBytes: 2048, averageBytes: 8192, mostBytes: 65_536 }
 * const { lengths, digests } = await cutChunks(new Uint8Array(100_000), { ...sizes, digest: 'blake3' })
 * console.log(lengths, digests.length)
 * ```
 * @public
 */
export async function cutChunks(bytes: Uint8Array, options: CutChunksOptions): Promise<ChunkList> {
  const { digest, isLast = true, signal, ...sizes } = options
  if (!(bytes instanceof Uint8Array)) throw new TypeError('bytes must be a Uint8Array')
  requireSizes(sizes)
  signal?.throwIfAborted()
  const kind = digest ?? 'none'
  const served = digest === 'xxh3-128' ? addonWith('hash').addon : addonWith('chunk').addon
  if (served === undefined) return cutChunksJs(bytes, sizes, isLast, digest)
  const { leastBytes, averageBytes, mostBytes } = sizes
  const work = stoppable(signal, (stop) =>
    served.chunk(bytes, new Uint8Array(), leastBytes, averageBytes, mostBytes, isLast, KINDS[kind], ...(stop === undefined ? [] : [stop])),
  )
  return split(await settle('a list of chunks', bytes.length, work), DIGEST_BYTES[kind])
}

function split(records: Uint8Array, digestBytes: number): ChunkList {
  const count = records.length / (4 + digestBytes)
  const view = new DataView(records.buffer, records.byteOffset, records.length)
  const lengths = new Uint32Array(count)
  const digests = new Uint8Array(count * digestBytes)
  for (let index = 0, at = 0; index < count; index += 1) {
    lengths[index] = view.getUint32(at, true)
    digests.set(records.subarray(at + 4, at + 4 + digestBytes), index * digestBytes)
    at += 4 + digestBytes
  }
  return { lengths, digests }
}

function requireSizes({ leastBytes, averageBytes, mostBytes }: ChunkSizes): void {
  const sizes = [leastBytes, averageBytes, mostBytes]
  const isOrdered = sizes.every(Number.isInteger) && leastBytes <= averageBytes && averageBytes <= mostBytes
  const isBounded = leastBytes >= LEAST_BYTES && averageBytes >= LEAST_AVERAGE_BYTES && averageBytes <= MOST_AVERAGE_BYTES
  if (isOrdered && isBounded && mostBytes <= MOST_BYTES) return
  const bounds = `${LEAST_BYTES} <= leastBytes <= averageBytes <= mostBytes <= ${MOST_BYTES}`
  throw new RangeError(`chunk sizes ${sizes.join(', ')}: ${bounds}, and ${LEAST_AVERAGE_BYTES} <= averageBytes <= ${MOST_AVERAGE_BYTES}`)
}
