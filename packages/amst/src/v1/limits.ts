import { positiveLimits } from '../limits.js'

/** Most bytes of a transfer: its length is a u32. */
export const TRANSFER_BYTES_MAX = 4_294_967_295
/** What v1 nodes cut transfers into, at least and at most. */
export const CHUNK_BYTES_MIN = 4096
export const CHUNK_BYTES_MAX = 1_048_576
/** What v1 nodes open at most. */
export const CONNECTIONS_MAX = 256

/**
 * Bounds on what v1 senders may cost a listener. Each is an option; the defaults are {@link V1_DEFAULT_LIMITS}.
 *
 * @public
 */
export interface V1Limits {
  /** Most bytes of one transfer. */
  readonly transferBytes: number
  /** Shortest chunk that does not end its transfer: what is noted of each chunk stays a small share of its bytes. */
  readonly chunkBytesMin: number
  readonly chunkBytesMax: number
  /** Transfers that are under way or wait for the application, of all senders; each address has one. */
  readonly transfers: number
  readonly connections: number
  readonly connectionsPerAddress: number
  /** Of a transfer into a Node stream: what came before its turn. */
  readonly reorderBytes: number
  /** A connection on which no chunk begins, while its address has no transfer. */
  readonly handshakeTimeoutMs: number
  /** A transfer that brings less than `progressBytes` in so long is given up. */
  readonly idleTimeoutMs: number
  readonly progressBytes: number
  /** What a sender has to close its connections once its transfer is stored. */
  readonly closeTimeoutMs: number
}

/** The bounds where none are given, each with its reason. */
export const V1_DEFAULT_LIMITS: V1Limits = {
  // What decodeV1Packet of @dwcp/hde takes.
  transferBytes: 1_073_741_824,
  chunkBytesMin: CHUNK_BYTES_MIN,
  chunkBytesMax: CHUNK_BYTES_MAX,
  transfers: 16,
  // Each may hold two reads of 64 KiB.
  connections: 1024,
  // Those of a transfer that is being stored, and of the next.
  connectionsPerAddress: 2 * CONNECTIONS_MAX,
  // What v1 nodes have on the way at most with chunks of 256 KiB.
  reorderBytes: 67_108_864,
  handshakeTimeoutMs: 10_000,
  // One chunk of v1's default length.
  idleTimeoutMs: 20_000,
  progressBytes: 65_536,
  closeTimeoutMs: 5000,
}

/** @throws RangeError naming the limit that is unknown, not positive, or past what v1 has. */
export function resolveV1Limits(given: Partial<V1Limits> = {}): V1Limits {
  const limits = positiveLimits(V1_DEFAULT_LIMITS, given, TRANSFER_BYTES_MAX)
  if (limits.chunkBytesMin > limits.chunkBytesMax || limits.chunkBytesMax > CHUNK_BYTES_MAX)
    throw new RangeError(`chunkBytesMin must be at most chunkBytesMax, and that at most ${CHUNK_BYTES_MAX}, which is v1's`)
  return limits
}
