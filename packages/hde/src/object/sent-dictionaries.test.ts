import { type Digest, isDwcpError } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { noise, prose } from '../../test/support.ts'
import { createDecoder, createDictionaryStore, createEncoder, type DictionaryStore, encodeObject, type JsonValue } from '../index.ts'

const KIND = 'prose'

async function joined(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}

async function* bytewise(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (const byte of bytes) yield Uint8Array.of(byte)
}

/** With a dictionary of `KIND`, by which objects are a good deal shorter. */
async function trained(): Promise<DictionaryStore> {
  const dictionaries = createDictionaryStore({ random: () => 0.5 })
  for (let index = 0; index < 400; index += 1) await encodeObject(prose(index, 600), { dictionaries, kind: KIND })
  expect(await dictionaries.train(KIND)).toBeDefined()
  return dictionaries
}

function records(count: number): JsonValue[] {
  return Array.from({ length: count }, (_, index) => ({ node: `node-${index * 37}`, phase: index % 3 ? 'Ready' : 'Lost', load: index / 8 }))
}

test('a dictionary goes to the decoder with the first object that takes it, and once', async () => {
  const [encoder, decoder] = [createEncoder({ dictionaries: await trained() }), createDecoder()]
  const lengths: number[] = []
  for (let index = 1_000; index < 1_003; index += 1) {
    const frames = await joined(encoder.encode(prose(index, 600), { kind: KIND }))
    lengths.push(frames.length)
    expect(Buffer.compare(await joined(decoder.decode(bytewise(frames))), prose(index, 600))).toBe(0)
  }
  const [first = 0, second = 0, third = 0] = lengths
  expect(first).toBeGreaterThan(4 * second)
  expect(Math.max(second, third)).toBeLessThan(600 / 2)
  const wireBytes = first + second + third
  expect(encoder.stats().tiers.dictionary).toMatchObject({ objects: 3, wireBytes, ratio: 1_800 / wireBytes })
})

test('an object that its dictionary does not shorten takes none with it', async () => {
  const encoder = createEncoder({ dictionaries: await trained() })
  expect((await joined(encoder.encode(noise(1, 300), { kind: KIND }))).length).toBeLessThan(320)
})

test('documents bring the dictionary of their kind, but not where all have former versions', async () => {
  const dictionaries = createDictionaryStore({ random: () => 0.5 })
  const encoder = createEncoder({ dictionaries })
  const decoder = createDecoder()
  await joined(encoder.encode({ documents: records(200) }, { kind: 'node' }))
  expect(await dictionaries.train('node')).toBeDefined()
  const documents = records(4)
  const known = await joined(encoder.encode({ documents, former: documents }, { kind: 'node' }))
  const first = await joined(encoder.encode({ documents }, { kind: 'node' }))
  const second = await joined(encoder.encode({ documents }, { kind: 'node' }))
  expect(known.length).toBeLessThan(100)
  expect(first.length).toBeGreaterThan(second.length)
  for (const frames of [first, second]) {
    const all: JsonValue[] = []
    for await (const batch of decoder.decode(bytewise(frames), { as: 'documents' })) all.push(...batch)
    expect(all).toEqual(documents)
  }
})

test('a decoder that lost the dictionary is sent it again, once it has said so', async () => {
  const encoder = createEncoder({ dictionaries: await trained() })
  const object = prose(1_000, 600)
  await joined(encoder.encode(object, { kind: KIND }))
  const decoder = createDecoder()
  const frame = await joined(encoder.encode(object, { kind: KIND }))
  const refusal: unknown = await joined(decoder.decode(frame)).catch((error: unknown) => error)
  if (!isDwcpError(refusal, 'ERR_HDE_DICTIONARY_MISSING')) throw refusal
  encoder.dictionaryMissing(refusal.details['digest'] as Digest)
  for (let times = 0; times < 2; times += 1) {
    const frames = await joined(encoder.encode(object, { kind: KIND }))
    expect(Buffer.compare(await joined(decoder.decode(frames)), object)).toBe(0)
  }
})

test('what is given up before its object is sent counts as not sent', async () => {
  const [encoder, decoder] = [createEncoder({ dictionaries: await trained() }), createDecoder()]
  const object = prose(1_000, 600)
  for await (const frame of encoder.encode(object, { kind: KIND })) {
    expect(frame.length).toBeGreaterThan(600)
    break
  }
  expect(Buffer.compare(await joined(decoder.decode(await joined(encoder.encode(object, { kind: KIND })))), object)).toBe(0)
})

test('a dictionary trained while documents are encoded does not take the place of the one that was sent with them', async () => {
  const dictionaries = createDictionaryStore({ random: () => 0.5 })
  const encoder = createEncoder({ dictionaries, limits: { documents: 8 } })
  await joined(encoder.encode({ documents: records(200) }, { kind: 'node' }))
  await dictionaries.train('node')
  const documents = records(64)
  const frames: Uint8Array[] = []
  for await (const frame of encoder.encode({ documents }, { kind: 'node' })) {
    frames.push(frame)
    dictionaries.use('node', dictionaries.add(prose(frames.length, 900)))
  }
  const all: JsonValue[] = []
  for await (const batch of createDecoder().decode(Buffer.concat(frames), { as: 'documents' })) all.push(...batch)
  expect(all).toEqual(documents)
})

test('a dictionary that is longer than the decoder takes, or not whole, is refused, and its source is closed', async () => {
  const frames = await joined(createEncoder({ dictionaries: await trained() }).encode(prose(1, 600), { kind: KIND }))
  const turned = Buffer.from(frames)
  const middle = frames.length >> 1
  turned[middle] = 0xff ^ (turned[middle] ?? 0)
  for (const [bytes, limits, code] of [
    [frames, { dictionaryBytes: 512 }, 'ERR_HDE_LIMIT'],
    [turned, {}, 'ERR_HDE_CORRUPT'],
    [frames.subarray(0, middle), {}, 'ERR_HDE_CORRUPT'],
  ] as const) {
    let isClosed = false
    const source = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        yield* [bytes.subarray(0, 1_000), bytes.subarray(1_000)]
      } finally {
        isClosed = true
      }
    }
    await expect(joined(createDecoder({ limits }).decode(source()))).rejects.toMatchObject({ code })
    expect(isClosed).toBe(true)
  }
})
