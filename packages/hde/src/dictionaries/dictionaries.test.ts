import { isDwcpError } from '@dwcp/interface'
import { dictionaryBackend } from '@dwcp/native-rdma/codec'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createDictionaryStore,
  type DictionaryStore,
  decodeDocuments,
  decodeObject,
  encodeDocuments,
  encodeObject,
  type JsonValue,
} from '../index.ts'
import { Reservoir } from './reservoir.ts'

const { canTrain, reason } = dictionaryBackend()
if (!canTrain) process.stderr.write(`@dwcp/hde: DICTIONARIES OF OBJECTS TESTED WITHOUT TRAINING: ${reason}\n`)

function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const next = seeded(5)
const below = (bound: number): number => Math.floor(next() * bound)
function node(index: number): JsonValue {
  return {
    name: `node-${String(index).padStart(5, '0')}`,
    phase: ['Ready', 'Draining', 'Cordoned'][below(3)] ?? '',
    uid: Array.from({ length: 40 }, () => below(16).toString(16)).join(''),
    load: below(64_000) / 1000,
    rack: `r${below(40)}`,
    machines: Array.from({ length: 1 + below(3) }, () => ({ id: `vm-${below(1e9).toString(16)}`, pages: below(90_000) })),
  }
}
const documents = Array.from({ length: 600 }, (_, index) => node(index))
const bytesOf = (document: JsonValue): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(document)))
const store = (options: { bytes?: number } = {}): DictionaryStore =>
  createDictionaryStore({ random: seeded(9), trainAfterObjects: 1e9, ...options })

async function failure(work: Promise<unknown>): Promise<{ readonly code: string; readonly details: unknown }> {
  try {
    await work
  } catch (error) {
    if (isDwcpError(error)) return { code: error.code, details: error.details }
    throw error
  }
  return { code: 'none', details: undefined }
}

async function trained(kind: 'documents' | 'objects'): Promise<DictionaryStore> {
  const dictionaries = store()
  for (const document of documents.slice(0, 500)) dictionaries.sample(kind, kind === 'objects' ? 'bytes' : 'json', () => bytesOf(document))
  await dictionaries.train(kind)
  return dictionaries
}

describe.runIf(canTrain)('objects', () => {
  test('of a trained kind are smaller, and need the dictionary', async () => {
    const ours = await trained('objects')
    const object = bytesOf(documents[550] ?? null)
    const frame = await encodeObject(object, { dictionaries: ours, kind: 'objects' })
    expect(frame.length).toBeLessThan(0.7 * (await encodeObject(object)).length)
    const theirs = store()
    const { code, details } = await failure(decodeObject(frame, { dictionaries: theirs }))
    const digest = ours.current('objects')
    expect(code).toBe('ERR_HDE_DICTIONARY_MISSING')
    expect(details).toEqual({ digest: digest?.slice(0, 'sha-256:'.length + 16) })
    expect((await failure(decodeObject(frame))).code).toBe('ERR_HDE_DICTIONARY_MISSING')
    const named = digest === undefined ? undefined : ours.get(digest)
    expect(theirs.add(named?.slice() ?? new Uint8Array())).toBe(digest)
    expect(Buffer.from(await decodeObject(frame, { dictionaries: theirs })).equals(object)).toBe(true)
  })

  test('change nothing where a dictionary does not pay, and retire one that no longer does', async () => {
    const dictionaries = await trained('objects')
    const noise = (): Uint8Array => Uint8Array.from({ length: 300 }, () => below(256))
    const former = dictionaries.current('objects')
    expect(former).toBeDefined()
    for (let count = 0; count < 100; count += 1) dictionaries.sample('objects', 'bytes', noise)
    expect(await dictionaries.train('objects')).toBeUndefined()
    expect(dictionaries.current('objects')).toBeUndefined()
    expect(former === undefined ? undefined : dictionaries.get(former)).toBeDefined()
  })

  test('are trained on in the background, when enough were seen', async () => {
    const dictionaries = createDictionaryStore({ random: seeded(3), trainAfterObjects: 200 })
    for (const document of documents.slice(0, 200)) await encodeObject(bytesOf(document), { dictionaries, kind: 'k' })
    expect(await dictionaries.train('k')).toBe(dictionaries.current('k'))
    expect(dictionaries.current('k')).toBeDefined()
  })
})

describe('documents', () => {
  test('without a former version begin with what the dictionary taught', async () => {
    const dictionaries = await trained('documents')
    for (const count of [1, 4, 64]) {
      const batch = documents.slice(520, 520 + count)
      const none = batch.map(() => undefined)
      const frame = await encodeDocuments(batch, none, { dictionaries, kind: 'documents' })
      expect(await decodeDocuments(frame, none, { dictionaries })).toEqual(batch)
      expect(frame.length).toBeLessThan((await encodeDocuments(batch, none)).length)
      expect((await failure(decodeDocuments(frame, none))).code).toBe('ERR_HDE_DICTIONARY_MISSING')
    }
    const [first] = documents
    const bytes = await encodeDocuments([first ?? null], [undefined], { dictionaries, kind: 'documents' })
    expect(bytes.length).toBeLessThan(0.6 * (await encodeDocuments([first ?? null], [undefined])).length)
  })

  test('of any shape come back with a dictionary of another shape', async () => {
    const dictionaries = await trained('documents')
    const values: JsonValue[] = [null, [[[1]]], { name: 5, machines: 'none', extra: { a: [] } }, 'node-00001', { load: -1e300, rack: null }]
    for (const value of values) {
      const frame = await encodeDocuments([value], [undefined], { dictionaries, kind: 'documents' })
      expect(await decodeDocuments(frame, [undefined], { dictionaries })).toEqual([value])
    }
  })

  test('a dictionary that a peer spoilt gives an error of this package', async () => {
    const dictionaries = await trained('documents')
    const digest = dictionaries.current('documents')
    const dictionary = digest === undefined ? undefined : dictionaries.get(digest)
    expect(dictionary).toBeDefined()
    const theirs = store()
    for (let round = 0; round < 100; round += 1) {
      const mutant = Uint8Array.from(dictionary ?? [])
      for (let count = 0; count < 3; count += 1) mutant[below(mutant.length)] = below(256)
      theirs.use('spoilt', theirs.add(mutant))
      const { code } = await failure(encodeDocuments([1], [undefined], { dictionaries: theirs, kind: 'spoilt' }))
      expect(code).toMatch(/^(none|ERR_HDE_(CORRUPT|LIMIT|VERSION))$/)
    }
  })
})

describe('a store', () => {
  test('keeps no more bytes than it may, and what is used to encode the longest', () => {
    const dictionaries = store({ bytes: 3_000 })
    const [first, second, third, fourth] = [1, 2, 3, 4].map((fill) => dictionaries.add(new Uint8Array(1_000).fill(fill)))
    expect([first, second, third, fourth].map((digest) => digest && dictionaries.get(digest)?.length)).toEqual([
      undefined,
      1_000,
      1_000,
      1_000,
    ])
    if (second === undefined || third === undefined) return
    dictionaries.use('k', second)
    dictionaries.get(third)
    dictionaries.add(new Uint8Array(2_000).fill(5))
    expect(dictionaries.get(second)).toBeDefined()
    expect(dictionaries.get(third)).toBeUndefined()
    dictionaries.add(new Uint8Array(3_000).fill(6))
    expect(dictionaries.current('k')).toBeUndefined()
    expect(() => dictionaries.add(new Uint8Array(3_001))).toThrow(expect.objectContaining({ code: 'ERR_HDE_LIMIT' }))
  })

  test('finds a dictionary by its digest or the part that frames have, and by no other', () => {
    const dictionaries = store()
    const digest = dictionaries.add(new Uint8Array(10))
    expect(dictionaries.get(digest)).toHaveLength(10)
    expect(dictionaries.get(`sha-256:${digest.slice(8, 24)}`)).toHaveLength(10)
    expect(dictionaries.get(`sha-256:${digest.slice(8, 22)}`)).toBeUndefined()
    expect(dictionaries.get(`sha-256:${digest.slice(8, -1)}${digest.endsWith('0') ? '1' : '0'}`)).toBeUndefined()
    dictionaries.use('k', digest)
    dictionaries.retire(digest)
    expect(dictionaries.current('k')).toBeUndefined()
    expect(dictionaries.get(digest)).toHaveLength(10)
    expect(() => dictionaries.use('k', 'sha-256:00')).toThrow(RangeError)
  })

  test('refuses more kinds than it may have, and objects of another form in a kind', () => {
    const dictionaries = createDictionaryStore({ kinds: 1 })
    dictionaries.sample('one', 'json', () => new Uint8Array())
    expect(() => dictionaries.sample('one', 'bytes', () => new Uint8Array())).toThrow(RangeError)
    expect(() => dictionaries.sample('two', 'json', () => new Uint8Array())).toThrow(expect.objectContaining({ code: 'ERR_HDE_LIMIT' }))
  })

  test('samples evenly and within its bytes', () => {
    const reservoir = new Reservoir(100, 5_000, seeded(1))
    for (let index = 0; index < 10_000; index += 1) reservoir.offer(() => Uint8Array.from({ length: 40 + (index % 30) }, () => index >> 8))
    const held = reservoir.objects
    expect(held.reduce((sum, object) => sum + object.length, 0)).toBeLessThanOrEqual(5_000)
    const early = held.filter((object) => (object[0] ?? 0) < 20).length
    expect(early).toBeGreaterThan(held.length / 4)
    expect(early).toBeLessThan((3 * held.length) / 4)
  })
})

test('any object comes back without a dictionary, and within its limit only', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (object) => {
      const frame = await encodeObject(object)
      expect(Buffer.compare(await decodeObject(frame, { objectBytes: object.length }), object)).toBe(0)
      if (object.length > 0) expect((await failure(decodeObject(frame, { objectBytes: object.length - 1 }))).code).toBe('ERR_HDE_LIMIT')
    }),
  )
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(encodeObject(new Uint8Array(), { signal })).rejects.toThrow('enough')
  await expect(decodeObject(new Uint8Array(), { signal })).rejects.toThrow('enough')
})

test('mutated objects are refused or right', async () => {
  const dictionaries = canTrain ? await trained('objects') : store()
  const object = bytesOf(documents[560] ?? null)
  const frame = await encodeObject(object, { dictionaries, kind: 'objects' })
  for (let round = 0; round < 3_000; round += 1) {
    const mutant = Uint8Array.from(frame)
    for (let count = below(3); count >= 0; count -= 1) mutant[below(mutant.length)] = below(256)
    const given = below(8) === 0 ? mutant.subarray(0, below(mutant.length)) : mutant
    try {
      expect(Buffer.compare(await decodeObject(given, { dictionaries }), object)).toBe(0)
    } catch (error) {
      if (!isDwcpError(error)) throw error
      expect(error.code).toMatch(/^ERR_HDE_(CORRUPT|LIMIT|VERSION|DICTIONARY_MISSING)$/)
    }
  }
})
