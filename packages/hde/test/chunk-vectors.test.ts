import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cutChunks } from '@dwcp/native-rdma/chunk'
import { expect, test } from 'vitest'
import { createChunkDecoder, createChunkEncoder, createMemoryStore } from '../src/index.ts'

const page = await readFile(join(import.meta.dirname, '../../../docs/wire/chunks.md'), 'utf8')
const vectors = (/```vectors\n([^]*?)```/.exec(page)?.[1] ?? '').trim().split('\n')
const vectorsOf = (kind: string): readonly Buffer[] =>
  vectors.filter((line) => line.startsWith(`${kind} `)).map((line) => Buffer.from(line.slice(kind.length + 1), 'hex'))
const lengthsAfter = (text: string): readonly number[] => (page.split(text)[1]?.match(/^[\d ]+/)?.[0] ?? '').trim().split(' ').map(Number)

let state = 1
const bytes = Uint8Array.from({ length: 100_000 }, () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state >>> 24
})
const object = Buffer.concat([bytes.subarray(0, 50_000), Buffer.from('new'), bytes.subarray(50_000)])

async function gathered(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const list: Uint8Array[] = []
  for await (const part of parts) list.push(part)
  return Buffer.concat(list)
}

test('content is cut where the page says', async () => {
  const content = await cutChunks(bytes, { leastBytes: 2048, averageBytes: 8192, mostBytes: 65_536 })
  expect([...content.lengths]).toEqual(lengthsAfter('Lengths of its content chunks: '))
  const pieces = await cutChunks(bytes, { leastBytes: 128, averageBytes: 512, mostBytes: 4096 })
  expect([...pieces.lengths.subarray(0, 12)]).toEqual(lengthsAfter('of its first pieces: '))
})

test('a stream made without questions decodes to its object', async () => {
  const [alone = Buffer.alloc(0)] = vectorsOf('alone')
  expect((await gathered(createChunkDecoder().decode(alone))).toString()).toBe('abc')
})

test('questions, answers and the stream are those of the page', async () => {
  const store = await createMemoryStore()
  await store.put(bytes)
  await using decoder = createChunkDecoder({ store })
  const [questions, answers]: [Uint8Array[], Uint8Array[]] = [[], []]
  await createChunkEncoder().have(object, async (question) => {
    const answer = await decoder.answer(question)
    questions.push(question)
    answers.push(answer)
    return answer
  })
  expect(questions).toHaveLength(3)
  expect(questions.map((question) => Buffer.from(question))).toEqual(vectorsOf('question'))
  expect(answers.map((answer) => Buffer.from(answer))).toEqual(vectorsOf('answer'))
  const [stream = Buffer.alloc(0)] = vectorsOf('stream')
  expect((await gathered(decoder.decode(stream))).equals(object)).toBe(true)
})
