import { type DeltaBase, partAt, startsOf } from '../delta/base.js'
import type { HeldChunk } from './catalog.js'

/** Read from a store at once. */
const GROUP_BYTES = 1 << 20

/** An object made of chunks, read anywhere. Closed by `onDispose`, once. */
export function chunkedBase<Place>(
  chunks: readonly HeldChunk<Place>[],
  read: (chunks: readonly HeldChunk<Place>[]) => Promise<readonly Uint8Array[]>,
  onDispose: () => void,
): DeltaBase {
  const starts = startsOf(chunks)
  const lengthBytes = starts[chunks.length] ?? 0
  let isOpen = true
  return {
    lengthBytes,
    async read(offset, wantedBytes) {
      const end = offset + wantedBytes
      if (offset < 0 || end > lengthBytes) throw new RangeError(`bytes ${offset} to ${end} of a baseline of ${lengthBytes}`)
      const joined = Buffer.allocUnsafeSlow(wantedBytes)
      for (let index = partAt(starts, offset); index < chunks.length && (starts[index] ?? 0) < end; ) {
        const first = index
        const from = starts[first] ?? 0
        do index += 1
        while (index < chunks.length && (starts[index + 1] ?? 0) <= Math.min(end, from + GROUP_BYTES))
        let start = from
        for (const bytes of await read(chunks.slice(first, index))) {
          joined.set(bytes.subarray(Math.max(0, offset - start), end - start), Math.max(0, start - offset))
          start += bytes.length
        }
      }
      return joined
    },
    async [Symbol.asyncDispose]() {
      if (isOpen) onDispose()
      isOpen = false
    },
  }
}
