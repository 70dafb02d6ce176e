import { readFile } from 'node:fs/promises'
import { CorpusAbsent } from '../corpora/corpora-folder.js'
import { foundPairs } from '../corpora/found-pairs.js'
import { type BuiltPair, PAIRS, type Pair } from '../corpora/pairs.js'
import { entropyBitsPerByte } from '../harness/data.js'
import { isInstalled } from '../harness/machine.js'
import type { Case, Contender, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { codecOf } from './delta/codec.js'
import { documentsOf } from './delta/document-batches.js'
import { documentsContender, inProcessContender } from './delta/in-process.js'
import { METRICS, PER_DOCUMENT } from './delta/metrics.js'
import { PATCH_PROGRAMS, patchContender } from './delta/patch-programs.js'
import { REPOSITORY_PROGRAMS, repositoryContender } from './delta/repositories.js'
import { rsyncContender } from './delta/rsync.js'
import { START } from './delta/start.js'
import { type WorkingFiles, workingFiles } from './delta/working-files.js'
import { xbzrleContender } from './delta/xbzrle-contender.js'

const SHORT_PAIRS = ['vite']
/** What a reader must know to be fair to each. */
const CONDITIONS = [
  'each peer is a whole process: its start, reading both files and writing the result, in memory, are in its time',
  'dwcp delta is a whole process like the peers, Node with it; in process: the same functions inside the benchmark on bytes in memory, warmed by one run before; hde hybrid: the codec of migrations, given all pages, likewise, and what the other side has is known to both ends before',
  'bytes of rsync are those of both directions; its time is that of both ends together',
  'restic and borg are given the earlier version first and counted by what their repositories grow (borg without its local index); restic opens its repository by scrypt, about 0.4 s, and cuts by a polynomial of its own making, so that its bytes differ from run to run (of git 15.8 and 18.3 MB were seen)',
  'lz4 knows nothing of the earlier version',
  "XBZRLE is our implementation of QEMU's documented format, with a cache that holds all of the earlier memory; its time is not QEMU's and not given",
  'zstd -19, xdelta3 -9, bsdiff, restic, borg, casync and XBZRLE run once, small on memories and the disk too; zstd -19 does not run on memories, and bsdiff not on them nor on the disk: it had not sorted that after 10 minutes of CPU',
]
const ENTROPY_SAMPLE_BYTES = 32 * 2 ** 20

export const suite: Suite = {
  name: 'delta',
  purpose: 'Bytes of a version given an earlier one, and MB of it per CPU second: ours beside the programs that people use.',
  tools: ['zstd', 'xdelta3', 'bsdiff', 'lz4', 'rsync', 'restic', 'borg', 'casync'],
  async cases(context) {
    for (const condition of CONDITIONS) context.note(condition)
    const cases: Case[] = context.wanted(START.name) && !context.short ? [START] : []
    for (const pair of [...PAIRS, ...(await foundPairs())]) {
      if (!context.wanted(pair.name) || (context.short && !SHORT_PAIRS.includes(pair.name))) continue
      const built = await buildOrNote(pair, context)
      if (built !== undefined) cases.push(deltaCase(pair, built))
    }
    return cases
  },
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

function deltaCase(pair: Pair, built: BuiltPair): Case {
  const isLines = built.after.endsWith('.jsonl')
  return {
    name: pair.name,
    metrics: isLines ? [...METRICS, PER_DOCUMENT] : METRICS,
    // Whole processes on files in memory: a first run is like the others.
    warmups: 0,
    async open(context): Promise<OpenCase> {
      const files = await workingFiles(built)
      try {
        const contenders = [...(await codecOf(pair, files)), ...inProcess(pair, files), ...(await peersFor(pair, files, context))]
        const sample = await files.head(ENTROPY_SAMPLE_BYTES)
        const data = { kind: built.kind, bytes: files.afterBytes, entropyBitsPerByte: entropyBitsPerByte(sample) }
        const counted = isLines ? await perDocument(files, [documentsContender(files), ...contenders]) : contenders
        return { data, contenders: counted, [Symbol.asyncDispose]: () => files[Symbol.asyncDispose]() }
      } catch (cause) {
        await files[Symbol.asyncDispose]()
        throw cause
      }
    },
  }
}

async function perDocument(files: WorkingFiles, contenders: readonly Contender[]): Promise<readonly Contender[]> {
  const { length } = documentsOf(await readFile(files.after))
  return contenders.map((contender) => ({
    ...contender,
    async run() {
      const measured = await contender.run()
      return { ...measured, [PER_DOCUMENT.name]: (measured['bytes'] ?? Number.NaN) / length }
    },
  }))
}

function inProcess({ content }: Pair, files: WorkingFiles): readonly Contender[] {
  const levels = content === 'memory' || content === 'disk' ? (['balanced', 'fast'] as const) : (['balanced', 'fast', 'small'] as const)
  return levels.map((level) => inProcessContender(level, files))
}

async function peersFor(pair: Pair, files: WorkingFiles, context: SuiteContext): Promise<readonly Contender[]> {
  const installed = async (program: string): Promise<boolean> => {
    const found = await isInstalled(program)
    if (!found) context.note(`without ${program}: it is not installed`)
    return found
  }
  const { before } = files
  const peers: Contender[] = []
  for (const patcher of PATCH_PROGRAMS) {
    if (context.short ? patcher.short !== true : patcher.without?.includes(pair.content) === true) continue
    if (await installed(patcher.program)) peers.push(patchContender(patcher, files, pair.content))
  }
  if (before === undefined) return peers
  if (await installed('rsync')) peers.push(rsyncContender(files))
  if (context.short) return peers
  for (const repository of REPOSITORY_PROGRAMS)
    if (await installed(repository.program)) peers.push(await repositoryContender(repository, files))
  if (pair.content === 'memory') peers.push(xbzrleContender(files, before))
  return peers
}
