// QEMU's XBZRLE as its document (docs/devel/migration, "XBZRLE") lays it out, written anew: a page is pairs of a run of bytes that
// did not change and a run of bytes that did, the lengths in ULEB128, the bytes of the second kind after their length.

export const PAGE_BYTES = 4096

/** undefined: longer than the page, which QEMU then sends as it is. Empty: nothing changed. */
export function encodePage(before: Uint8Array, after: Uint8Array): Uint8Array | undefined {
  const encoded = new Uint8Array(PAGE_BYTES)
  let length = 0
  let at = 0
  // Bounded by the page: each turn but the last takes at least one byte of it.
  for (;;) {
    const unchanged = runLength(before, after, at, true)
    at += unchanged
    // A last run of unchanged bytes is left out.
    if (at === PAGE_BYTES) return encoded.subarray(0, length)
    const changed = runLength(before, after, at, false)
    if (length + lengthBytes(unchanged) + lengthBytes(changed) + changed > PAGE_BYTES) return undefined
    length = putLength(encoded, length, unchanged)
    length = putLength(encoded, length, changed)
    encoded.set(after.subarray(at, at + changed), length)
    length += changed
    at += changed
  }
}

/** Applies what {@link encodePage} gave to the earlier page, in place. */
export function decodePage(encoded: Uint8Array, page: Uint8Array): void {
  let at = 0
  let from = 0
  const takeLength = (): number => {
    const low = encoded[from++] ?? 0
    return low < 0x80 ? low : (low & 0x7f) | ((encoded[from++] ?? 0) << 7)
  }
  while (from < encoded.length) {
    at += takeLength()
    const changed = takeLength()
    if (changed === 0 || at + changed > page.length || from + changed > encoded.length) throw new RangeError('a run past the end')
    page.set(encoded.subarray(from, from + changed), at)
    from += changed
    at += changed
  }
}

function runLength(before: Uint8Array, after: Uint8Array, from: number, equal: boolean): number {
  let at = from
  while (at < PAGE_BYTES && (before[at] === after[at]) === equal) at++
  return at - from
}

function lengthBytes(value: number): number {
  return value < 0x80 ? 1 : 2
}

function putLength(bytes: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    bytes[at] = value
    return at + 1
  }
  bytes[at] = (value & 0x7f) | 0x80
  bytes[at + 1] = value >> 7
  return at + 2
}
