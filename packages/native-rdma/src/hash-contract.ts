import type { Backend } from './backend.js'

/**
 * XXH3-128: detects accidents, stops no attacker. Digests are 16 bytes in the canonical, big-endian form.
 * @public
 */
export interface Hash {
  readonly backend: Backend
  xxh3_128(bytes: Uint8Array): Uint8Array
  /** 16 bytes for each page of `pageBytes`, one after the other; the last page may be short. On the calling thread. */
  hashPages(bytes: Uint8Array, pageBytes: number): Uint8Array
  stream(): HashStream
}

/**
 * XXH3-128 over bytes that come in pieces.
 *
 * @public
 */
export interface HashStream {
  update(bytes: Uint8Array): void
  /** Of everything so far; more may follow. */
  digest(): Uint8Array
}

/** What images need of it. */
export type PageHash = Pick<Hash, 'xxh3_128' | 'hashPages'>

export const DIGEST_BYTES = 16

/** Room for the digests of all pages. */
export function digestsOf(bytes: Uint8Array, pageBytes: number): Uint8Array {
  return new Uint8Array(Math.ceil(bytes.length / pageBytes) * DIGEST_BYTES)
}

export function requirePageBytes(pageBytes: number): void {
  if (!Number.isSafeInteger(pageBytes) || pageBytes < 1) throw new RangeError(`pageBytes must be a positive integer, not ${pageBytes}`)
}
