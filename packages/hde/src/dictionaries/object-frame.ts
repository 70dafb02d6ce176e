import { type Digest, isDwcpError } from '@dwcp/interface'
import { dictionaryBackend, zstdCompressWith, zstdDecompressWith } from '@dwcp/native-rdma/codec'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { type DeltaKernels, deltaKernelsOnce } from '../delta/kernels.js'
import { corrupt, foreignVersion, pastLimit } from '../errors.js'
import { missingDictionary } from './missing.js'
import { digestNamed, digestOf, NAME_BYTES, nameIn } from './name.js'

/** Of docs/wire/dictionaries.md. */
const VERSION = 1
const METHODS = { raw: 0, lz4: 1, zstd: 2, dictionary: 3 } as const
const VERSION_SHIFT = 4
const CHECK_BYTES = 8
const ZSTD_LEVEL = 19
/** Every zstd frame begins with it; ours leave it out. */
const ZSTD_MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)

type DictionaryOf = (digest: Digest) => Uint8Array | undefined

/** The shortest of what the dictionary makes of it, the codecs alone, and the object as it is. */
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

/** Whether it takes a dictionary to decode a frame of {@link packObject}. */
export function namesDictionary([first = 0]: Uint8Array): boolean {
  return (first & 0x0f) === METHODS.dictionary
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

/** The object of a frame, as long as `objectBytes` at most, with the digest that it was sent with. */
export async function unpackObject(frame: Uint8Array, dictionaryOf: DictionaryOf, objectBytes: number): Promise<Uint8Array> {
  const kernels = await deltaKernelsOnce()
  const object = await unpack(kernels, frame, dictionaryOf, objectBytes)
  if (Buffer.compare(kernels.hash.xxh3_128(object).subarray(0, CHECK_BYTES), frame.subarray(-CHECK_BYTES)) === 0) return object
  throw corrupt('an object that does not have the digest it was sent with')
}

async function unpack(kernels: DeltaKernels, frame: Uint8Array, dictionaryOf: DictionaryOf, objectBytes: number): Promise<Uint8Array> {
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
        const dictionary = dictionaryOf(digest)
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
