import type { DigestOf } from './object-digest.js'

/** Chunks in a run on average; it ends behind a chunk whose digest ends in six zero bits, so that runs realign as chunks do. */
const RUN_CHUNKS = 64
const MOST_RUN_CHUNKS = 256

/** What a digest is told by between peers: 64 bits, because a chance collision among 2^20 × 2^24 chunks is then one in a million. */
export const TAG_BYTES = 8

export interface Run {
  readonly first: number
  readonly chunks: number
  readonly tag: string
}

/** Chunks that follow one another, so that a list of unchanged ones costs one tag. `keys` are digests as one character a byte. */
export function runsOf(keys: readonly string[], digestOf: DigestOf): readonly Run[] {
  const runs: Run[] = []
  let first = 0
  for (const [index, key] of keys.entries()) {
    const chunks = index + 1 - first
    const isEnd = key.charCodeAt(key.length - 1) % RUN_CHUNKS === 0 || chunks === MOST_RUN_CHUNKS || index + 1 === keys.length
    if (!isEnd) continue
    const joined = Buffer.from(keys.slice(first, index + 1).join(''), 'latin1')
    runs.push({ first, chunks, tag: tagOf(Buffer.from(digestOf(joined)).toString('latin1')) })
    first = index + 1
  }
  return runs
}

export function tagOf(key: string): string {
  return key.slice(0, TAG_BYTES)
}
