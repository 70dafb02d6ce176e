import { readFile } from 'node:fs/promises'
import { CorpusAbsent } from '../corpora/corpora-folder.js'
import { guestPair } from '../corpora/guest-memory.js'
import type { BuiltPair } from '../corpora/pairs.js'
import { entropyBitsPerByte } from '../harness/data.js'
import { toolVersion } from '../harness/machine.js'
import type { Case, Contender, Metric, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { hdeContender } from './encoding/hde-contender.js'
import { changedMemory, syntheticMemory } from './encoding/page-sets.js'
import { type ZstdFiles, zstdContender, zstdFiles } from './encoding/zstd-contender.js'

const SEED = 7
const FULL_BYTES = 256 * 2 ** 20
const SHORT_BYTES = 8 * 2 ** 20

type Limits = NonNullable<Metric['limits']>

/** Somewhat above what was measured (docs/benchmarks.md): other releases of libzstd give other bytes. */
const FIRST_COPY_LIMITS: Limits = { hybrid: { v1: 1 }, internet: { v1: 0.95 } }
const SECOND_VERSION_LIMITS: Limits = { hybrid: { v1: 0.42, 'zstd -3': 1.02 }, internet: { v1: 0.42, 'zstd -3': 1.02 } }
const DUMP_LIMITS: Limits = { hybrid: { v1: 0.8 }, internet: { v1: 0.8 } }

const metrics = (limits: Limits): readonly Metric[] => [
  { name: 'wire bytes', unit: 'B', better: 'lower', exact: true, limits },
  { name: 'encode CPU', unit: 's', better: 'lower', exact: false },
  { name: 'decode CPU', unit: 's', better: 'lower', exact: false },
]

/** Two versions of a memory, `before` absent for a first copy. */
interface Pair {
  readonly kind: string
  readonly seed?: number
  readonly memory: Uint8Array
  readonly before?: Uint8Array
}

export const suite: Suite = {
  name: 'encoding',
  purpose: 'Bytes and time of each hde profile for whole memories, beside its own v1 baseline and the zstd command.',
  tools: ['zstd'],
  async cases(context) {
    const bytes = context.short ? SHORT_BYTES : FULL_BYTES
    const cases = [
      encodingCase('first copy, synthetic', FIRST_COPY_LIMITS, async () => ({
        kind: 'half zero pages, 20 % random, 10 % duplicates, 20 % text',
        seed: SEED,
        memory: syntheticMemory(SEED, bytes),
      })),
      encodingCase('second version, synthetic', SECOND_VERSION_LIMITS, async () => {
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

async function dumpCases(context: SuiteContext): Promise<readonly Case[]> {
  const wanted = [
    ['redis guest, 0 to 5 s', 'kvA-t00', 'kvA-t05'],
    ['sqlite guest, 0 to 5 s', 'dbB-t00', 'dbB-t05'],
    ['sqlite guest given a redis guest', 'kvA-t00', 'dbB-t00'],
  ] as const
  const cases: Case[] = []
  try {
    for (const [name, before, after] of wanted) cases.push(dumpCase(name, await guestPair(before, after)))
  } catch (cause) {
    if (!(cause instanceof CorpusAbsent)) throw cause
    context.note(`without the RAM dumps: ${cause.message}`)
  }
  return cases
}

function dumpCase(name: string, { kind, before, after }: BuiltPair): Case {
  return encodingCase(name, DUMP_LIMITS, async () => ({
    kind,
    memory: await readFile(after),
    ...(before === undefined ? {} : { before: await readFile(before) }),
  }))
}

function encodingCase(name: string, limits: Limits, pair: () => Promise<Pair>): Case {
  return {
    name,
    metrics: metrics(limits),
    async open(context): Promise<OpenCase> {
      const { kind, seed, memory, before } = await pair()
      const hasZstd = (await toolVersion('zstd')) !== undefined
      if (!hasZstd) context.note('without the zstd command: apt-get install -y zstd')
      const files: ZstdFiles | undefined = hasZstd ? await zstdFiles(memory, before) : undefined
      const contenders: Contender[] = []
      for (const profile of ['datacenter', 'hybrid', 'internet'] as const)
        contenders.push(await hdeContender(profile, true, profile, memory, before))
      contenders.push(await hdeContender('v1', false, 'v1', memory, before))
      if (files !== undefined) contenders.push(zstdContender(1, files), zstdContender(3, files))
      const data = {
        kind,
        bytes: memory.length,
        entropyBitsPerByte: entropyBitsPerByte(memory.subarray(0, 32 * 2 ** 20)),
        ...(seed === undefined ? {} : { seed }),
      }
      return { data, contenders, [Symbol.asyncDispose]: async () => files?.[Symbol.asyncDispose]() }
    },
  }
}
