import { isDwcpError } from '@dwcp/interface'
import { dictionaryBackend, zstdCompressWith, zstdDecompressWith } from '@dwcp/native-rdma/codec'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { type DeltaKernels, deltaKernelsOnce } from '../delta/kernels.js'
import { corrupt, foreignVersion, pastLimit } from '../errors.js'
import { missingDictionary } from './missing.js'
import { digestNamed, digestOf, NAME_BYTES, nameIn } from './name.js'
import type { DictionaryStore } from './store.js'

const VERSION = 1
const METHODS = { raw: 0, lz4: 1, zstd: 2, dictionary: 3 } as const
const VERSION_SHIFT = 4
const CHECK_BYTES = 8
const ZSTD_LEVEL = 19
/** Every zstd frame begins with it; ours leave it out. */
const ZSTD_MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)
const DEFAULT_OBJECT_BYTES = 16 << 20

/**
 * Of {@link encodeObject}.
 *
 * @public
 */
export interface ObjectEncodeOptions {
  /** What objects of this kind are encoded with, and sampled for. @defaultValue none */
  readonly dictionaries?: DictionaryStore
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
  readonly dictionaries?: DictionaryStore
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
  const kernels = await deltaKernelsOnce()
  const object = await unpackObject(kernels, frame, dictionaries, objectBytes)
  signal?.throwIfAborted()
  if (Buffer.compare(kernels.hash.xxh3_128(object).subarray(0, CHECK_BYTES), frame.subarray(-CHECK_BYTES)) === 0) return object
  throw corrupt('an object that does not have the digest it was sent with')
}

export async function packObject(object: Uint8Array, dictionary: Uint8Array | undefined, signal?: AbortSignal): Promise<Uint8Array> {
  const kernels = await deltaKernelsOnce()
  const head = new ByteWriter()
  const alone = await packAlone(kernels, object, signal === undefined ? {} : { signal })
  let [method, name, body] = [alone.method, new Uint8Array(), alone.body]
  if (dictionary !== undefined && dictionaryBackend().canEncode) {
    const zstd = await zstdCompressWith(object, dictionary, { level: ZSTD_LEVEL })
    const shorter = zstd.length - ZSTD_MAGIC.length + NAME_BYTES < alone.body.length
    if (shorter) [method, name, body] = [METHODS.dictionary, new Uint8Array(nameIn(digestOf(dictionary))), zstd.subarray(ZSTD_MAGIC.length)]
  }
  head.byte((VERSION << VERSION_SHIFT) | method)
  if (method === METHODS.lz4) head.varint(object.length)
  return new Uint8Array(Buffer.concat([head.view(), name, body, kernels.hash.xxh3_128(object).subarray(0, CHECK_BYTES)]))
}

async function packAlone(
  kernels: DeltaKernels,
  object: Uint8Array,
  stopping: { readonly signal?: AbortSignal },
): Promise<{ readonly method: number; readonly body: Uint8Array }> {
  const packed = kernels.zstdEncodes
    ? { method: METHODS.zstd, body: (await kernels.zstdCompress(object, { level: ZSTD_LEVEL, ...stopping })).subarray(ZSTD_MAGIC.length) }
    : { method: METHODS.lz4, body: await kernels.lz4Compress(object) }
  return packed.body.length < object.length ? packed : { method: METHODS.raw, body: object }
}

async function unpackObject(
  kernels: DeltaKernels,
  frame: Uint8Array,
  dictionaries: DictionaryStore | undefined,
  objectBytes: number,
): Promise<Uint8Array> {
  if (frame.length < 1 + CHECK_BYTES) throw corrupt('an object that ends early')
  const reader = new ByteReader(frame.subarray(0, -CHECK_BYTES), 0)
  const first = reader.byte()
  const version = first >>> VERSION_SHIFT
  if (version !== VERSION) throw foreignVersion('an object', version, VERSION)
  const limit = { maxBytes: objectBytes }
  try {
    switch (first & 0x0f) {
      case METHODS.raw: {
        const body = new Uint8Array(reader.rest())
        if (body.length > objectBytes) throw pastLimit('an object', body.length, objectBytes, 'raise objectBytes')
        return body
      }
      case METHODS.lz4: {
        const lengthBytes = reader.varint()
        if (lengthBytes > objectBytes) throw pastLimit('an object', lengthBytes, objectBytes, 'raise objectBytes')
        return await kernels.lz4Decompress(reader.rest(), { lengthBytes })
      }
      case METHODS.zstd:
        return await kernels.zstdDecompress(Buffer.concat([ZSTD_MAGIC, reader.rest()]), limit)
      case METHODS.dictionary: {
        const digest = digestNamed(reader.take(NAME_BYTES))
        const dictionary = dictionaries?.get(digest)
        if (dictionary === undefined) throw missingDictionary(digest)
        return await zstdDecompressWith(Buffer.concat([ZSTD_MAGIC, reader.rest()]), dictionary, limit)
      }
      default:
        throw corrupt('an object packed in a way that is not known')
    }
  } catch (error) {
    if (isDwcpError(error, 'ERR_NATIVE_CORRUPT')) throw corrupt('an object that its codec does not decode', {}, error)
    if (isDwcpError(error, 'ERR_NATIVE_TOO_LARGE')) throw pastLimit('an object', objectBytes + 1, objectBytes, 'raise objectBytes')
    throw error
  }
}
