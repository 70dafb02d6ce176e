import { loadDigestOf } from '../chunks/object-digest.js'
import { Catalog } from './catalog.js'
import { ChunkedStore } from './chunked-store.js'
import type { Draft, Shelf } from './shelf.js'
import { type BaselineStore, DEFAULT_STORE_BYTES, type StoreOptions } from './store.js'

/**
 * A {@link BaselineStore} in memory, which ends with the process.
 *
 * @example
 * ```ts
 * import { createMemoryStore } from '@dwcp/hde'
 * const store = await createMemoryStore({ bytes: 64 * 1024 ** 2 })
 * const { digest } = await store.put(new Uint8Array(100_000), { name: 'an object' })
 * const base = await store.base(digest)
 * console.log(await base?.read(0, 10), store.stats().keptBytes)
 * ```
 * @throws `RangeError` for a bound that cannot be.
 * @public
 */
export async function createMemoryStore(options: StoreOptions = {}): Promise<BaselineStore> {
  const { bytes = DEFAULT_STORE_BYTES, digest = 'blake3' } = options
  requireBytes(bytes)
  return new ChunkedStore(new Catalog<Uint8Array>(await loadDigestOf(digest)), new MemoryShelf(), { bytes, digest })
}

export function requireBytes(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw new RangeError(`bytes is ${bytes}: it must be a positive integer`)
}

class MemoryShelf implements Shelf<Uint8Array> {
  keptBytes = 0

  async begin(): Promise<Draft<Uint8Array>> {
    let lengthBytes = 0
    return {
      get lengthBytes() {
        return lengthBytes
      },
      costBytes: () => lengthBytes,
      async add(_key, bytes) {
        lengthBytes += bytes.length
        return bytes.slice()
      },
      commit: async () => undefined,
      settle: async (fresh) => {
        for (const chunk of fresh) this.keptBytes += chunk.lengthBytes
      },
      discard: async () => undefined,
    }
  }

  async read(chunks: readonly { readonly place: Uint8Array }[]): Promise<readonly Uint8Array[]> {
    return chunks.map(({ place }) => place)
  }

  async reclaim(chunks: readonly { readonly lengthBytes: number }[]): Promise<void> {
    for (const { lengthBytes } of chunks) this.keptBytes -= lengthBytes
  }

  async close(): Promise<void> {
    this.keptBytes = 0
  }
}
