/** Of the target, described at once. */
export const BLOCK_BYTES: number = 128 << 20
/** Of the base, that one block may copy from. */
export const WINDOW_BYTES: number = 256 << 20

/**
 * What a decoder of delta streams allocates at most: a block, a window, and about two blocks beside them.
 *
 * @public
 */
export interface DeltaLimits {
  readonly blockBytes: number
  readonly windowBytes: number
}

/**
 * What encoders of this package stay within.
 *
 * @public
 */
export const DEFAULT_DELTA_LIMITS: DeltaLimits = { blockBytes: BLOCK_BYTES, windowBytes: WINDOW_BYTES }
