import { readFile } from 'node:fs/promises'
import { CorpusAbsent } from '../corpora/corpora-folder.js'
import { foundPairs } from '../corpora/found-pairs.js'
import { type BuiltPair, PAIRS, type Pair } from '../corpora/pairs.js'
import { entropyBitsPerByte } from '../harness/data.js'
import { toolVersion } from '../harness/machine.js'
import type { Case, Contender, Measurement, Metric, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { type MemoryCost, memoryMeasurement, memoryMetrics } from './encoding/metrics.js'
import { changedMemory, PAGE_BYTES, syntheticMemory } from './encoding/page-sets.js'
import { allPages, CHUNK_PAGES, changedPageNumbers, changedPages, openPageLink, wholePages } from './encoding/page-transfer.js'
import { type ZstdFiles, zstdContender, zstdFiles } from './encoding/zstd-contender.js'

const SEED = 7
const FULL_BYTES = 256 * 2 ** 20
const SHORT_BYTES = 8 * 2 ** 20

type Limits = NonNullable<Metric['limits']>

/** Somewhat above what was measured (docs/benchmarks.md): other releases of libzstd give other bytes. */
const FIRST_COPY_LIMITS: Limits = { hybrid: { v1: 1 }, internet: { v1: 0.95 } }
const SECOND_VERSION_LIMITS: Limits = { hybrid: { v1: 0.42, 'zstd -3': 1.02 }, internet: { v1: 0.42, 'zstd -3': 1.02 } }
const DUMP_LIMITS: Limits = { hybrid: { v1: 0.8 }, internet: { v1: 0.8 } }

/** What a reader must know of the figures. */
const CONDITIONS = [
  'all pages are handed to the codec, those that did not change too, but in "hybrid, changed pages", which is given only the pages that differ, as a round of a migration that tracks writes is',
  "encode counts all RAM of the guest whatever is handed over; apply counts the bytes of the pages that differ from what the receiver held (zeros where it held nothing), and in its time are verifying all pages that are handed over and writing them to the receiver's memory, which the decoder does itself (`apply`), the mean of 4 decoders one after another",
  'hde and v1 work on memory inside of the benchmark, the zstd command on files in memory, as a process',
]

/** Two versions of a memory, `before` absent for a first copy. */
interface Versions {
  readonly kind: string
  readonly seed?: number
  readonly sibling?: true | undefined
  readonly memory: Uint8Array
  readonly before?: Uint8Array
}

export const suite: Suite = {
  name: 'encoding',
  purpose: 'Bytes and time of each hde profile for whole memories, beside its own v1 baseline and the zstd command.',
  tools: ['zstd'],
  async cases(context) {
    for (const condition of CONDITIONS) context.note(condition)
    const bytes = context.short ? SHORT_BYTES : FULL_BYTES
    const cases = [
      encodingCase('first copy, synthetic', FIRST_COPY_LIMITS, CHUNK_PAGES.program, async () => ({
        kind: 'half zero pages, 20 % random, 10 % duplicates, 20 % text',
        seed: SEED,
        memory: syntheticMemory(SEED, bytes),
      })),
      encodingCase('second version, synthetic', SECOND_VERSION_LIMITS, CHUNK_PAGES.program, async () => {
        const before = syntheticMemory(SEED, bytes)
        return {
          kind: 'the same, 8 words changed in 5 % of the pages, 1 % new',
          seed: SEED,
          memory: changedMemory(before, SEED + 1),
          before,
        }
      }),
    ]
    if (context.short) return cases
    return [...cases, ...(await dumpCases(context))]
  },
}

/** All pairs of guests that the corpora have. */
async function dumpCases(context: SuiteContext): Promise<readonly Case[]> {
  const cases: Case[] = []
  for (const pair of [...PAIRS, ...(await foundPairs())].filter(({ content, name }) => content === 'memory' && context.wanted(name))) {
    try {
      // Of what others put there nothing is known.
      cases.push(dumpCase(pair, PAIRS.includes(pair) ? DUMP_LIMITS : {}, await pair.build()))
    } catch (cause) {
      if (!(cause instanceof CorpusAbsent)) throw cause
      context.note(`ABSENT, so that nothing is measured on it: ${pair.name}: ${cause.message}`)
    }
  }
  return cases
}

function dumpCase({ name, sibling }: Pair, limits: Limits, { kind, before, after }: BuiltPair): Case {
  return encodingCase(name, limits, CHUNK_PAGES.machine, async () => ({
    kind,
    sibling,
    memory: await readFile(after),
    ...(before === undefined ? {} : { before: await readFile(before) }),
  }))
}

function encodingCase(name: string, limits: Limits, chunkPages: number, pair: () => Promise<Versions>): Case {
  return {
    name,
    metrics: memoryMetrics(limits),
    async open(context): Promise<OpenCase> {
      const { kind, seed, sibling, ...versions } = await pair()
      const [memory, before] = wholePages(versions.memory, versions.before)
      const hasZstd = (await toolVersion('zstd')) !== undefined
      if (!hasZstd) context.note('without the zstd command: apt-get install -y zstd')
      const files: ZstdFiles | undefined = hasZstd ? await zstdFiles(memory, before) : undefined
      const changedBytes = changedPageNumbers(memory, before).length * PAGE_BYTES
      const cost = (of: MemoryCost): Measurement => memoryMeasurement(of, memory.length, changedBytes)
      const contenders: Contender[] = []
      const all = allPages(memory, chunkPages)
      for (const profile of ['datacenter', 'hybrid', 'internet', 'v1'] as const) {
        const link = await openPageLink(profile, { before, sibling })
        contenders.push({ name: profile, ours: profile !== 'v1', run: async () => cost(await link.transfer(all)) })
        if (profile !== 'hybrid' || before === undefined) continue
        const changed = changedPages(memory, before, chunkPages)
        contenders.push({ name: 'hybrid, changed pages', ours: true, run: async () => cost(await link.transfer(changed)) })
      }
      if (files !== undefined) contenders.push(zstdContender(1, files, cost), zstdContender(3, files, cost))
      const data = {
        kind,
        changedRatio: changedBytes / memory.length,
        bytes: memory.length,
        entropyBitsPerByte: entropyBitsPerByte(memory.subarray(0, 32 * 2 ** 20)),
        ...(seed === undefined ? {} : { seed }),
      }
      return { data, contenders, [Symbol.asyncDispose]: async () => files?.[Symbol.asyncDispose]() }
    },
  }
}
