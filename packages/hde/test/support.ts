import type { Decoder, Digest, Encoder, Region, StateChunk } from '@dwcp/interface'

export const PAGE_BYTES = 4096

/** Mulberry32: the same bytes on every machine. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

export function noise(seed: number, lengthBytes: number): Uint8Array {
  const next = seeded(seed)
  const bytes = new Uint8Array(lengthBytes)
  for (let index = 0; index < lengthBytes; index += 1) bytes[index] = next()
  return bytes
}

/** Words of a small vocabulary: what compresses. */
export function prose(seed: number, lengthBytes: number): Uint8Array {
  const next = seeded(seed)
  const words = ['page', 'frame', 'delta', 'source', 'target', 'round', 'epoch', 'grant']
  let text = ''
  while (text.length < lengthBytes) text += `${words[next() % words.length]}${next() % 1000} `
  return new Uint8Array(Buffer.from(text.slice(0, lengthBytes)))
}

export function region(pages: number, maxPages: number = pages, pageBytes: number = PAGE_BYTES): Region {
  return { pageBytes, lengthBytes: pages * pageBytes, maxLengthBytes: maxPages * pageBytes }
}

export const digestOf = (value: number): Digest => `sha-256:${value.toString(16).padStart(4, '0')}`

export function pagesOf(memory: Uint8Array, pages: readonly number[], regionIndex = 0, pageBytes: number = PAGE_BYTES): StateChunk {
  const bytes = new Uint8Array(pages.length * pageBytes)
  for (const [index, page] of pages.entries()) bytes.set(memory.subarray(page * pageBytes, (page + 1) * pageBytes), index * pageBytes)
  return { kind: 'pages', region: regionIndex, pages: Uint32Array.from(pages), bytes }
}

export const range = (count: number, first = 0): number[] => Array.from({ length: count }, (_, index) => first + index)

/** Encodes, decodes, and gives the chunks that came out. */
export async function pass(encoder: Encoder, decoder: Decoder, chunk: StateChunk): Promise<readonly StateChunk[]> {
  const chunks: StateChunk[] = []
  for (const frame of await encoder.encode(chunk)) chunks.push(...(await decoder.decode(frame)))
  return chunks
}

export async function frames(encoder: Encoder, ...chunks: StateChunk[]): Promise<Uint8Array[]> {
  const made: Uint8Array[] = []
  for (const chunk of chunks) made.push(...(await encoder.encode(chunk)))
  return made
}

/** Writes what arrived into `memory`. */
export function store(memory: Uint8Array, chunks: readonly StateChunk[], pageBytes: number = PAGE_BYTES): void {
  for (const chunk of chunks) {
    if (chunk.kind !== 'pages') continue
    for (const [index, page] of chunk.pages.entries()) {
      memory.set(chunk.bytes.subarray(index * pageBytes, (index + 1) * pageBytes), page * pageBytes)
    }
  }
}

export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
  return 'no error'
}
