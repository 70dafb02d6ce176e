import { packObject, unpackObject } from './object-frame.js'
import type { DictionaryStore } from './store.js'

const DEFAULT_OBJECT_BYTES = 16 << 20

/**
 * Of {@link encodeObject}.
 *
 * @public
 */
export interface ObjectEncodeOptions {
  /** What objects of this kind are encoded with, and sampled for. @defaultValue none */
  readonly dictionaries?: Pick<DictionaryStore, 'current' | 'get' | 'sample'>
  /** What the object is like. @defaultValue `''` */
  readonly kind?: string
  readonly signal?: AbortSignal
}

/**
 * Of {@link decodeObject}.
 *
 * @public
 */
export interface ObjectDecodeOptions {
  /** Where the frame's dictionary is looked for. @defaultValue none */
  readonly dictionaries?: Pick<DictionaryStore, 'get'>
  /** Longest object. @defaultValue 16 MiB */
  readonly objectBytes?: number
  readonly signal?: AbortSignal
}

/**
 * Encodes one small object: with its kind's dictionary where there is one, by itself where that is shorter or there is none. The
 * object becomes a sample of its kind. A frame without a dictionary decodes everywhere.
 *
 * @throws `signal.reason`.
 * @public
 */
export async function encodeObject(object: Uint8Array, options: ObjectEncodeOptions = {}): Promise<Uint8Array> {
  const { dictionaries, kind = '', signal } = options
  signal?.throwIfAborted()
  dictionaries?.sample(kind, 'bytes', () => object.slice())
  const digest = dictionaries?.current(kind)
  const frame = await packObject(object, digest === undefined ? undefined : dictionaries?.get(digest), signal)
  signal?.throwIfAborted()
  return frame
}

/**
 * The inverse of {@link encodeObject}.
 *
 * @throws `ERR_HDE_DICTIONARY_MISSING`: fetch the dictionary of which `details.digest` is the beginning, or have the object sent without
 * one. `ERR_HDE_CORRUPT`, `ERR_HDE_LIMIT`, `ERR_HDE_VERSION`.
 * @public
 */
export async function decodeObject(frame: Uint8Array, options: ObjectDecodeOptions = {}): Promise<Uint8Array> {
  const { dictionaries, objectBytes = DEFAULT_OBJECT_BYTES, signal } = options
  signal?.throwIfAborted()
  const object = await unpackObject(frame, (digest) => dictionaries?.get(digest), objectBytes)
  signal?.throwIfAborted()
  return object
}
