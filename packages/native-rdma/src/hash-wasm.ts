import { DIGEST_BYTES, digestsOf, type Hash, requirePageBytes } from './hash-contract.js'

/** The twin. One WebAssembly instance serves all streams, because making one is asynchronous and `stream()` is not. */
export async function wasmHash(reason: string): Promise<Hash> {
  // It holds every algorithm it has as text: loaded only where the addon does not serve.
  const { createXXHash128 } = await import('hash-wasm')
  const hasher = await createXXHash128()

  function xxh3_128(bytes: Uint8Array): Uint8Array {
    return hasher.init().update(bytes).digest('binary').slice()
  }

  return {
    backend: { kind: 'js', reason },
    xxh3_128,
    hashPages(bytes, pageBytes) {
      requirePageBytes(pageBytes)
      const digests = digestsOf(bytes, pageBytes)
      for (let page = 0; page * pageBytes < bytes.length; page += 1) {
        digests.set(xxh3_128(bytes.subarray(page * pageBytes, (page + 1) * pageBytes)), page * DIGEST_BYTES)
      }
      return digests
    },
    stream() {
      let state = hasher.init().save()
      return {
        update(bytes) {
          state = hasher.load(state).update(bytes).save()
        },
        digest: () => hasher.load(state).digest('binary').slice(),
      }
    },
  }
}
