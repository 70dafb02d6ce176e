import { HASH_BYTES } from './frame.js'
import type { Kernels } from './kernels.js'
import { OUTCOMES } from './outcomes.js'

/** XXH3-128 of pages; a page marked as zero is not read, its hash is known. */
export class PageHashes {
  readonly #hash: Kernels['hash']
  readonly #zeroHashes = new Map<number, Uint8Array>()

  constructor(hash: Kernels['hash']) {
    this.#hash = hash
  }

  /** 16 bytes a page, in order. */
  of(bytes: Uint8Array, pageBytes: number, outcomes: Uint8Array): Buffer {
    const hashes = Buffer.allocUnsafeSlow(outcomes.length * HASH_BYTES)
    const zeroHash = this.#zeroHash(pageBytes)
    for (let index = 0; index < outcomes.length; ) {
      if (outcomes[index] === OUTCOMES.zero) {
        hashes.set(zeroHash, index * HASH_BYTES)
        index += 1
        continue
      }
      let end = index + 1
      while (end < outcomes.length && outcomes[end] !== OUTCOMES.zero) end += 1
      hashes.set(this.#hash.hashPages(bytes.subarray(index * pageBytes, end * pageBytes), pageBytes), index * HASH_BYTES)
      index = end
    }
    return hashes
  }

  #zeroHash(pageBytes: number): Uint8Array {
    const known = this.#zeroHashes.get(pageBytes)
    if (known !== undefined) return known
    const hash = this.#hash.xxh3_128(new Uint8Array(pageBytes))
    this.#zeroHashes.set(pageBytes, hash)
    return hash
  }
}
