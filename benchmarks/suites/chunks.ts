import { CorpusAbsent } from '../corpora/corpora-folder.js'
import { foundPairs } from '../corpora/found-pairs.js'
import { type BuiltPair, PAIRS, type Pair } from '../corpora/pairs.js'
import type { Case, Suite, SuiteContext } from '../harness/suite.js'
import { CUTTING } from './chunks/cutting.js'
import { GIVEN } from './chunks/given.js'
import { HAVE } from './chunks/have.js'

const SHORT_PAIRS = ['vite']
/** Of these cutting is measured too, and what the answers to questions cost. */
const LOOKED_INTO = ['vite', 'typescript', 'disk rootA']
/** What a reader must know to be fair to each. */
const CONDITIONS = [
  'ours runs inside the benchmark on bytes in memory; sha256sum, b3sum and casync, restic and borg are whole processes on files in memory, their start in their time',
  'given the earlier version: the receiver has it in a store in memory; bytes are those of questions, answers and stream; encode is the CPU of the side that sends, its cutting and hashing of the whole included, decode that of the side that answers and puts together; the content is verified by BLAKE3 on both sides',
  'restic and borg are given the earlier version first and counted by what their repositories grow (borg without its local index); they compress with zstd and name chunks by SHA-256; casync compresses each chunk by itself and names it by SHA-512/256',
]

export const suite: Suite = {
  name: 'chunks',
  purpose:
    'MB per CPU second that are cut and named, what a receiver is asked, and bytes of versions where only the receiver has earlier ones.',
  tools: ['sha256sum', 'b3sum', 'casync', 'restic', 'borg'],
  async cases(context) {
    for (const condition of CONDITIONS) context.note(condition)
    const cases: Case[] = []
    for (const pair of [...PAIRS, ...(await foundPairs())]) {
      if (!isMeasured(pair) || (context.short && !SHORT_PAIRS.includes(pair.name))) continue
      const makers = LOOKED_INTO.includes(pair.name) ? [CUTTING, HAVE, GIVEN] : [GIVEN]
      const wanted = makers.filter((one) => context.wanted(one.nameOf(pair)))
      const built = wanted.length === 0 ? undefined : await buildOrNote(pair, context)
      if (built !== undefined) cases.push(...wanted.map((one) => one.make(pair, built)))
    }
    return cases
  },
}

function isMeasured({ content }: Pair): boolean {
  return content === 'release' || content === 'disk'
}

async function buildOrNote(pair: Pair, context: SuiteContext): Promise<BuiltPair | undefined> {
  try {
    return await pair.build()
  } catch (cause) {
    if (!(cause instanceof CorpusAbsent)) throw cause
    context.note(`ABSENT, so that nothing is measured on it: ${pair.name}: ${cause.message}`)
    return undefined
  }
}
