import type { Hash } from '@dwcp/native-rdma/hash'
import type { DeltaBase } from './base.js'

const STEP_BYTES = 8 << 20

/** XXH3-128 of the whole base; nothing for an empty one. */
export async function baseHashOf(hash: Hash, base: DeltaBase, signal?: AbortSignal): Promise<Uint8Array> {
  if (base.lengthBytes === 0) return new Uint8Array()
  const stream = hash.stream()
  for (let at = 0; at < base.lengthBytes; at += STEP_BYTES) {
    signal?.throwIfAborted()
    stream.update(await base.read(at, Math.min(STEP_BYTES, base.lengthBytes - at)))
  }
  return stream.digest()
}
