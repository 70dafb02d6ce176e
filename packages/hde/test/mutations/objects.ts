import { createHash } from 'node:crypto'
import type { DictionaryStore } from '../../src/index.ts'
import { noise, prose, seeded } from '../support.ts'
import type { Seed, Target } from './attack.ts'
import { chunkStreamParts, deltaStreamParts, dictionaryAheadParts, documentParts, objectFrameParts } from './frame-parts.ts'
import type { Modules } from './modules.ts'
import { bytesPart, type Part } from './parts.ts'
import { gathered } from './streams.ts'

const LIMITS = { blockBytes: 8_192, windowBytes: 16_384, groupBytes: 16_384, objectBytes: 1 << 20, smallObjectBytes: 16_384 }
/** A window, a block, three times a block for its streams, or a group with what is around it; tables of a codec beside. */
const LIMIT_BYTES = LIMITS.windowBytes + 6 * LIMITS.blockBytes + 4 * LIMITS.groupBytes + (1 << 20)
const KIND = 'lease'
const NAME_BYTES = 8

/** Of one kind, in two forms. */
function documents(seed: number, count: number): { readonly node: string; readonly phase: string; readonly load: number }[] {
  const roll = seeded(seed)
  return Array.from({ length: count }, () => ({
    node: `node-${roll() % 5_000}`,
    phase: ['Ready', 'Draining', 'Lost'][roll() % 3] ?? '',
    load: (roll() % 10_000) / 100,
  }))
}

function texts(seed: number, count: number): Buffer[] {
  return documents(seed, count).map((document) => Buffer.from(JSON.stringify(document)))
}

/** With a dictionary of bytes, as it was trained, or as content where no training is possible here. */
async function dictionariesOf({ hde }: Modules): Promise<DictionaryStore> {
  const dictionaries = hde.createDictionaryStore({ dictionaryBytes: 2_048, random: () => 0.5 })
  for (const object of texts(71, 200)) await hde.encodeObject(object, { dictionaries, kind: KIND })
  const trained = await dictionaries.train(KIND)
  if (trained === undefined) dictionaries.use(KIND, dictionaries.add(Buffer.concat(texts(72, 20))))
  return dictionaries
}

/** Every kind of frame that one decoder takes. */
export async function objects(makes: Modules, reads: Modules): Promise<Target> {
  const [older, small] = [Buffer.from(prose(73, 12_000)), texts(74, 1)[0] ?? Buffer.alloc(0)]
  const newer = Buffer.concat([older.subarray(5_000, 8_500), noise(75, 60), older.subarray(200, 3_000)])
  const [ours, theirs] = [await makes.hde.createMemoryStore(), await reads.hde.createMemoryStore()]
  const { digest: baseline } = await ours.put(older)
  await theirs.put(older)
  const dictionaries = await dictionariesOf(makes)
  const held = reads.hde.createDictionaryStore()
  const current = dictionaries.current(KIND)
  const dictionary = current === undefined ? undefined : dictionaries.get(current)
  if (dictionary !== undefined) held.add(dictionary)
  const encoder = makes.hde.createEncoder({ baselines: ours, dictionaries, sendDictionaries: false })
  const sends = makes.hde.createEncoder({ dictionaries })
  const decoder = reads.hde.createDecoder({ baselines: theirs, dictionaries: held, limits: LIMITS })
  const frames: readonly (readonly [Uint8Array, (frame: Uint8Array) => Part[]])[] = [
    [await gathered(encoder.encode(newer, { baseline })), deltaStreamParts],
    [await gathered(encoder.encode(newer)), deltaStreamParts],
    [await gathered(makes.hde.createChunkEncoder().encode(newer)), chunkStreamParts],
    [await gathered(encoder.encode(small, { kind: KIND })), objectFrameParts],
    [await gathered(encoder.encode(prose(76, 3_000), { kind: KIND })), objectFrameParts],
    [await gathered(encoder.encode(noise(77, 300), { kind: KIND })), objectFrameParts],
    [await gathered(sends.encode(small, { kind: KIND })), dictionaryAheadParts],
  ]
  const seeds = frames.map(([frame, parts]): Seed => ({ parts: () => parts(frame), decode: (mutant) => gathered(decoder.decode(mutant)) }))
  const refusals = /^ERR_HDE_(CORRUPT|LIMIT|VERSION|BASELINE_MISSING|DICTIONARY_MISSING)$/
  return { name: 'objects', seeds, refusals, limitBytes: LIMIT_BYTES }
}

/**
 * Dictionaries that a peer sent, in place of those that frames were made with: the frames name what came, so that it is used.
 * What is decoded then has the check of the right object or is refused.
 */
export async function givenDictionaries(makes: Modules, reads: Modules): Promise<Target> {
  const trained = await dictionariesOf(makes)
  const seeds: Seed[] = []
  for (const object of [texts(78, 1)[0] ?? Buffer.alloc(0), Buffer.concat(texts(79, 8))]) {
    const frame = await makes.hde.encodeObject(object, { dictionaries: trained, kind: KIND })
    const named = trained.current(KIND)
    const dictionary = named === undefined ? undefined : trained.get(named)
    if (dictionary === undefined || Buffer.compare(frame.subarray(1, 9), nameOf(dictionary)) !== 0)
      throw new Error('a frame without the dictionary')
    const parts = [bytesPart(dictionary.subarray(0, 8)), bytesPart(dictionary.subarray(8, 160)), bytesPart(dictionary.subarray(160))]
    seeds.push({
      parts: () => parts.map((part) => ({ ...part })),
      decode(mutant) {
        const store = reads.hde.createDictionaryStore()
        store.add(mutant)
        const body = Buffer.concat([frame.subarray(0, 1), nameOf(mutant), frame.subarray(9)])
        return reads.hde.decodeObject(body, { dictionaries: store, objectBytes: LIMITS.smallObjectBytes })
      },
    })
  }
  seeds.push(await documentSeed(makes, reads))
  return {
    name: 'dictionaries',
    seeds,
    refusals: /^ERR_HDE_(CORRUPT|LIMIT|VERSION)$/,
    limitBytes: (8 << 20) + LIMIT_BYTES,
  }
}

async function documentSeed({ hde }: Modules, reads: Modules): Promise<Seed> {
  const trained = hde.createDictionaryStore({ dictionaryBytes: 2_048, random: () => 0.5 })
  const batch = documents(80, 4)
  const none = batch.map(() => undefined)
  const options = { dictionaries: trained, kind: KIND }
  const samples = documents(81, 200)
  await hde.encodeDocuments(
    samples,
    samples.map(() => undefined),
    options,
  )
  const digest = await trained.train(KIND)
  const dictionary = digest === undefined ? undefined : trained.get(digest)
  if (dictionary === undefined) throw new Error('no dictionary of documents was trained')
  const frame = await hde.encodeDocuments(batch, none, options)
  const at = Buffer.from(frame).indexOf(nameOf(dictionary))
  if (at < 0) throw new Error('a frame without the dictionary')
  return {
    parts: () => [bytesPart(dictionary.subarray(0, 5)), ...documentParts(dictionary.subarray(5))],
    async decode(mutant) {
      const store = reads.hde.createDictionaryStore()
      store.add(mutant)
      const body = Buffer.concat([frame.subarray(0, at), nameOf(mutant), frame.subarray(at + NAME_BYTES)])
      return Buffer.from(JSON.stringify(await reads.hde.decodeDocuments(body, none, { dictionaries: store })))
    },
  }
}

/** As frames have it. */
function nameOf(dictionary: Uint8Array): Buffer {
  return Buffer.from(createHash('sha256').update(dictionary).digest().subarray(0, NAME_BYTES))
}
