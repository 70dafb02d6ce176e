import type { ChunkList, ChunkSizes, DigestKind } from './chunk.js'
import { loadBlake3, loadHash } from './hash.js'

// The parameters of native/chunk.cc, which says what they are for.
const WINDOW_BYTES = 8
const DECIDING_BYTES = 16
const LOW = [45, 33, 186, 83, 198, 46, 79, 58, 191, 161, 111, 122, 104, 232, 225, 10]
const HIGH = [241, 181, 55, 109, 60, 176, 51, 203, 72, 98, 91, 243, 129, 96, 103, 154]
const NORMAL = 4
const MOST_CANDIDATE_BITS = 11
const LEAST_CANDIDATE_BITS = 7

/** Of each byte, signed. */
const GEAR: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => (((LOW[byte & 15] ?? 0) ^ (HIGH[byte >> 4] ?? 0)) << 24) >> 24)

/** As `cutChunks`, on the calling thread. */
export async function cutChunksJs(
  bytes: Uint8Array,
  sizes: ChunkSizes,
  isLast: boolean,
  digest: DigestKind | undefined,
): Promise<ChunkList> {
  const lengths: number[] = []
  const cut = cutter(bytes, sizes)
  for (let at = 0; at < bytes.length; ) {
    const left = bytes.length - at
    const length = cut(at)
    if (length === left && length < sizes.mostBytes && !isLast) break
    lengths.push(length)
    at += length
  }
  return { lengths: Uint32Array.from(lengths), digests: await digestsOf(bytes, lengths, digest) }
}

async function digestsOf(bytes: Uint8Array, lengths: readonly number[], kind: DigestKind | undefined): Promise<Uint8Array> {
  if (kind === undefined) return new Uint8Array()
  const [blake3, hash] = [await loadBlake3(), await loadHash()]
  const digestBytes = kind === 'blake3' ? 32 : 16
  const digests = new Uint8Array(lengths.length * digestBytes)
  let at = 0
  for (const [index, length] of lengths.entries()) {
    const chunk = bytes.subarray(at, at + length)
    digests.set(kind === 'blake3' ? blake3.digest(chunk) : hash.xxh3_128(chunk), index * digestBytes)
    at += length
  }
  return digests
}

/** Gives the length of the chunk that begins at a place. */
function cutter(bytes: Uint8Array, { leastBytes, averageBytes, mostBytes }: ChunkSizes): (start: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const wanted = averageBytes / NORMAL
  const bits = Math.max(LEAST_CANDIDATE_BITS, Math.min(MOST_CANDIDATE_BITS, Math.floor(Math.log2(wanted))))
  const mask = (2 ** bits - 1) << (15 - bits)
  const all = (2 ** 32 * 2 ** bits) / wanted
  const strict = Math.floor(all / (NORMAL * NORMAL))
  const loose = Math.floor(Math.min(all, 2 ** 32))
  return (start) => {
    const left = bytes.length - start
    if (left <= leastBytes) return left
    if (leastBytes === mostBytes) return mostBytes
    const end = start + Math.min(left, mostBytes)
    const normal = start + averageBytes
    let hash = 0
    let at = start + leastBytes
    for (let before = at - WINDOW_BYTES; before < at; before += 1) hash = 2 * hash + (GEAR[bytes[before] ?? 0] ?? 0)
    for (; at < end; at += 1) {
      if ((hash & mask) === 0 && decide(view, at) < (at < normal ? strict : loose)) return at - start
      hash = 2 * hash + (GEAR[bytes[at] ?? 0] ?? 0) - 256 * (GEAR[bytes[at - WINDOW_BYTES] ?? 0] ?? 0)
    }
    return end - start
  }
}

/** Of the sixteen bytes before a place. */
function decide(view: DataView, place: number): number {
  let mixed = 0
  for (let at = place - DECIDING_BYTES; at < place; at += 4) {
    mixed = Math.imul(mixed ^ view.getUint32(at, true), 2654435761)
    mixed ^= mixed >>> 15
  }
  return mixed >>> 0
}
