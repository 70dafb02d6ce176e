import { expect, test } from 'vitest'
import { noise, prose, seeded } from '../../test/support.ts'
import {
  bytesBase,
  createDecoder,
  createDictionaryStore,
  createEncoder,
  createMemoryStore,
  encodeObject,
  type ObjectDecoder,
} from '../index.ts'

const older = noise(1, 300_000)
const newer = older.slice().fill(7, 1000, 1100)

async function joined(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}

/** Cut into pieces of one to nine bytes, and longer ones, as a socket would. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const next = seeded(bytes.length)
  for (let at = 0; at < bytes.length; ) {
    const length = at < 100 ? 1 + (next() % 9) : 10_000
    yield bytes.subarray(at, at + length)
    at += length
  }
}

async function decodes(decoder: ObjectDecoder, frames: Uint8Array, object: Uint8Array): Promise<void> {
  expect(Buffer.compare(await joined(decoder.decode(frames)), object)).toBe(0)
  expect(Buffer.compare(await joined(decoder.decode(pieces(frames))), object)).toBe(0)
}

test('an object is described by a baseline that both sides keep, and kept as the next one', async () => {
  const [ours, theirs] = [await createMemoryStore(), await createMemoryStore()]
  const { digest } = await ours.put(older)
  await theirs.put(older)
  const encoder = createEncoder({ baselines: ours })
  const frames = await joined(encoder.encode(newer, { baseline: digest }))
  const decoder = createDecoder({ baselines: theirs })
  await decodes(decoder, frames, newer)
  expect(frames.length).toBeLessThan(1000)
  const kept = await theirs.put(decoder.decode(frames))
  expect(kept.digest).toBe((await ours.put(newer)).digest)
  expect(encoder.stats()).toMatchObject({ rawBytes: newer.length, wireBytes: frames.length, tiers: { delta: { objects: 1 } } })
})

test('an object that only the decoder has much of is asked about, and what it lacks is sent', async () => {
  const store = await createMemoryStore()
  await store.put(older)
  const [encoder, decoder] = [createEncoder(), createDecoder({ baselines: store })]
  await using receiver = decoder.receiver()
  const have = await encoder.have(newer, (question) => receiver.answer(question))
  expect(have.missingBytes).toBeLessThan(newer.length / 4)
  const frames = await joined(encoder.encode(newer, { have }))
  expect(Buffer.compare(await joined(receiver.decode(pieces(frames))), newer)).toBe(0)
  expect(encoder.stats().tiers.chunks).toMatchObject({ objects: 1, rawBytes: newer.length, wireBytes: frames.length })
})

test('small objects of a kind share a dictionary; a decoder that lacks it says so', async () => {
  const [ours, theirs] = [createDictionaryStore(), createDictionaryStore()]
  const encoder = createEncoder({ dictionaries: ours, sendDictionaries: false })
  for (let index = 0; index < 400; index += 1) await joined(encoder.encode(prose(index, 600), { kind: 'prose' }))
  const digest = await ours.train('prose')
  const object = prose(999, 600)
  const frame = await joined(encoder.encode(object, { kind: 'prose' }))
  expect(digest).toBeDefined()
  await expect(createDecoder({ dictionaries: theirs }).decode(frame).next()).rejects.toMatchObject({ code: 'ERR_HDE_DICTIONARY_MISSING' })
  if (digest !== undefined) theirs.add(ours.get(digest) ?? new Uint8Array())
  await decodes(createDecoder({ dictionaries: theirs }), frame, object)
  expect(encoder.stats().tiers.dictionary).toMatchObject({ objects: 401, rawBytes: 401 * 600 })
})

test('objects of which nothing is known, also empty ones, decode anywhere', async () => {
  for (const object of [new Uint8Array(), prose(1, 3), prose(2, 70_000)]) {
    const encoder = createEncoder({ link: () => 1e9 })
    await decodes(createDecoder(), await joined(encoder.encode(object)), object)
    await decodes(createDecoder(), await joined(encoder.encode(pieces(object))), object)
    expect(encoder.stats().rawBytes).toBe(2 * object.length)
  }
})

test('an object has one thing that it is described by', async () => {
  const store = await createMemoryStore()
  const encoder = createEncoder()
  await using receiver = createDecoder({ baselines: store }).receiver()
  const have = await encoder.have(newer, (question) => receiver.answer(question))
  await expect(encoder.encode(newer, { have, base: bytesBase(older) }).next()).rejects.toThrow(TypeError)
  await expect(encoder.encode(pieces(newer), { have }).next()).rejects.toThrow(TypeError)
})

test('what is no frame is refused, and what is longer than a small object may be is not collected', async () => {
  await expect(joined(createDecoder().decode(new Uint8Array()))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  await expect(joined(createDecoder().decode(new Uint8Array(20).fill(0x14)))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  await expect(joined(createDecoder().decode(Uint8Array.of(0x20)))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  await expect(joined(createDecoder().decode(new Uint8Array(20).fill(0x20)))).rejects.toMatchObject({ code: 'ERR_HDE_VERSION' })
  const decoder = createDecoder({ limits: { smallObjectBytes: 1000 } })
  await expect(joined(decoder.decode(pieces(noise(5, 5000))))).rejects.toMatchObject({ code: 'ERR_HDE_LIMIT' })
})

test('the bytes of a stream that is given up are not read on', async () => {
  const frames = await joined(createEncoder().encode(newer))
  let isReturned = false
  const stopped = new AbortController()
  async function* watched(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const piece of pieces(frames)) {
        yield piece
        stopped.abort(new Error('enough'))
      }
    } finally {
      isReturned = true
    }
  }
  await expect(joined(createDecoder().decode(watched(), { signal: stopped.signal }))).rejects.toThrow('enough')
  expect(isReturned).toBe(true)
})

test('an object in one frame is put together from pieces of a byte within its limit, and refused past it', async () => {
  const frame = await encodeObject(noise(5, 3000))
  const bytewise = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for (const byte of frame) yield Uint8Array.of(byte)
  }
  const decoder = createDecoder({ limits: { smallObjectBytes: 4000 } })
  expect(Buffer.compare(await joined(decoder.decode(bytewise())), noise(5, 3000))).toBe(0)

  let taken = 0
  const endless = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for (; taken < 100_000; taken += 1) yield Uint8Array.of(0x10)
  }
  await expect(joined(decoder.decode(endless()))).rejects.toMatchObject({ code: 'ERR_HDE_LIMIT' })
  expect(taken).toBeLessThan(6000)
})
