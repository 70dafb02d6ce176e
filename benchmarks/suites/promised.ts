import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CorpusAbsent } from '../corpora/corpora-folder.js'
import { isInstalled } from '../harness/machine.js'
import { memoryFolder } from '../harness/memory-folder.js'
import type { Case, Contender, Measurement, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { deltaStream, documents, type Encoding, pages, zstd3 } from './promised/encodings.js'
import { foundHistories, HISTORIES, type History, type Kind } from './promised/histories.js'
import { PROMISED_METRICS, promisedFigures, type VersionBytes } from './promised/metrics.js'

const ENCODINGS: Readonly<Record<Kind, readonly Encoding[]>> = {
  VM: [pages('hybrid'), pages('internet')],
  disk: [deltaStream('balanced'), deltaStream('small'), pages('internet')],
  release: [deltaStream('balanced'), deltaStream('small')],
  log: [deltaStream('balanced'), deltaStream('small')],
  documents: [documents, deltaStream('balanced'), deltaStream('small')],
}

export const suite: Suite = {
  name: 'promised',
  purpose: 'What first copies, later versions and the block tier save, by kind of data, from counted bytes.',
  tools: ['zstd'],
  async cases(context) {
    const cases: Case[] = []
    for (const history of [...HISTORIES, ...(await foundHistories())]) {
      if (!context.wanted(history.name) || (context.short && history.short !== true)) continue
      const files = await filesOrNote(history, context)
      if (files !== undefined) cases.push(promisedCase(history, files))
    }
    return cases
  },
}

async function filesOrNote(history: History, context: SuiteContext): Promise<readonly string[] | undefined> {
  try {
    return await history.files()
  } catch (cause) {
    if (!(cause instanceof CorpusAbsent)) throw cause
    context.note(`ABSENT, so that nothing is measured on it: ${history.name}: ${cause.message}`)
    return undefined
  }
}

function promisedCase({ name, kind }: History, files: readonly string[]): Case {
  return {
    name,
    metrics: PROMISED_METRICS,
    // Bytes alone: every run gives the same.
    runs: 1,
    warmups: 0,
    async open(context): Promise<OpenCase> {
      const versions = await Promise.all(files.map((file) => readFile(file)))
      const folder = await mkdtemp(join(await memoryFolder(), 'dwcp-promised-'))
      const hasZstd = await isInstalled('zstd')
      if (!hasZstd) context.note('without zstd, so that only our own first copies count as compressed: apt-get install -y zstd')
      const zstd = hasZstd ? zstd3(folder) : undefined
      const compressed = zstd === undefined ? [] : await aloneBytes(zstd, versions)
      const contender = (encoding: Encoding): Contender => ({
        name: encoding.name,
        ours: encoding.ours,
        slow: true,
        run: () => figuresOf(encoding, versions, compressed),
      })
      return {
        data: { kind: `${kind}, ${versions.length} versions`, bytes: versions.reduce((sum, { length }) => sum + length, 0) },
        contenders: [...ENCODINGS[kind], ...(zstd === undefined ? [] : [zstd])].map(contender),
        [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
      }
    },
  }
}

async function aloneBytes(encoding: Encoding, versions: readonly Uint8Array[]): Promise<readonly number[]> {
  const bytes: number[] = []
  for (const version of versions) bytes.push((await encoding.encode(version, undefined)).wireBytes)
  return bytes
}

async function figuresOf(encoding: Encoding, versions: readonly Uint8Array[], compressed: readonly number[]): Promise<Measurement> {
  const costs: VersionBytes[] = []
  for (const [index, version] of versions.entries()) {
    const alone = await encoding.encode(version, undefined)
    const before = versions[index - 1]
    const cost = before === undefined ? alone : await encoding.encode(version, before)
    costs.push({ rawBytes: version.length, aloneBytes: alone.wireBytes, ...cost })
  }
  return promisedFigures(costs, compressed)
}
