import { readFile } from 'node:fs/promises'
import { type ChunkMode, createMemoryStore } from '@dwcp/hde'
import type { BuiltPair, Pair } from '../../corpora/pairs.js'
import { entropyBitsPerByte } from '../../harness/data.js'
import { isInstalled } from '../../harness/machine.js'
import type { Case, Contender, OpenCase } from '../../harness/suite.js'
import { METRICS, measurement } from '../delta/metrics.js'
import { REPOSITORY_PROGRAMS, repositoryContender } from '../delta/repositories.js'
import { type WorkingFiles, workingFiles } from '../delta/working-files.js'
import { keptAs, transfer } from './exchange.js'
import { modeOf } from './have.js'
import type { PairCase } from './pair-case.js'

/** Bytes of a version where only the receiver has the earlier one, beside the programs that find chunks of it too. */
export const GIVEN: PairCase = { nameOf: ({ name }) => `${name}, which only the receiver has an earlier version of`, make: givenCase }

function givenCase(pair: Pair, built: BuiltPair): Case {
  return {
    name: GIVEN.nameOf(pair),
    metrics: [...METRICS, { name: 'questions and answers', unit: 'B', better: 'lower', exact: true }],
    warmups: 0,
    async open(context): Promise<OpenCase> {
      const files = await workingFiles(built)
      try {
        const modes = [...new Set<ChunkMode>([modeOf(pair), 'content'])]
        const contenders: Contender[] = []
        for (const mode of modes) contenders.push(await chunksContender(mode, files))
        for (const repository of context.short ? [] : REPOSITORY_PROGRAMS) {
          if (await isInstalled(repository.program)) contenders.push(await repositoryContender(repository, files))
          else context.note(`without ${repository.program}: it is not installed`)
        }
        const data = { kind: built.kind, bytes: files.afterBytes, entropyBitsPerByte: entropyBitsPerByte(await files.head(32 << 20)) }
        return { data, contenders, [Symbol.asyncDispose]: () => files[Symbol.asyncDispose]() }
      } catch (cause) {
        await files[Symbol.asyncDispose]()
        throw cause
      }
    },
  }
}

/** Warmed by one run that does not count. */
async function chunksContender(mode: ChunkMode, files: WorkingFiles): Promise<Contender> {
  const store = await createMemoryStore({ bytes: 2 * 1024 ** 3 })
  if (files.before !== undefined) await keptAs(store, await readFile(files.before), mode)
  let warm = false
  return {
    name: `chunks, ${mode}`,
    ours: true,
    async run() {
      const after = await readFile(files.after)
      if (!warm) await transfer(after, store, mode)
      warm = true
      const { askedBytes, answeredBytes, streamBytes, ...took } = await transfer(after, store, mode)
      const exchanged = askedBytes + answeredBytes
      const encodeSeconds = took.askSeconds + took.sendSeconds
      const decodeSeconds = took.answerSeconds + took.putTogetherSeconds
      return { ...measurement(exchanged + streamBytes, after.length, encodeSeconds, decodeSeconds), 'questions and answers': exchanged }
    },
  }
}
