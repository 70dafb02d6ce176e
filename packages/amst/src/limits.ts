/** Bounds on what a peer may cost, and on what waits here. Each is an option; the defaults are {@link DEFAULT_LIMITS}. */
export interface AmstLimits {
  /** Most bytes of an object in one chunk. At most a quarter of each window. */
  readonly chunkBytes: number
  /** Bytes of one object that may be on the way or unread, once its reader has begun. */
  readonly objectWindowBytes: number
  /** What that grows to where the path holds more and the reader keeps up. */
  readonly objectWindowMaxBytes: number
  /** By how much the windows of one session may have grown, together. */
  readonly windowGrowthBytes: number
  /** The same before its reader has begun. */
  readonly initialWindowBytes: number
  /** Objects open at once, in each direction. */
  readonly openObjects: number
  /** Most bytes of an object's metadata. */
  readonly metadataBytes: number
  /** Most bytes of one message, request or answer. */
  readonly messageBytes: number
  /** Bytes of messages and control frames waiting or not yet acknowledged; a notification past it is dropped. */
  readonly queueBytes: number
  /** Requests without an answer, in each direction. */
  readonly pendingRequests: number
  /** Handlers registered on one session. */
  readonly channels: number
  readonly streamsPerSession: number
  /** Sessions of one listener. */
  readonly sessions: number
  /** Connections of one listener that have not said who they are. */
  readonly unauthenticatedConnections: number
  /** From the connection to the end of its hello. */
  readonly handshakeTimeoutMs: number
  /** Between two pings of a stream. */
  readonly keepAliveMs: number
  /** A stream from which nothing came for so long is dead. */
  readonly idleTimeoutMs: number
  /** How long a session without a connection is kept for its caller to come back, in ms; the lesser of both ends' holds. */
  readonly reconnectMs: number
  /** What `close()` waits for transfers under way, and then for the peer. */
  readonly closeTimeoutMs: number
  /** Damaged chunks after which a stream is given up. */
  readonly corruptChunksPerStream: number
}

/** The bounds where none are given, each with its reason. */
export const DEFAULT_LIMITS: AmstLimits = {
  // The last round of a migration is small: a chunk must not make it wait, and the header must not cost more than 0.02 %.
  chunkBytes: 262_144,
  // openObjects windows, and what they have grown by, are the worst that one session can hold here.
  objectWindowBytes: 8_388_608,
  // 5 Gbit/s at 100 ms for one object.
  objectWindowMaxBytes: 67_108_864,
  windowGrowthBytes: 268_435_456,
  // A chunk for each of 16 streams in the first round trip.
  initialWindowBytes: 4_194_304,
  openObjects: 64,
  metadataBytes: 16_384,
  messageBytes: 1_048_576,
  queueBytes: 16_777_216,
  pendingRequests: 1024,
  channels: 1024,
  streamsPerSession: 64,
  sessions: 1024,
  // 16 of each caller, for a few round trips.
  unauthenticatedConnections: 512,
  handshakeTimeoutMs: 10_000,
  keepAliveMs: 5000,
  idleTimeoutMs: 20_000,
  // A network that is away for minutes; what waits meanwhile is within the other limits.
  reconnectMs: 120_000,
  closeTimeoutMs: 5000,
  corruptChunksPerStream: 16,
}

/** @throws RangeError naming the limit that is unknown, not positive, or at odds with another. */
export function resolveLimits(given: Partial<AmstLimits> = {}): AmstLimits {
  const limits = positiveLimits(DEFAULT_LIMITS, given, 2 ** 31 - 1)
  if (limits.chunkBytes * 4 > limits.initialWindowBytes || limits.initialWindowBytes > limits.objectWindowBytes) {
    throw new RangeError('chunkBytes must be at most a quarter of initialWindowBytes, and that at most objectWindowBytes')
  }
  if (limits.objectWindowBytes > limits.objectWindowMaxBytes) throw new RangeError('objectWindowBytes must be at most objectWindowMaxBytes')
  if (limits.messageBytes * 2 > limits.queueBytes) throw new RangeError('queueBytes must be at least twice messageBytes')
  return limits
}

/** @throws RangeError naming the limit that is unknown, not positive, or past `most`. */
export function positiveLimits<T extends Readonly<Record<keyof T, number>>>(defaults: T, given: Partial<T>, most: number): T {
  const limits = { ...defaults, ...given }
  for (const [name, value] of Object.entries<number>(limits)) {
    if (!(name in defaults)) throw new RangeError(`unknown limit "${name}": known are ${Object.keys(defaults).join(', ')}`)
    if (!Number.isSafeInteger(value) || value <= 0 || value > most)
      throw new RangeError(`limit ${name} must be a positive integer up to ${most}, not ${value}`)
  }
  return limits
}
