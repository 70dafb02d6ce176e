import { MAGIC } from '../delta/format.js'

/** Frames that may come cut into any pieces. */
export type Frames = Uint8Array | AsyncIterable<Uint8Array>

export function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, magic.length), magic) === 0
}

/** The first bytes, as many as a magic number has where there are so many, and all of them in pieces. */
export async function peek(frames: Frames): Promise<{ readonly head: Uint8Array; readonly whole: Frames }> {
  if (frames instanceof Uint8Array) return { head: frames, whole: frames }
  const source = frames[Symbol.asyncIterator]()
  let head = new Uint8Array()
  while (head.length < MAGIC.length) {
    const next = await source.next()
    if (next.done) break
    head = new Uint8Array(Buffer.concat([head, next.value]))
  }
  return { head, whole: rejoined(head, source) }
}

async function* rejoined(head: Uint8Array, source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield head
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value
  } finally {
    await source.return?.()
  }
}
