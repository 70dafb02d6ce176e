/**
 * Bounds on a tree that arrives.
 *
 * @public
 */
export interface TreeLimits {
  /** Files, directories and links. @defaultValue 10,000,000 */
  readonly entries: number
  /** Directories within one another. @defaultValue 100 */
  readonly depth: number
  /** Of what all files hold together. @defaultValue no bound but the disk's */
  readonly bytes: number
  /** Files that are listed and not there yet, about 300 bytes of memory each; the sender waits. @defaultValue 65,536 */
  readonly pendingFiles: number
}

const DEFAULT_TREE_LIMITS: TreeLimits = {
  entries: 10_000_000,
  // As many descriptors may be open at each end.
  depth: 100,
  bytes: Number.MAX_SAFE_INTEGER,
  pendingFiles: 65_536,
}

/** @throws RangeError naming the limit that is unknown or no positive integer. */
export function resolveTreeLimits(given: Partial<TreeLimits> = {}): TreeLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULT_TREE_LIMITS))
      throw new RangeError(`unknown limit "${name}": known are ${Object.keys(DEFAULT_TREE_LIMITS).join(', ')}`)
    if (!Number.isSafeInteger(value) || value <= 0) throw new RangeError(`limit ${name} must be a positive integer, not ${value}`)
  }
  const limits = { ...DEFAULT_TREE_LIMITS, ...given }
  if (limits.entries > 0xffff_ffff) throw new RangeError('limit entries must be below 2^32')
  if (limits.depth > 200) throw new RangeError('limit depth must be at most 200: as many descriptors may be open')
  return limits
}
