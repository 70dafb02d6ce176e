import type { ChunkDecoder, ChunkMode } from '../../src/index.ts'
import { noise, prose } from '../support.ts'
import type { Seed, Target } from './attack.ts'
import { answerParts, chunkStreamParts, questionParts } from './frame-parts.ts'
import type { Modules } from './modules.ts'
import { gathered } from './streams.ts'

const LIMITS = { tags: 4_096, groupBytes: 65_536, objectBytes: 1 << 20, relatedBytes: 1 << 20 }
/** A group and as much again around it, the stretches that are held, what a question is taken apart into; tables of a codec beside. */
const LIMIT_BYTES = 4 * LIMITS.groupBytes + (2 << 20)
const REFUSALS = /^ERR_HDE_(CORRUPT|LIMIT|VERSION)$/
const NAME = 'an object'

const older = Buffer.concat([prose(41, 14_000), noise(42, 5_000)])

/** Pieces of the older one moved, replaced and left out, so that every question is asked and some of each is held. */
const newer = Buffer.concat([
  older.subarray(5_000, 12_000),
  noise(43, 300),
  older.subarray(1_000, 4_500),
  prose(44, 900),
  older.subarray(13_000),
])
const pages = Buffer.concat([older.subarray(4_096, 8_192), noise(45, 1_000), older.subarray(8_192 + 1_000, 17_000)])

/** What both sides said, and what then was sent. */
interface Exchange {
  readonly questions: readonly Uint8Array[]
  readonly answers: readonly Uint8Array[]
  readonly stream: Uint8Array
  readonly object: Buffer
  readonly mode: ChunkMode
}

/** Whose mutants do not come back as what was sent, but are refused in the end. */
interface Sides {
  readonly exchanges: readonly Exchange[]
  readonly receiver: () => ChunkDecoder
}

async function sides(makes: Modules, reads: Modules): Promise<Sides> {
  const store = await reads.hde.createMemoryStore()
  await store.put(older, { name: NAME })
  await store.put(Buffer.concat([older, noise(46, 4_096)]), { name: NAME, chunks: 'pages' })
  const receiver = (): ChunkDecoder => reads.hde.createChunkDecoder({ store, name: NAME, limits: LIMITS })
  const objects: readonly (readonly [Buffer, ChunkMode])[] = [
    [newer, 'content'],
    [pages, 'pages'],
    [older, 'content'],
    [Buffer.alloc(0), 'content'],
  ]
  const exchanges: Exchange[] = []
  for (const [object, mode] of objects) exchanges.push(await exchange(makes, receiver(), object, mode))
  return { exchanges, receiver }
}

async function exchange({ hde }: Modules, receiver: ChunkDecoder, object: Buffer, mode: ChunkMode): Promise<Exchange> {
  const [questions, answers]: [Uint8Array[], Uint8Array[]] = [[], []]
  const encoder = hde.createChunkEncoder({ chunks: mode })
  const have = await encoder.have(object, async (question) => {
    const answer = await receiver.answer(question)
    questions.push(question)
    answers.push(answer)
    return answer
  })
  const stream = await gathered(encoder.encode(object, { have }))
  await receiver[Symbol.asyncDispose]()
  return { questions, answers, stream, object, mode }
}

async function afterQuestions(receiver: ChunkDecoder, questions: readonly Uint8Array[]): Promise<ChunkDecoder> {
  for (const question of questions) await receiver.answer(question)
  return receiver
}

/** In place of one question; the stream that follows is then another object's, or still the one that was asked about. */
export async function chunkQuestions(makes: Modules, reads: Modules): Promise<Target> {
  const { exchanges, receiver } = await sides(makes, reads)
  const seeds = exchanges.flatMap(({ questions, stream }) =>
    questions.map((question, index): Seed => {
      const decode = async (mutant: Uint8Array): Promise<Uint8Array> => {
        await using decoder = await afterQuestions(receiver(), questions.slice(0, index))
        await decoder.answer(mutant)
        for (const next of questions.slice(index + 1)) await decoder.answer(next)
        return gathered(decoder.decode(stream))
      }
      return { parts: () => questionParts(question), decode }
    }),
  )
  return { name: 'chunk questions', seeds, refusals: REFUSALS, limitBytes: LIMIT_BYTES }
}

/** In place of one answer: the encoder then sends too much, or too little, which the decoder finds. */
export async function chunkAnswers(makes: Modules, reads: Modules): Promise<Target> {
  const { exchanges, receiver } = await sides(makes, reads)
  const seeds = exchanges.flatMap(({ answers, object, mode }) =>
    answers.map((answer, index): Seed => {
      const decode = async (mutant: Uint8Array): Promise<Uint8Array> => {
        await using decoder = receiver()
        const encoder = reads.hde.createChunkEncoder({ chunks: mode })
        let asked = 0
        const have = await encoder.have(object, async (question) => {
          const honest = await decoder.answer(question)
          asked += 1
          return asked === index + 1 ? mutant : honest
        })
        return gathered(decoder.decode(encoder.encode(object, { have })))
      }
      return { parts: () => answerParts(answer), decode }
    }),
  )
  // Here the encoder is at work too.
  return { name: 'chunk answers', seeds, refusals: REFUSALS, limitBytes: 2 * LIMIT_BYTES }
}

/** After honest questions, and without any. */
export async function chunkStreams(makes: Modules, reads: Modules): Promise<Target> {
  const { exchanges, receiver } = await sides(makes, reads)
  const seeds: Seed[] = []
  for (const { questions, stream } of exchanges) {
    const decoder = await afterQuestions(receiver(), questions)
    seeds.push({ parts: () => chunkStreamParts(stream), decode: (mutant) => gathered(decoder.decode(mutant)) })
  }
  for (const object of [newer, older.subarray(0, 200)]) {
    const stream = await gathered(makes.hde.createChunkEncoder().encode(object))
    seeds.push({ parts: () => chunkStreamParts(stream), decode: (mutant) => gathered(receiver().decode(mutant)) })
  }
  return { name: 'chunk streams', seeds, refusals: REFUSALS, limitBytes: LIMIT_BYTES }
}
