import { setImmediate } from 'node:timers/promises'
import { dictionaryBackend, zstdTrain } from '@dwcp/native-rdma/codec'
import { deltaKernelsOnce } from '../delta/kernels.js'
import { encodeBatch } from '../documents/batch.js'
import { JSON_TEXTS, MSGPACK } from '../documents/forms.js'
import { DEFAULT_DOCUMENT_LIMITS } from '../documents/limits.js'
import { documentDictionary, taughtBy } from '../documents/taught.js'
import { packObject } from './object-frame.js'

/**
 * What samples are: any bytes, or documents as JSON text or MessagePack.
 *
 * @public
 */
export type SampleForm = 'bytes' | 'json' | 'msgpack'

const FEWEST_SAMPLES = 16
/** One sample in so many is not trained on but tried. */
const SAMPLES_A_TRIAL = 5
const MOST_TRIALS = 32
/** A peer must be sent it: it must be so much better. */
const BETTER = 0.95

/** Of a new one, the one so far and none: the one that makes samples smallest which it was not made from. */
export async function bestDictionary(
  samples: readonly Uint8Array[],
  form: SampleForm,
  current: Uint8Array | undefined,
  dictionaryBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (samples.length < FEWEST_SAMPLES) return current
  const tried = samples.filter((_, index) => index % SAMPLES_A_TRIAL === 0).slice(0, MOST_TRIALS)
  const trained = samples.filter((_, index) => index % SAMPLES_A_TRIAL > 0)
  const fresh = await train(trained, form, dictionaryBytes)
  signal?.throwIfAborted()
  const cost = async (dictionary: Uint8Array | undefined): Promise<number> => {
    let bytes = 0
    for (const object of tried) {
      // In the background: others have their turns.
      await setImmediate()
      bytes += (await encoded(object, form, dictionary)).length
    }
    signal?.throwIfAborted()
    return bytes
  }
  let best: Uint8Array | undefined
  let bytes = await cost(undefined)
  const currentBytes = current === undefined ? Number.POSITIVE_INFINITY : await cost(current)
  if (currentBytes < bytes) [best, bytes] = [current, currentBytes]
  return fresh !== undefined && (await cost(fresh)) < BETTER * bytes ? fresh : best
}

async function train(samples: readonly Uint8Array[], form: SampleForm, dictionaryBytes: number): Promise<Uint8Array | undefined> {
  if (form !== 'bytes') return documentDictionary(await deltaKernelsOnce(), samples, form, dictionaryBytes)
  return dictionaryBackend().canTrain ? zstdTrain(samples, { dictionaryBytes }) : undefined
}

async function encoded(object: Uint8Array, form: SampleForm, dictionary: Uint8Array | undefined): Promise<Uint8Array> {
  if (form === 'bytes') return packObject(object, dictionary)
  const kernels = await deltaKernelsOnce()
  const taught = dictionary === undefined ? undefined : await taughtBy(kernels, dictionary)
  return encodeBatch(
    kernels,
    { form: form === 'json' ? JSON_TEXTS : MSGPACK, formers: [undefined], taught },
    [object],
    DEFAULT_DOCUMENT_LIMITS,
    undefined,
  )
}
