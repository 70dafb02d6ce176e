import type { DeltaBase } from './base.js'

/** The same bytes in pieces of `blockBytes`, the last of which may be shorter. */
export async function* blocksOf(
  object: DeltaBase | AsyncIterable<Uint8Array>,
  blockBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  if ('read' in object) {
    for (let at = 0; at < object.lengthBytes; at += blockBytes) yield object.read(at, Math.min(blockBytes, object.lengthBytes - at))
    return
  }
  let parts: Uint8Array[] = []
  let length = 0
  for await (const part of object) {
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + blockBytes - length)
      parts.push(taken)
      length += taken.length
      at += taken.length
      if (length < blockBytes) continue
      yield Buffer.concat(parts, length)
      parts = []
      length = 0
    }
  }
  if (length > 0) yield Buffer.concat(parts, length)
}
