import type { Addon } from './addon.js'
import type { Backend } from './backend.js'
import { settle } from './settle.js'
import { stoppable } from './stoppable.js'

/**
 * BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn 2020) without a key. Digests are 32 bytes.
 * @public
 */
export interface Blake3 {
  readonly backend: Backend
  /** On the calling thread. */
  digest(bytes: Uint8Array): Uint8Array
  stream(): Blake3Stream
}

/**
 * BLAKE3 over bytes that come in pieces.
 *
 * @public
 */
export interface Blake3Stream {
  /**
   * On the thread pool where the addon serves; the bytes are borrowed, unchanged, until it settles. One call at a time. An aborted
   * stream is worth nothing.
   *
   * @throws `signal.reason`.
   */
  update(bytes: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Of everything so far; more may follow. */
  digest(): Uint8Array
}

const DIGEST_BYTES = 32

export function nativeBlake3(addon: Addon, backend: Backend): Blake3 {
  return {
    backend,
    digest(bytes) {
      const digest = new Uint8Array(DIGEST_BYTES)
      addon.blake3(bytes, digest)
      return digest
    },
    stream() {
      const state = new Uint8Array(addon.blake3StateBytes)
      return {
        async update(bytes, { signal } = {}) {
          const work = stoppable(signal, (stop) => addon.blake3Update(bytes, state, stop))
          await settle('BLAKE3', bytes.length, work)
        },
        digest() {
          const digest = new Uint8Array(DIGEST_BYTES)
          addon.blake3Digest(state, digest)
          return digest
        },
      }
    },
  }
}

/** The twin. One WebAssembly instance serves all streams. */
export async function wasmBlake3(reason: string): Promise<Blake3> {
  // Loading it takes some 40 ms, which only who needs it should pay.
  const { createBLAKE3 } = await import('hash-wasm')
  const hasher = await createBLAKE3()
  return {
    backend: { kind: 'js', reason },
    digest: (bytes) => hasher.init().update(bytes).digest('binary').slice(),
    stream() {
      let state = hasher.init().save()
      return {
        async update(bytes, { signal } = {}) {
          signal?.throwIfAborted()
          state = hasher.load(state).update(bytes).save()
        },
        digest: () => hasher.load(state).digest('binary').slice(),
      }
    },
  }
}
