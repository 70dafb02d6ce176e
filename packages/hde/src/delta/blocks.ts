import type { DeltaBase } from './base.js'

const FIRST_BYTES = 1 << 20

/** What comes in order, and not at any offset. Node's streams have a `read` too. */
export function isStream(object: DeltaBase | AsyncIterable<Uint8Array>): object is AsyncIterable<Uint8Array> {
  return Symbol.asyncIterator in object
}

/**
 * The same bytes in pieces of `blockBytes`, the last of which may be shorter. Parts of a stream are copied before the next is asked for:
 * whoever gives them may use their memory again.
 */
export async function* blocksOf(
  object: DeltaBase | AsyncIterable<Uint8Array>,
  blockBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!isStream(object)) {
    for (let at = 0; at < object.lengthBytes; at += blockBytes) yield object.read(at, Math.min(blockBytes, object.lengthBytes - at))
    return
  }
  let block = new Uint8Array()
  let length = 0
  for await (const part of object) {
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + blockBytes - length)
      if (length + taken.length > block.length) block = grown(block.subarray(0, length), length + taken.length, blockBytes)
      block.set(taken, length)
      length += taken.length
      at += taken.length
      if (length < blockBytes) continue
      yield block
      block = Buffer.allocUnsafeSlow(blockBytes)
      length = 0
    }
  }
  if (length > 0) yield block.subarray(0, length)
}

function grown(bytes: Uint8Array, needed: number, most: number): Uint8Array<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.min(most, Math.max(needed, 2 * bytes.length, FIRST_BYTES)))
  larger.set(bytes)
  return larger
}
