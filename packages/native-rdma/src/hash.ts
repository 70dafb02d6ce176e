import { addonWith } from './addon.js'
import { type Blake3, nativeBlake3, wasmBlake3 } from './blake3.js'
import { unavailable } from './errors.js'
import type { Hash } from './hash-contract.js'
import { nativeHash } from './hash-native.js'
import { wasmHash } from './hash-wasm.js'

export type { Backend } from './backend.js'
export type { Blake3, Blake3Stream } from './blake3.js'
export type { NativeErrorCode } from './errors.js'
export type { Hash, HashStream } from './hash-contract.js'

/**
 * Which backend to load.
 *
 * @public
 */
export interface LoadHashOptions {
  /** Insists on one implementation. @defaultValue native where it can be used, else js */
  readonly backend?: 'native' | 'js'
}

/**
 * XXH3-128 by libxxhash, or by WebAssembly where the addon or the library is missing: the same digests. Loading is asynchronous,
 * hashing is not.
 *
 * @throws `ERR_NATIVE_UNAVAILABLE` when `backend` asks for what is not here.
 *
 * @example
 * ```ts
 * import { loadHash } from '@dwcp/native-rdma/hash'
 * const hash = await loadHash()
 * hash.xxh3_128(new TextEncoder().encode('a page'))
 * ```
 * @public
 */
export async function loadHash(options: LoadHashOptions = {}): Promise<Hash> {
  if (options.backend === 'js') return wasmHash('asked for')
  const { addon, backend } = addonWith('hash')
  if (addon !== undefined) return nativeHash(addon, backend)
  if (options.backend === 'native') throw unavailable('XXH3-128 by the addon', backend.reason)
  return wasmHash(backend.reason)
}

/**
 * BLAKE3 by the addon, or by WebAssembly where it is missing: the same digests. Collision-resistant: for what peers that do not trust
 * each other say of their content.
 *
 * @throws `ERR_NATIVE_UNAVAILABLE` when `backend` asks for what is not here.
 * @public
 */
export async function loadBlake3(options: LoadHashOptions = {}): Promise<Blake3> {
  if (options.backend === 'js') return wasmBlake3('asked for')
  const { addon, backend } = addonWith('blake3')
  if (addon !== undefined) return nativeBlake3(addon, backend)
  if (options.backend === 'native') throw unavailable('BLAKE3 by the addon', backend.reason)
  return wasmBlake3(backend.reason)
}
