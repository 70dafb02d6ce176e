import type { DeltaKernels } from '../delta/kernels.js'
import { digestOf, nameIn } from '../dictionaries/name.js'
import { corrupt } from '../errors.js'
import { decodeBatch, encodeBatch, type Taught } from './batch.js'
import { JSON_TEXTS, MSGPACK } from './forms.js'
import { learned } from './learn.js'

// A dictionary of documents is some documents of the kind. Both sides have their columns learn from them, and so begin with the
// shape, the keys, the common texts and the sizes of the numbers known.

const MAGIC = Buffer.from('DWDD')
const FORM_AT = MAGIC.length
const FRAME_AT = MAGIC.length + 1
const FORMS = { json: JSON_TEXTS, msgpack: MSGPACK } as const
/** What a dictionary may hold, so that a peer cannot fill memory by one. */
const LIMITS = { documents: 4_096, nodes: 1 << 18, documentBytes: 4 << 20 } as const
/** More teach little more, and each takes its time before the first document of every batch. */
const MOST_DOCUMENTS = 256
/** Of samples, so that they cannot have more members than a dictionary may. */
const MOST_SAMPLE_BYTES = LIMITS.nodes * 2
const TRIES = 4

/** A dictionary of as many of the samples as fit; undefined where not one does. */
export async function documentDictionary(
  kernels: DeltaKernels,
  samples: readonly Uint8Array[],
  form: 'json' | 'msgpack',
  dictionaryBytes: number,
): Promise<Uint8Array | undefined> {
  let [count, bytes] = [0, 0]
  for (const { length } of samples.slice(0, MOST_DOCUMENTS)) {
    bytes += length
    if (bytes > MOST_SAMPLE_BYTES) break
    count += 1
  }
  for (let left = TRIES; left > 0 && count > 0; left -= 1) {
    const frame = await encodeBatch(
      kernels,
      { form: FORMS[form], formers: Array.from({ length: count }, () => undefined) },
      samples.slice(0, count),
      LIMITS,
      undefined,
    )
    if (FRAME_AT + frame.length <= dictionaryBytes) return new Uint8Array(Buffer.concat([MAGIC, Uint8Array.of(FORMS[form].code), frame]))
    count = Math.floor((0.95 * count * (dictionaryBytes - FRAME_AT)) / frame.length)
  }
  return undefined
}

const known = new WeakMap<Uint8Array, Promise<Taught>>()

/** What a dictionary teaches; remembered as long as its bytes are kept. @throws `ERR_HDE_CORRUPT`, `ERR_HDE_LIMIT` */
export function taughtBy(kernels: DeltaKernels, dictionary: Uint8Array): Promise<Taught> {
  const found = known.get(dictionary)
  if (found !== undefined) return found
  const taught = teach(kernels, dictionary)
  known.set(dictionary, taught)
  return taught
}

async function teach(kernels: DeltaKernels, dictionary: Uint8Array): Promise<Taught> {
  const form = dictionary[FORM_AT] === JSON_TEXTS.code ? JSON_TEXTS : MSGPACK
  if (Buffer.compare(dictionary.subarray(0, MAGIC.length), MAGIC) !== 0 || dictionary[FORM_AT] !== form.code) {
    throw corrupt('a dictionary that is not one of documents')
  }
  const documents = await decodeBatch(kernels, { form, formers: [] }, dictionary.subarray(FRAME_AT), LIMITS, noDictionary, undefined)
  return {
    name: nameIn(digestOf(dictionary)),
    model: learned(documents.map((document) => form.nodeOf(document))),
    reference: form.canonical(documents),
  }
}

function noDictionary(): never {
  throw corrupt('a dictionary made with a dictionary')
}
