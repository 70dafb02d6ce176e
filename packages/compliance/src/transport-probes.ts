/** Bytes that do not compress and differ from call to call by length only. */
export function noise(lengthBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(lengthBytes)
  let state = (lengthBytes ^ 0x9e37_79b9) >>> 0 || 1
  for (let offset = 0; offset < lengthBytes; offset += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[offset] = state
  }
  return bytes
}

export async function bytesOf(object: { readonly stream: AsyncIterable<Uint8Array> }): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of object.stream) parts.push(part)
  return Buffer.concat(parts)
}

/** What a callback is called with first. */
export const once = <T>(start: (resolve: (value: T) => void) => unknown): Promise<T> => new Promise((resolve) => void start(resolve))

/** Looks at each turn of the event loop. The test's own time limit ends a wait in vain. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}
