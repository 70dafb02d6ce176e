import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createDecoder, createDictionaryStore, createEncoder, type DocumentSetDecodeOptions, type JsonValue } from '../index.ts'

const nodes = (count: number, at: number): JsonValue[] =>
  Array.from({ length: count }, (_, index) => ({ node: `node-${index}`, load: ((index * 7919 + at) % 1000) / 10, phase: 'Ready' }))

async function joined(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}

async function decoded(
  frames: Uint8Array,
  options: Partial<DocumentSetDecodeOptions> = {},
  decoder: ReturnType<typeof createDecoder> = createDecoder(),
): Promise<JsonValue[]> {
  const all: JsonValue[] = []
  for await (const batch of decoder.decode(frames, { ...options, as: 'documents' })) all.push(...batch)
  return all
}

test('documents are told from their former versions, which the decoder must have too', async () => {
  const [former, documents] = [nodes(200, 1), nodes(200, 2)]
  const encoder = createEncoder()
  const alone = await joined(encoder.encode({ documents }))
  const frames = await joined(encoder.encode({ documents, former }))
  expect(await decoded(frames, { former })).toEqual(documents)
  expect(await decoded(alone)).toEqual(documents)
  expect(frames.length).toBeLessThan(alone.length)
  const { tiers, wireBytes } = encoder.stats()
  expect(tiers.documents).toMatchObject({ objects: 2, rawBytes: 2 * JSON.stringify(documents).length, wireBytes })
  for (const wrong of [undefined, documents, former.slice(1)])
    await expect(decoded(frames, { former: wrong })).rejects.toMatchObject({ code: 'ERR_HDE_BASELINE_MISSING' })
})

test('more documents than a frame may have become more frames, each within the limits', async () => {
  const documents = nodes(1000, 3)
  const limits = { documents: 300, nodes: 400 }
  const frames = await joined(createEncoder({ limits }).encode({ documents }))
  expect(await decoded(frames, {}, createDecoder({ limits }))).toEqual(documents)
  const larger = await joined(createEncoder().encode({ documents }))
  await expect(decoded(larger, {}, createDecoder({ limits }))).rejects.toMatchObject({ code: 'ERR_HDE_LIMIT' })
  await expect(joined(createEncoder({ limits: { nodes: 1 } }).encode({ documents }))).rejects.toMatchObject({ code: 'ERR_HDE_LIMIT' })
})

test('any documents come back, with any former versions', async () => {
  const json = fc.jsonValue().map((value): JsonValue => JSON.parse(JSON.stringify(value)))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(json, fc.option(json, { nil: undefined })), { maxLength: 20 }), async (pairs) => {
      const [documents, former] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)]
      expect(await decoded(await joined(createEncoder().encode({ documents, former })), { former })).toEqual(documents)
    }),
    { numRuns: 30 },
  )
})

test('documents of a kind begin with its dictionary; a decoder that lacks it says so', async () => {
  const [ours, theirs] = [createDictionaryStore(), createDictionaryStore()]
  const encoder = createEncoder({ dictionaries: ours, sendDictionaries: false })
  await joined(encoder.encode({ documents: nodes(400, 5) }, { kind: 'node' }))
  const digest = await ours.train('node')
  const documents = nodes(3, 6)
  const frames = await joined(encoder.encode({ documents }, { kind: 'node' }))
  await expect(decoded(frames, {}, createDecoder({ dictionaries: theirs }))).rejects.toMatchObject({ code: 'ERR_HDE_DICTIONARY_MISSING' })
  if (digest !== undefined) theirs.add(ours.get(digest) ?? new Uint8Array())
  expect(await decoded(frames, {}, createDecoder({ dictionaries: theirs }))).toEqual(documents)
})

test('every stream that is cut short, goes on behind its end, or is of another kind is refused', async () => {
  const frames = await joined(createEncoder({ limits: { documents: 2 } }).encode({ documents: nodes(5, 1) }))
  for (let length = 0; length < frames.length; length += 1)
    await expect(decoded(frames.subarray(0, length))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  await expect(decoded(Buffer.concat([frames, Buffer.alloc(1)]))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  await expect(joined(createDecoder().decode(frames))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
  await expect(decoded(await joined(createEncoder().encode(frames)))).rejects.toMatchObject({ code: 'ERR_HDE_CORRUPT' })
})

test('documents have no base, and as many former versions as they are', async () => {
  const documents = nodes(2, 1)
  await expect(createEncoder().encode({ documents }, { baseline: 'blake3:00' }).next()).rejects.toThrow(TypeError)
  await expect(
    createEncoder()
      .encode({ documents, former: [1] })
      .next(),
  ).rejects.toThrow(RangeError)
})

test('a limit of no documents is refused', async () => {
  for (const documents of [0, Number.NaN])
    await expect(
      createEncoder({ limits: { documents } })
        .encode({ documents: [1] })
        .next(),
    ).rejects.toThrow(RangeError)
})

test('a signal ends both sides', async () => {
  const frames = await joined(createEncoder().encode({ documents: nodes(2, 1) }))
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(joined(createEncoder().encode({ documents: nodes(2, 1) }, { signal }))).rejects.toThrow('enough')
  await expect(decoded(frames, { signal })).rejects.toThrow('enough')
})
