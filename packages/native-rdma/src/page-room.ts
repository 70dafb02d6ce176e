import { requireLent } from './lent-bytes.js'
import type { PageFrame } from './page-image.js'

/** Refuses a memory that pages of this frame would be written past the end of. */
export function requireRoom(memory: Uint8Array | undefined, { pages, pageBytes }: PageFrame): void {
  if (memory === undefined) return
  requireLent('memory', memory)
  const end = ((pages.at(-1) ?? -1) + 1) * pageBytes
  if (memory.length < end) throw new RangeError(`a memory of ${memory.length} bytes, and the pages end at ${end}`)
}
