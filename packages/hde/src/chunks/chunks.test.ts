import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf, noise, prose } from '../../test/support.ts'
import {
  type BaselineStore,
  type ChunkDecoder,
  type ChunkEncoderOptions,
  createChunkDecoder,
  createChunkEncoder,
  createMemoryStore,
} from '../index.ts'

async function gathered(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const list: Uint8Array[] = []
  for await (const part of parts) list.push(part)
  return Buffer.concat(list)
}

async function storeOf(...objects: readonly Uint8Array[]): Promise<BaselineStore> {
  const store = await createMemoryStore()
  for (const object of objects) await store.put(object, { name: 'n' })
  return store
}

async function sent(
  object: Uint8Array,
  decoder: ChunkDecoder,
  options: ChunkEncoderOptions = {},
): Promise<{ readonly bytes: Buffer; readonly wireBytes: number; readonly missingBytes: number; readonly askedBytes: number }> {
  const encoder = createChunkEncoder(options)
  const have = await encoder.have(object, (question) => decoder.answer(question))
  const stream = await gathered(encoder.encode(object, { have }))
  const wireBytes = stream.length + have.askedBytes + have.answeredBytes
  return { bytes: await gathered(decoder.decode(stream)), wireBytes, missingBytes: have.missingBytes, askedBytes: have.askedBytes }
}

const older = noise(1, 1_000_000)
const newer = Buffer.concat([
  older.subarray(0, 300_000),
  prose(3, 2000),
  older.subarray(300_100, 700_000),
  noise(5, 20_000),
  older.subarray(700_000),
])

test('sends what is missing, of an object that the decoder holds in parts', async () => {
  await using decoder = createChunkDecoder({ store: await storeOf(older) })
  const { bytes, wireBytes, missingBytes } = await sent(newer, decoder)
  expect(bytes.equals(newer)).toBe(true)
  expect(missingBytes).toBeLessThan(26_000)
  expect(wireBytes).toBeLessThan(25_000)
})

test('an object that is held whole, or nearly, costs little more than its digest', async () => {
  await using same = createChunkDecoder({ store: await storeOf(older) })
  const small = await sent(older.subarray(), same)
  expect([small.bytes.equals(older), small.missingBytes]).toEqual([true, 0])
  expect(small.wireBytes).toBeLessThan(130)
  const large = noise(9, 16 << 20)
  await using decoder = createChunkDecoder({ store: await storeOf(large) })
  expect((await sent(large, decoder)).wireBytes).toBeLessThan(130)
})

test('any edits of any versions come back whole', async () => {
  const edit = fc.record({ at: fc.nat(99_999), remove: fc.nat(3000), insert: fc.nat(3000), seed: fc.nat() })
  await fc.assert(
    fc.asyncProperty(
      fc.array(edit, { maxLength: 6 }),
      fc.constantFrom('content', 'pages'),
      fc.constantFrom('blake3', 'xxh3-128'),
      async (edits, chunks, digest) => {
        const base = prose(7, 100_000)
        let object: Buffer = Buffer.from(base)
        for (const { at, remove, insert, seed } of edits)
          object = Buffer.concat([object.subarray(0, at), noise(seed, insert), object.subarray(at + remove)])
        const store = await createMemoryStore({ digest })
        await store.put(base, { chunks })
        await using decoder = createChunkDecoder({ store, digests: [digest] })
        expect((await sent(object, decoder, { chunks, digest })).bytes.equals(object)).toBe(true)
      },
    ),
    { numRuns: 40 },
  )
})

test('objects of many groups come back whole, with and without what is held', async () => {
  const large = Buffer.concat([noise(1, 5 << 20), older, noise(2, 9 << 20), older, noise(3, 1000)])
  await using decoder = createChunkDecoder({ store: await storeOf(older) })
  const { bytes, missingBytes } = await sent(large, decoder)
  expect([bytes.equals(large), missingBytes < large.length - 1_900_000]).toEqual([true, true])
  for (const object of [large, new Uint8Array(), noise(4, 10)]) {
    const alone = await gathered(createChunkDecoder().decode(createChunkEncoder().encode(object)))
    expect(alone.equals(object)).toBe(true)
    await using empty = createChunkDecoder({ store: await createMemoryStore() })
    expect((await sent(object, empty)).bytes.equals(object)).toBe(true)
  }
})

test('former versions of the same name help where no chunk is the same', async () => {
  const base = noise(11, 200_000)
  const edited = Uint8Array.from(base)
  for (let at = 1000; at < edited.length; at += 2000) edited[at] = (edited[at] ?? 0) ^ 1
  const store = await storeOf(base)
  await using without = createChunkDecoder({ store })
  await using named = createChunkDecoder({ store, name: 'n' })
  const [alone, helped] = [await sent(edited, without), await sent(edited, named)]
  expect([alone.bytes.equals(edited), helped.bytes.equals(edited)]).toEqual([true, true])
  expect(helped.wireBytes).toBeLessThan(alone.wireBytes * 0.6)
})

test('what was said to be held is not evicted until the decoder is disposed', async () => {
  const store = await createMemoryStore({ bytes: 1_200_000 })
  await store.put(older)
  const decoder = createChunkDecoder({ store })
  const encoder = createChunkEncoder()
  const have = await encoder.have(newer, (question) => decoder.answer(question))
  // Its list goes, its chunks stay.
  expect(await codeOf(() => store.put(noise(77, 900_000)))).toBe('ERR_HDE_STORE_FULL')
  expect((await gathered(decoder.decode(encoder.encode(newer, { have })))).equals(newer)).toBe(true)
  await decoder[Symbol.asyncDispose]()
  await store.put(noise(77, 900_000))
  expect(store.stats().keptBytes).toBe(900_000)
})

describe('refused', () => {
  test('another object than the one that was asked about, and a stream that was changed', async () => {
    await using decoder = createChunkDecoder({ store: await storeOf(older) })
    const encoder = createChunkEncoder()
    const have = await encoder.have(newer, (question) => decoder.answer(question))
    expect(await codeOf(() => gathered(encoder.encode(older, { have })))).toBe('ERR_HDE_STATE')
    const changed = Buffer.from(newer)
    changed[301_000] = 1
    const wrong = await gathered(encoder.encode(changed, { have }))
    expect(await codeOf(() => gathered(decoder.decode(wrong)))).toBe('ERR_HDE_CORRUPT')
    expect(await codeOf(() => gathered(decoder.decode(createChunkEncoder().encode(older))))).toBe('ERR_HDE_CORRUPT')
  })

  test('digests that are not accepted, by default those that stop no attacker', async () => {
    const decoder = createChunkDecoder({ store: await createMemoryStore({ digest: 'xxh3-128' }) })
    const weak = createChunkEncoder({ digest: 'xxh3-128' })
    expect(await codeOf(() => weak.have(older, (question) => decoder.answer(question)))).toBe('ERR_HDE_VERSION')
    expect(await codeOf(async () => gathered(decoder.decode(weak.encode(older))))).toBe('ERR_HDE_VERSION')
  })

  test('questions and objects past a limit', async () => {
    const ask = async (limits: object): Promise<string> => {
      const decoder = createChunkDecoder({ store: await createMemoryStore(), limits })
      return codeOf(() => createChunkEncoder().have(newer, (question) => decoder.answer(question)))
    }
    expect(await ask({ tags: 50 })).toBe('ERR_HDE_LIMIT')
    expect(await ask({ tags: 500 })).toBe('no error')
    expect(await ask({ objectBytes: newer.length - 1 })).toBe('ERR_HDE_LIMIT')
    const stream = await gathered(createChunkEncoder().encode(newer))
    const decode = (limits: object): Promise<string> => codeOf(() => gathered(createChunkDecoder({ limits }).decode(stream)))
    expect(await decode({ groupBytes: newer.length - 1 })).toBe('ERR_HDE_LIMIT')
    expect(await decode({ objectBytes: newer.length - 1 })).toBe('ERR_HDE_LIMIT')
    expect(await decode({ groupBytes: newer.length, objectBytes: newer.length })).toBe('no error')
  })

  test('streams, questions and answers cut off anywhere, or changed anywhere', async () => {
    const base = prose(2, 60_000)
    const object = Buffer.concat([base.subarray(0, 30_000), noise(3, 500), base.subarray(30_000)])
    const store = await storeOf(base)
    const [questions, answers]: [Uint8Array[], Uint8Array[]] = [[], []]
    await using decoder = createChunkDecoder({ store })
    const encoder = createChunkEncoder()
    const have = await encoder.have(object, async (question) => {
      const answer = await decoder.answer(question)
      questions.push(question)
      answers.push(answer)
      return answer
    })
    const stream = await gathered(encoder.encode(object, { have }))
    for (let length = 0; length < stream.length; length += 1 + (length >> 6)) {
      expect(await codeOf(() => gathered(decoder.decode(stream.subarray(0, length))))).toBe('ERR_HDE_CORRUPT')
    }
    for (let at = 0; at < stream.length; at += 1 + (at >> 6)) {
      const wrong = Buffer.from(stream)
      wrong[at] = (wrong[at] ?? 0) ^ 0x21
      expect(await codeOf(() => gathered(decoder.decode(wrong)))).toMatch(/^ERR_HDE_(?:CORRUPT|LIMIT|VERSION)$/)
    }
    for (const [turn, question] of questions.entries()) {
      for (let at = 0; at < question.length; at += 1) {
        const fresh = createChunkDecoder({ store })
        for (const before of questions.slice(0, turn)) await fresh.answer(before)
        expect(await codeOf(() => fresh.answer(question.subarray(0, at)))).toBe('ERR_HDE_CORRUPT')
        const wrong = Uint8Array.from(question)
        wrong[at] = (wrong[at] ?? 0) ^ 0x41
        expect(await codeOf(() => fresh.answer(wrong))).toMatch(/^(?:no error|ERR_HDE_(?:CORRUPT|LIMIT|VERSION))$/)
        await fresh[Symbol.asyncDispose]()
      }
    }
    for (const [turn, answer] of answers.entries()) {
      for (let length = 0; length < answer.length; length += 1) {
        let asked = 0
        const short = async (): Promise<Uint8Array> => (asked++ === turn ? answer.subarray(0, length) : (answers[asked - 1] ?? answer))
        expect(await codeOf(() => encoder.have(object, short))).toBe('ERR_HDE_CORRUPT')
      }
    }
  })
})

test("frames are the caller's: what becomes of them changes neither the object nor the next stream", async () => {
  const [encoder, object] = [createChunkEncoder(), older.slice()]
  const before = await gathered(encoder.encode(object))
  for await (const frame of encoder.encode(object)) frame.fill(0)
  expect((await gathered(encoder.encode(object))).equals(before)).toBe(true)
})
