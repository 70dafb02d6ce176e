/** Longest baseline id that is written or accepted, in bytes of UTF-8; v1 sets no limit. */
export const BASELINE_ID_LIMIT_BYTES = 1024

/**
 * The id under which a v1 node keeps the memory of a machine.
 *
 * @throws `RangeError` where `vm` is empty or has a zero character.
 * @public
 */
export function v1MemoryBaselineId(vm: string): string {
  requireName(vm)
  return `${vm}_memory`
}

/**
 * The id under which a v1 node keeps one block of a disk.
 *
 * @param block - Number of the block, from 0.
 * @throws `RangeError` where `vm` is empty or has a zero character, or `block` is not a number of a block.
 * @public
 */
export function v1DiskBaselineId(vm: string, block: number): string {
  requireName(vm)
  if (!Number.isSafeInteger(block) || block < 0) throw new RangeError(`block must be an integer from 0 on, not ${block}`)
  return `${vm}_disk_${block}`
}

/** @returns the bytes of an id that a delta can carry: a zero byte would end it. */
export function baselineIdBytes(id: string): Uint8Array {
  requireName(id)
  const bytes = new TextEncoder().encode(id)
  if (bytes.length <= BASELINE_ID_LIMIT_BYTES) return bytes
  throw new RangeError(`a baseline id of ${bytes.length} bytes, longer than ${BASELINE_ID_LIMIT_BYTES}`)
}

function requireName(name: string): void {
  if (typeof name !== 'string') throw new TypeError('a name must be a string')
  if (name === '' || name.includes('\0')) throw new RangeError('a name must not be empty, and must not hold a zero character')
}
