import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeOf, noise } from '../../test/support.ts'
import { type BaselineStore, type ChunkDecoder, createChunkDecoder, createMemoryStore } from '../index.ts'
import { CODECS, methodOf, OLD_USES } from '../packing.ts'
import { loadDigestOf } from './object-digest.ts'
import { type Level, writeQuestion } from './question.ts'
import { TAG_BYTES } from './runs.ts'
import { contextOf, GROUP_BYTES, groupsOf, type Span } from './spans.ts'
import { CHUNK_MAGIC, writeGroup } from './stream-format.ts'

const PAGE_BYTES = 4096
const PAGES = 300
const object = noise(1, PAGES * PAGE_BYTES)
const MISSING_TAG = 'missing!'

async function storeOfPages(): Promise<BaselineStore> {
  const store = await createMemoryStore()
  await store.put(object, { chunks: 'pages' })
  return store
}

/** By their tags, first to last. */
async function pageTags(): Promise<readonly string[]> {
  const digestOf = await loadDigestOf('blake3')
  const page = (index: number): Uint8Array => object.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES)
  return Array.from({ length: PAGES }, (_, index) => Buffer.from(digestOf(page(index)).subarray(0, TAG_BYTES)).toString('latin1'))
}

function asked(level: Level, tags: readonly string[], lengthBytes: number): Uint8Array {
  const opening = { lengthBytes, kind: 'blake3', mode: 'pages', digest: new Uint8Array(32) } as const
  return writeQuestion({ object: opening, level, counts: tags.length === 0 ? [] : [tags.length], tags })
}

function askedNext(level: Level, tags: readonly string[]): Uint8Array {
  return writeQuestion({ object: undefined, level, counts: [tags.length], tags })
}

async function* parts(...list: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* list
}

test('a question that takes one chunk for an object of a terabyte costs little more than its bytes, and others have their turns', async () => {
  const [tag = ''] = await pageTags()
  await using decoder = createChunkDecoder({ store: await storeOfPages() })
  const count = 1 << 18
  const question = asked(
    'chunks',
    Array.from({ length: count }, () => tag),
    2 ** 40,
  )
  let turns = 0
  let isAnswered = false
  const others = (): void => {
    turns += 1
    if (!isAnswered) setImmediate(others)
  }
  setImmediate(others)
  const before = process.memoryUsage()
  const answer = await decoder.answer(question)
  isAnswered = true
  const { heapUsed, external } = process.memoryUsage()
  expect(answer.length).toBe(2 + count / 8)
  expect(turns).toBeGreaterThan(count / 8_192)
  // It was 880 bytes a part while each had a base of its own.
  expect(heapUsed + external - before.heapUsed - before.external).toBeLessThan(200 * count)
})

test('a question that finds more than the object has is refused', async () => {
  const tags = await pageTags()
  const decoder = async (): Promise<ChunkDecoder> => createChunkDecoder({ store: await storeOfPages() })
  const ask = async (lengthBytes: number): Promise<string> => {
    const one = await decoder()
    return codeOf(() => one.answer(asked('chunks', tags.slice(0, 5), lengthBytes)))
  }
  expect(await ask(5 * PAGE_BYTES)).toBe('no error')
  expect(await ask(5 * PAGE_BYTES - 1)).toBe('ERR_HDE_CORRUPT')
})

test('each level is asked about once, from the largest parts to the smallest', async () => {
  const store = await storeOfPages()
  const one = async (...questions: readonly Uint8Array[]): Promise<string> => {
    await using decoder = createChunkDecoder({ store })
    return codeOf(async () => {
      for (const question of questions) await decoder.answer(question)
    })
  }
  const [whole, runs] = [asked('runs', [], 99_999), asked('runs', [MISSING_TAG], 99_999)]
  const [nextRuns, chunks, pieces] = [
    askedNext('runs', [MISSING_TAG]),
    askedNext('chunks', [MISSING_TAG]),
    askedNext('pieces', [MISSING_TAG]),
  ]
  expect(await one(whole, nextRuns, chunks, pieces)).toBe('no error')
  expect(await one(runs, chunks, pieces)).toBe('no error')
  expect(await one(runs, nextRuns)).toBe('ERR_HDE_CORRUPT')
  expect(await one(whole, chunks, chunks)).toBe('ERR_HDE_CORRUPT')
  expect(await one(whole, pieces, chunks)).toBe('ERR_HDE_CORRUPT')
  expect(await one(whole, pieces, pieces)).toBe('ERR_HDE_CORRUPT')
})

test('a group that refers to more than it may have itself is refused before that is read', async () => {
  const tags = await pageTags()
  const count = 40
  const decode = async (groupBytes: number): Promise<string> => {
    await using decoder = createChunkDecoder({ store: await storeOfPages(), limits: { groupBytes } })
    await decoder.answer(
      asked(
        'chunks',
        Array.from({ length: 2 * count }, (_, index) => (index % 2 === 0 ? MISSING_TAG : (tags[index] ?? ''))),
        2 ** 30,
      ),
    )
    const packed = { method: methodOf(CODECS.zstd, OLD_USES.prefix), bytes: Uint8Array.of(1, 2, 3) }
    const group = writeGroup({ lengths: Array.from({ length: count }, () => 1), goesOn: false, packed })
    return codeOf(async () => {
      for await (const _ of decoder.decode(parts(CHUNK_MAGIC, group))) continue
    })
  }
  expect(await decode(count * PAGE_BYTES - 1)).toBe('ERR_HDE_LIMIT')
  expect(await decode(count * PAGE_BYTES)).toBe('ERR_HDE_CORRUPT')
})

test('groups hold all that is missing, in order, with no more around them than they may have themselves', () => {
  const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 30_000 }), fc.integer({ min: 1, max: 3_000 })), { maxLength: 3_000 })
  const few = fc.array(fc.tuple(fc.integer({ min: 1, max: 1 << 25 }), fc.integer({ min: 1, max: 6 << 20 })), { maxLength: 6 })
  fc.assert(
    fc.property(fc.oneof(lengths, few), (list) => {
      const missing: Span[] = []
      let at = 0
      for (const [heldBytes, lengthBytes] of list) {
        missing.push({ offset: at + heldBytes, lengthBytes })
        at += heldBytes + lengthBytes
      }
      const groups = [...groupsOf(missing)]
      const spans = groups.flat()
      expect(spans.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)).toBe(
        missing.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
      )
      for (const [index, { offset }] of spans.entries()) expect(offset).toBeGreaterThan(spans[index - 1]?.offset ?? -1)
      for (const group of groups) {
        const held = group.map(
          ({ offset, lengthBytes }, index) => (group[index + 1]?.offset ?? Number.POSITIVE_INFINITY) - offset - lengthBytes,
        )
        const contextBytes = contextOf(group, group[0]?.offset ?? 0, held).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
        expect(contextBytes).toBeLessThanOrEqual(GROUP_BYTES)
        expect(group.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)).toBeLessThanOrEqual(GROUP_BYTES)
      }
    }),
    { numRuns: 60 },
  )
})
