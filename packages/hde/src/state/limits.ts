import type { DecodeLimits } from '@dwcp/interface'

/**
 * What a decoder accepts unless told otherwise, and what an encoder never passes.
 * A frame describes pages of which 8 MiB are changed, and 64 MiB in all, at most; opaque state is as long as a device model's, not as a memory.
 *
 * @public
 */
export const DEFAULT_DECODE_LIMITS: DecodeLimits = { frameBytes: 12 * 1024 * 1024, chunkBytes: 64 * 1024 * 1024 }

/** Changed pages in one frame, in bytes, where old pages do not help: long enough for LZ4. */
export const BATCH_BYTES: number = 1024 * 1024

/** The same where old pages help: sqlite guests took 5 % fewer bytes than in batches of 4 MiB. */
export const IMAGE_BATCH_BYTES: number = 8 * BATCH_BYTES

/** Pages listed in one frame, in bytes, however few of them are changed: what a decoder hands out at once. */
export const LISTED_BYTES: number = 64 * BATCH_BYTES

/** The same in pages, where these are short: the loop goes over them. */
export const LISTED_PAGES: number = 16_384
