import { setImmediate } from 'node:timers/promises'
import { isDwcpError } from '@dwcp/interface'
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
/** What a dictionary may hold, so that a peer can neither fill memory by one nor keep this thread for longer than a twentieth of a second. */
const LIMITS = { documents: 4_096, nodes: 1 << 14, documentBytes: 1 << 20 } as const
/** Four times as many made documents at most 3 % shorter, and take four times as long before the first document. */
const MOST_DOCUMENTS = 64
const TRIES = 8

/** A dictionary of as many of the samples as fit; undefined where not one does. */
export async function documentDictionary(
  kernels: DeltaKernels,
  samples: readonly Uint8Array[],
  form: 'json' | 'msgpack',
  dictionaryBytes: number,
): Promise<Uint8Array | undefined> {
  let count = Math.min(MOST_DOCUMENTS, samples.length)
  for (let left = TRIES; left > 0 && count > 0; left -= 1) {
    // Training is in the background: others have their turns.
    await setImmediate()
    const frame = await frameOf(kernels, form, samples.slice(0, count))
    const bytes = FRAME_AT + (frame?.length ?? 0)
    if (frame !== undefined && bytes <= dictionaryBytes)
      return new Uint8Array(Buffer.concat([MAGIC, Uint8Array.of(FORMS[form].code), frame]))
    count = frame === undefined ? count >> 1 : Math.floor((0.95 * count * (dictionaryBytes - FRAME_AT)) / frame.length)
  }
  return undefined
}

/** Undefined where these are more than a dictionary may hold. */
async function frameOf(kernels: DeltaKernels, form: 'json' | 'msgpack', samples: readonly Uint8Array[]): Promise<Uint8Array | undefined> {
  try {
    return await encodeBatch(kernels, { form: FORMS[form], formers: samples.map(() => undefined) }, samples, LIMITS, undefined)
  } catch (error) {
    if (isDwcpError(error, 'ERR_HDE_LIMIT')) return undefined
    throw error
  }
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
