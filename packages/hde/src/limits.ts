import type { DecodeLimits } from '@dwcp/interface'

/**
 * What a decoder accepts unless told otherwise, and what an encoder never passes.
 * A frame describes 1 MiB of pages or one page of 2 MiB; opaque state is as long as a device model's, not as a memory.
 *
 * @public
 */
export const DEFAULT_DECODE_LIMITS: DecodeLimits = { frameBytes: 4 * 1024 * 1024, chunkBytes: 64 * 1024 * 1024 }

/** Pages described by one frame, in bytes: long enough for zstd, short enough for a bounded pause of the loop. */
export const BATCH_BYTES: number = 1024 * 1024
