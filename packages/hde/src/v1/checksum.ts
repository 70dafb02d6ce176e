import type { Breathing } from './breathing.js'

export const CHECKSUM_BYTES = 4
const SLICE_BYTES = 1024 * 1024

/** What a zstd frame ends with where its header says so (RFC 8878 § 3.1.1): the low half of XXH64, least significant byte first. */
export async function contentChecksum(content: Uint8Array, breathing: Breathing): Promise<Uint8Array> {
  // Loading it takes some 40 ms, which only who speaks v1 should pay.
  const { createXXHash64 } = await import('hash-wasm')
  // One for each call: others hash while this one breathes.
  const hasher = await createXXHash64()
  hasher.init()
  for (let at = 0; at < content.length; at += SLICE_BYTES) {
    const slice = content.subarray(at, at + SLICE_BYTES)
    hasher.update(slice)
    if (breathing.isDue(slice.length)) await breathing.pause()
  }
  return hasher.digest('binary').slice(-CHECKSUM_BYTES).toReversed()
}
