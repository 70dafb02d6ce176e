import type { DecodeLimits } from '@dwcp/interface'

/**
 * What a decoder accepts unless told otherwise, and what an encoder never passes.
 * A frame describes 4 MiB of pages at most; opaque state is as long as a device model's, not as a memory.
 *
 * @public
 */
export const DEFAULT_DECODE_LIMITS: DecodeLimits = { frameBytes: 8 * 1024 * 1024, chunkBytes: 64 * 1024 * 1024 }

/** Pages described by one frame, in bytes: long enough for LZ4, short enough for a bounded pause of the loop. */
export const BATCH_BYTES: number = 1024 * 1024

/** The same where old pages help: guests' pages took 6-10 % fewer bytes than in batches of 1 MiB, and 16 MiB would save 4-10 % more. */
export const IMAGE_BATCH_BYTES: number = 4 * BATCH_BYTES
