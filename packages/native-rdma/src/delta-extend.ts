/** What of the target stands where in the base; both are read as plain bytes. */
export interface Pair {
  readonly target: Buffer
  readonly base: Buffer
}

/** A part of the target, and how far it goes. */
export interface Stretch {
  readonly at: number
  readonly length: number
}

// As native/delta_match.cc, which says why.
const PATIENCE = 24
const MISMATCH_COST = 3
const ENOUGH_BYTES = 32
const MAX_BACKWARD_BYTES = 4096
/** Compared by the system's own routine where that many are left. */
const CHUNK_BYTES = 4096

export function bytesOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** How many bytes from here on are equal. */
export function equalAfter({ target, base }: Pair, at: number, source: number, most: number): number {
  let length = 0
  while (
    length + CHUNK_BYTES <= most &&
    target[at + length] === base[source + length] &&
    target.compare(base, source + length, source + length + CHUNK_BYTES, at + length, at + length + CHUNK_BYTES) === 0
  ) {
    length += CHUNK_BYTES
  }
  while (length < most && target[at + length] === base[source + length]) length += 1
  return length
}

/** How many bytes before are equal. */
export function equalBefore({ target, base }: Pair, at: number, source: number, most: number): number {
  let length = 0
  while (length < most && target[at - 1 - length] === base[source - 1 - length]) length += 1
  return length
}

/** How far bytes that differ are worth patching, forwards. */
export function similarAfter({ target, base }: Pair, at: number, source: number, most: number): number {
  let [score, best, length] = [0, 0, 0]
  for (let k = 0; k < most && score >= best - PATIENCE && best <= ENOUGH_BYTES; k += 1) {
    score += target[at + k] === base[source + k] ? 1 : -MISMATCH_COST
    if (score <= best) continue
    best = score
    length = k + 1
  }
  return length
}

/** The same backwards. */
export function similarBefore({ target, base }: Pair, at: number, source: number, most: number): number {
  let [score, best, length] = [0, 0, 0]
  for (let k = 1; k <= Math.min(most, MAX_BACKWARD_BYTES) && score >= best - PATIENCE; k += 1) {
    score += target[at - k] === base[source - k] ? 1 : -MISMATCH_COST
    if (score <= best) continue
    best = score
    length = k
  }
  return length
}
