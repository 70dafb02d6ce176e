import { readFile } from 'node:fs/promises'
import { type ChunkMode, createMemoryStore } from '@dwcp/hde'
import type { BuiltPair, Pair } from '../../corpora/pairs.js'
import { entropyBitsPerByte } from '../../harness/data.js'
import type { Case, Contender, OpenCase } from '../../harness/suite.js'
import { ask, keptAs } from './exchange.js'
import type { PairCase } from './pair-case.js'

/** An object that is held whole costs a question and an answer of so many bytes at most, as the README says. */
const WHOLE_BYTES = 100

/** What it costs to learn what the other side has, where that is all, nothing, or an earlier version. */
export const HAVE: PairCase = { nameOf: ({ name }) => `what is held of ${name}`, make: haveCase }

function haveCase(pair: Pair, { before, after, kind }: BuiltPair): Case {
  return {
    name: HAVE.nameOf(pair),
    metrics: [
      { name: 'questions', unit: 'B', better: 'lower', exact: true },
      { name: 'answers', unit: 'B', better: 'lower', exact: true },
      { name: 'turns', unit: 'messages', better: 'lower', exact: true },
      { name: 'asking', unit: 'MB/CPU-s', better: 'higher', exact: false },
      { name: 'answering', unit: 'CPU-ms', better: 'lower', exact: false },
    ],
    async open(): Promise<OpenCase> {
      const [newer, older] = await Promise.all([readFile(after), before === undefined ? undefined : readFile(before)])
      const mode = modeOf(pair)
      const contenders = [
        await asked('all is held', newer, newer, mode),
        await asked('nothing is held', newer, undefined, mode),
        await asked('the earlier version is held', newer, older, mode),
      ]
      const data = { kind, bytes: newer.length, entropyBitsPerByte: entropyBitsPerByte(newer.subarray(0, 32 << 20)) }
      return { data, contenders, [Symbol.asyncDispose]: async () => undefined }
    },
  }
}

export function modeOf({ content }: Pick<Pair, 'content'>): ChunkMode {
  return content === 'disk' || content === 'memory' ? 'pages' : 'content'
}

async function asked(name: string, object: Uint8Array, held: Uint8Array | undefined, mode: ChunkMode): Promise<Contender> {
  const store = await createMemoryStore({ bytes: 2 * 1024 ** 3 })
  if (held !== undefined) await keptAs(store, held, mode)
  return {
    name,
    ours: true,
    async run() {
      const { rounds, askedBytes, answeredBytes, missingBytes, askSeconds, answerSeconds } = await ask(object, store, mode)
      if (held === object && (missingBytes > 0 || askedBytes + answeredBytes > WHOLE_BYTES))
        throw new Error(`${missingBytes} bytes are missing of what is held, asked in ${askedBytes}`)
      if (held === undefined && missingBytes !== object.length) throw new Error(`${missingBytes} bytes are missing where nothing is held`)
      const speeds = { asking: object.length / 1e6 / askSeconds, answering: answerSeconds * 1000 }
      return { questions: askedBytes, answers: answeredBytes, turns: rounds, ...speeds }
    },
  }
}
