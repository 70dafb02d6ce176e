import { constants } from 'node:buffer'
import { pastLimit } from '../errors.js'
import { Breathing } from './breathing.js'
import { applyDelta, deltaLimitBytes, makeDelta, requireLength, type V1Baseline } from './delta.js'
import { frameBehind, frameContent } from './frame.js'
import { HEADER_BYTES, readHeader, requireTier, type V1Tier, writeHeader } from './header.js'

/**
 * How a packet is made.
 *
 * @public
 */
export interface V1EncodeOptions {
  /** `local`, `regional`, `global`: zstd level 0 (which zstd takes as its default, 3), 3, 9. @defaultValue 'regional' */
  readonly tier?: V1Tier
  /**
   * What the receiver has, for a delta. **Only for a receiver that applies deltas, as this package does: a v1 node's own decoder
   * returns the delta itself in place of the object.** @defaultValue none: the whole object
   */
  readonly baseline?: V1Baseline
  /** Longest packet that is handed out. @defaultValue 4294967295, the most that a v1 transfer carries */
  readonly packetBytes?: number
  /** Heard between two stretches of work; a compression under way ends first. */
  readonly signal?: AbortSignal
}

/**
 * What a packet may refer to and become.
 *
 * @public
 */
export interface V1DecodeOptions {
  /** The last object that came under this id, or undefined; only called for a delta. What it returns is borrowed. @defaultValue none known */
  readonly baseline?: (id: string) => Uint8Array | undefined
  /**
   * How long the object is, where the receiver knows: the only check on the first byte of a packet, which says whether it is a delta.
   * @defaultValue any length
   */
  readonly lengthBytes?: number
  /** Longest object that is accepted, checked before memory is taken for it. @defaultValue 1073741824 */
  readonly objectBytes?: number
  /** Heard between two stretches of work; a decompression under way ends first. */
  readonly signal?: AbortSignal
}

/**
 * What a packet holds.
 *
 * @public
 */
export interface V1Object {
  /** The object itself, its delta applied; the caller's own. */
  readonly bytes: Uint8Array
  readonly tier: V1Tier
  /** What the delta was applied to; undefined: the packet held the whole object, and its id is not said. */
  readonly baselineId: string | undefined
}

const LEVELS: Readonly<Record<V1Tier, number>> = { local: 0, regional: 3, global: 9 }
const DEFAULT_TIER: V1Tier = 'regional'
const DEFAULT_OBJECT_BYTES = 1024 ** 3
const TRANSFER_LIMIT_BYTES = 2 ** 32 - 1

/**
 * One packet of the encoding that v1 nodes speak (`docs/wire/v1-hde.md`), lossless at every tier. Where no zstd can be made here it holds
 * the bytes uncompressed, in a frame that every zstd decoder reads. `object` and the baseline are borrowed, unchanged, until the
 * promise settles; takes memory for the delta and the packet, in proportion to `object`.
 *
 * @throws `ERR_HDE_LIMIT` where the packet is longer than `packetBytes`; `ERR_NATIVE_OUT_OF_MEMORY`; `RangeError`, `TypeError`.
 *
 * @example
 * ```ts
 * import { decodeV1Packet, encodeV1Packet, v1MemoryBaselineId } from '@dwcp/hde'
 * const [before, after] = [new Uint8Array(8192), new Uint8Array(8192).fill(1, 5000)]
 * const packet = await encodeV1Packet(after, { baseline: { id: v1MemoryBaselineId('vm-1'), bytes: before } })
 * const { bytes } = await decodeV1Packet(packet, { baseline: (id) => (id === 'vm-1_memory' ? before : undefined) })
 * ```
 * @public
 */
export async function encodeV1Packet(object: Uint8Array, options: V1EncodeOptions = {}): Promise<Uint8Array> {
  const { baseline, packetBytes = TRANSFER_LIMIT_BYTES, signal } = options
  requireBytes('object', object)
  const tier = requireTier(options.tier ?? DEFAULT_TIER)
  requireLimit('packetBytes', packetBytes)
  const breathing = new Breathing(signal)
  if (baseline !== undefined) requireBytes('baseline.bytes', baseline.bytes)
  const content = baseline === undefined ? object : await makeDelta(object, baseline, breathing)
  const packet = await frameBehind(HEADER_BYTES, content, LEVELS[tier], breathing)
  if (packet.length > packetBytes) throw pastLimit('a v1 packet', packet.length, packetBytes, 'send the object in parts that are shorter')
  writeHeader(packet, { isDelta: baseline !== undefined, tier })
  return packet
}

/**
 * The object of one packet, as a v1 node or {@link encodeV1Packet} made it; a delta is applied. The packet is borrowed, unchanged, until
 * the promise settles. The frame's checksum is verified where it has one, as those of v1 nodes do. It finds accidents; nothing in v1
 * finds a forger, or a baseline of the right length and other bytes.
 *
 * @throws `ERR_HDE_CORRUPT` for bytes that are not one whole packet; `ERR_HDE_LIMIT` past `objectBytes`; `ERR_HDE_BASELINE_MISSING`
 * for a delta on a baseline that is not known, or shorter than what is copied from it; `ERR_NATIVE_OUT_OF_MEMORY`; `RangeError`, `TypeError`.
 * @public
 */
export async function decodeV1Packet(packet: Uint8Array, options: V1DecodeOptions = {}): Promise<V1Object> {
  const { baseline, lengthBytes, objectBytes: limitBytes = DEFAULT_OBJECT_BYTES, signal } = options
  requireBytes('packet', packet)
  requireLimit('objectBytes', limitBytes)
  if (lengthBytes !== undefined) requireLimit('lengthBytes', lengthBytes)
  const objectBytes = Math.min(limitBytes, lengthBytes ?? limitBytes)
  const breathing = new Breathing(signal)
  const { isDelta, tier } = readHeader(packet)
  const contentBytes = isDelta ? deltaLimitBytes(objectBytes) : objectBytes
  const content = await frameContent(packet.subarray(HEADER_BYTES), { contentBytes, objectBytes }, breathing)
  if (isDelta) return { tier, ...(await applyDelta(content, { baseline, objectBytes, lengthBytes }, breathing)) }
  requireLength(content.length, lengthBytes)
  return { tier, bytes: content, baselineId: undefined }
}

function requireBytes(name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array`)
}

function requireLimit(name: string, bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= constants.MAX_LENGTH) return
  throw new RangeError(`${name} must be an integer from 0 to ${constants.MAX_LENGTH}, the most that one array holds, not ${bytes}`)
}
