import { addonWith } from './addon.js'
import type { Backend } from './backend.js'
import { corrupt, tooLarge, unavailable } from './errors.js'
import { requireLent } from './lent-bytes.js'
import { settle } from './settle.js'
import { decodeZstd } from './zstd-decoder.js'
import { readZstdDictionary } from './zstd-dictionary.js'
import { readZstdFrame } from './zstd-frame.js'
import { type NodeZstd, nodeZstd } from './zstd-zlib.js'

/**
 * Who works with dictionaries here, and why.
 *
 * @public
 */
export interface DictionaryBackend extends Backend {
  /** False without the addon. */
  readonly canTrain: boolean
  /** False on a Node whose zstd takes no dictionary (before 24.6) where libzstd or the addon is missing: decoding only. */
  readonly canEncode: boolean
}

export interface DictionaryCodec {
  readonly backend: DictionaryBackend
  train(samples: readonly Uint8Array[], maxBytes: number): Promise<Uint8Array>
  compress(source: Uint8Array, dictionary: Uint8Array, level: number): Promise<Uint8Array>
  decompress(frame: Uint8Array, dictionary: Uint8Array, maxBytes: number): Promise<Uint8Array>
}

const DEFAULT_LEVEL = 3
const MIN_LEVEL = -131_072
const MAX_LEVEL = 22
const DEFAULT_DICTIONARY_BYTES = 16 << 10
/** ZDICT_DICTSIZE_MIN. */
const MIN_DICTIONARY_BYTES = 256
const MAX_DICTIONARY_BYTES = 1 << 20
const MAX_SAMPLE_BYTES = 1 << 30

let chosen: DictionaryCodec | undefined
function codec(): DictionaryCodec {
  chosen ??= chooseDictionaries()
  return chosen
}

function chooseDictionaries(): DictionaryCodec {
  const { addon, backend } = addonWith('dictionary')
  if (addon === undefined) return javaScriptDictionaries(backend.reason, nodeZstd())
  return {
    backend: { ...backend, canTrain: true, canEncode: true },
    train(samples, maxBytes) {
      const lengths = Uint32Array.from(samples, (sample) => sample.length)
      const all = new Uint8Array(Buffer.concat(samples))
      return settle('training a dictionary', maxBytes, addon.dictionaryTrain(all, new Uint8Array(lengths.buffer), maxBytes))
    },
    compress: (source, dictionary, level) => settle('zstd', Number.POSITIVE_INFINITY, addon.dictionaryCompress(source, dictionary, level)),
    decompress: (frame, dictionary, maxBytes) => settle('a zstd frame', maxBytes, addon.dictionaryDecompress(frame, dictionary, maxBytes)),
  }
}

/** Encodes by Node's zlib where that takes dictionaries, decodes here, and cannot train. */
export function javaScriptDictionaries(reason: string, node: NodeZstd | undefined): DictionaryCodec {
  return {
    backend: { kind: 'js', reason, canTrain: false, canEncode: node?.takesPrefix === true },
    async train() {
      throw unavailable('training a dictionary', reason)
    },
    async compress(source, dictionary, level) {
      if (node?.takesPrefix !== true) {
        throw unavailable('zstd encoding with a dictionary', `${reason}, and this Node (${process.version}) cannot`)
      }
      return node.compress(source, level, dictionary)
    },
    async decompress(frame, dictionary, maxBytes) {
      const { id, content, ...start } = readZstdDictionary(dictionary)
      const shape = readZstdFrame(frame, id)
      if (typeof shape === 'string') throw corrupt('a zstd frame', shape)
      if (shape.contentBytes === undefined) throw corrupt('a zstd frame', 'it says no content size')
      if (shape.contentBytes > maxBytes) throw tooLarge('a zstd frame', maxBytes, `it declares ${shape.contentBytes}`)
      return decodeZstd(frame, shape, maxBytes, content, start)
    },
  }
}

/**
 * Which implementation serves dictionaries on this host, and why.
 * @public
 */
export function dictionaryBackend(): DictionaryBackend {
  return codec().backend
}

/**
 * A dictionary of what small objects of one kind have in common (zstd's fast COVER, after Liao, Petri, Moffat, Wirth 2016), for objects
 * that are too small to have much in common with themselves. Runs on the libuv thread pool, about a second for 4 MB of samples;
 * they are copied first.
 *
 * @param samples - Objects of the kind; zstd wants at least about 8, and 100 times the dictionary's bytes in all to do well.
 * @param options - `dictionaryBytes`: at most so many, 256 to 1 MiB; default 16 KiB.
 * @throws `ERR_NATIVE_UNAVAILABLE` without the addon, or where the samples are too few or too short to train on.
 * @example
 * ```ts
 * import { dictionaryBackend, zstdCompressWith, zstdTrain } from '@dwcp/native-rdma/codec'
 * const samples = Array.from({ length: 500 }, (_, at) => new TextEncoder().encode(`{"node":"node-${at}","phase":"Ready","load":${at / 8}}`))
 * if (dictionaryBackend().canTrain) {
 *   const dictionary = await zstdTrain(samples, { dictionaryBytes: 4096 })
 *   console.log((await zstdCompressWith(new TextEncoder().encode('{"node":"node-7","phase":"Ready","load":1}'), dictionary)).length)
 * }
 * ```
 * @public
 */
export async function zstdTrain(samples: readonly Uint8Array[], options: { readonly dictionaryBytes?: number } = {}): Promise<Uint8Array> {
  const { dictionaryBytes = DEFAULT_DICTIONARY_BYTES } = options
  for (const sample of samples) requireLent('a sample', sample)
  requireInteger('dictionaryBytes', dictionaryBytes, MIN_DICTIONARY_BYTES, MAX_DICTIONARY_BYTES)
  const total = samples.reduce((sum, sample) => sum + sample.length, 0)
  if (total > MAX_SAMPLE_BYTES) throw new RangeError(`samples of ${total} bytes: at most ${MAX_SAMPLE_BYTES}`)
  return codec().train(samples, dictionaryBytes)
}

/**
 * One Zstandard frame that declares its content size, made with a dictionary that the decoder has too; the frame does not name it.
 * Bytes that do not begin as a trained dictionary are used as content. Runs on the libuv thread pool; both are borrowed, unchanged and
 * not transferred, until the promise settles. Each thread keeps the dictionary that it used last.
 *
 * @param options - `level`: -131072 (fastest) to 22 (smallest); default 3.
 * @throws `ERR_NATIVE_UNAVAILABLE` where nothing here can encode with a dictionary; `ERR_NATIVE_CORRUPT` for a damaged one;
 * `ERR_NATIVE_OUT_OF_MEMORY`.
 * @public
 */
export async function zstdCompressWith(
  source: Uint8Array,
  dictionary: Uint8Array,
  options: { readonly level?: number } = {},
): Promise<Uint8Array> {
  const { level = DEFAULT_LEVEL } = options
  requireLent('source', source)
  requireLent('dictionary', dictionary)
  requireInteger('level', level, MIN_LEVEL, MAX_LEVEL)
  return codec().compress(source, dictionary, level)
}

/**
 * The content of exactly one frame of {@link zstdCompressWith}. Another dictionary gives wrong bytes or an error: verify a digest.
 * Without the addon it runs on the calling thread.
 *
 * @param options - `maxBytes`: most bytes that the frame may decode to; nothing above is allocated.
 * @throws `ERR_NATIVE_TOO_LARGE` past `maxBytes`; `ERR_NATIVE_CORRUPT`; `ERR_NATIVE_OUT_OF_MEMORY`.
 * @public
 */
export async function zstdDecompressWith(
  frame: Uint8Array,
  dictionary: Uint8Array,
  options: { readonly maxBytes: number },
): Promise<Uint8Array> {
  requireLent('frame', frame)
  requireLent('dictionary', dictionary)
  requireInteger('maxBytes', options.maxBytes, 0, Number.MAX_SAFE_INTEGER)
  return codec().decompress(frame, dictionary, options.maxBytes)
}

function requireInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${value}`)
  }
}
