import type { Addon } from './addon.js'
import type { Backend } from './backend.js'
import { outOfMemory } from './errors.js'
import { DIGEST_BYTES, digestsOf, type Hash, requirePageBytes } from './hash-contract.js'

export function nativeHash(addon: Addon, backend: Backend): Hash {
  return {
    backend,
    xxh3_128(bytes) {
      const digest = new Uint8Array(DIGEST_BYTES)
      addon.hash(bytes, digest)
      return digest
    },
    hashPages(bytes, pageBytes) {
      requirePageBytes(pageBytes)
      const digests = digestsOf(bytes, pageBytes)
      addon.hashPages(bytes, pageBytes, digests)
      return digests
    },
    stream() {
      const stream = addon.hashStreamCreate()
      if (stream === undefined) throw outOfMemory('XXH3-128', 'no memory for a stream')
      return {
        update: (bytes) => addon.hashStreamUpdate(stream, bytes),
        digest() {
          const digest = new Uint8Array(DIGEST_BYTES)
          addon.hashStreamDigest(stream, digest)
          return digest
        },
      }
    },
  }
}
