import type { DecodeLimits } from '@dwcp/interface'

/**
 * What a decoder accepts unless told otherwise, and what an encoder never passes.
 * A frame describes 8 MiB of pages at most; opaque state is as long as a device model's, not as a memory.
 *
 * @public
 */
export const DEFAULT_DECODE_LIMITS: DecodeLimits = { frameBytes: 12 * 1024 * 1024, chunkBytes: 64 * 1024 * 1024 }

/** Pages described by one frame, in bytes: long enough for LZ4, short enough for a bounded pause of the loop. */
export const BATCH_BYTES: number = 1024 * 1024

/** The same where old pages help: sqlite guests took 5 % fewer bytes than in batches of 4 MiB. */
export const IMAGE_BATCH_BYTES: number = 8 * BATCH_BYTES
