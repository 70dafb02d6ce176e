import { createHash } from 'node:crypto'
import type { Digest } from '@dwcp/interface'

/** Of a dictionary's digest, in frames: SHA-256, because a dictionary may come from a peer that is not trusted. */
export const NAME_BYTES = 8

/** Of a dictionary's bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha-256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** The first digits of the digest, as frames have them. */
export function nameIn(digest: Digest): Uint8Array {
  return Buffer.from(digest.slice('sha-256:'.length), 'hex').subarray(0, NAME_BYTES)
}

export function digestNamed(name: Uint8Array): Digest {
  return `sha-256:${Buffer.from(name).toString('hex')}`
}
