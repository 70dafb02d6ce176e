import type { SuiteResult } from '../../harness/run-suite.js'
import { besidePeers } from './beside-peers.js'
import { goalsOf, goalsTable } from './goals.js'
import { promisedTable } from './promised.js'
import { machineLines, runsTable } from './runs.js'
import { startTable } from './start.js'

/** Suites whose figures have tables of their own here, instead of one like those of docs/benchmarks.md. */
export const TABLED_ELSEWHERE: readonly string[] = ['delta', 'promised']
const ENCODING_SUITES = [...TABLED_ELSEWHERE, 'encoding']

/** The tables of docs/encoding.md, by the name of their place there. */
export function encodingTables(results: readonly SuiteResult[]): ReadonlyMap<string, string> {
  const [delta, promised, encoding] = ENCODING_SUITES.map((name) => results.find(({ suite }) => suite === name))
  const guests = (name: string): readonly string[] => ['0 to 5 s', '5 to 30 s', '0 to 30 s'].map((span) => `${name} guest, ${span}`)
  return new Map([
    ['goals', goalsTable(goalsOf(delta, encoding))],
    ['promised', promisedTable(promised)],
    ['releases', besidePeers(delta, ['git', 'postgresql', 'typescript', 'vite'])],
    ['redis', besidePeers(delta, guests('redis'))],
    ['sqlite', besidePeers(delta, guests('sqlite'))],
    ['disks and siblings', besidePeers(delta, ['disk rootA', 'sqlite guest given a redis guest', 'redis guest given a sqlite guest'])],
    ['logs and documents', besidePeers(delta, ['cluster log', 'node documents, JSON lines', 'node documents, JSON array'])],
    ['incompressible', besidePeers(delta, ['compressed by xz', 'compressed by gzip', 'WebAssembly', 'random'])],
    ['start', startTable(delta)],
    ['runs', runsTable(results.filter(({ suite }) => ENCODING_SUITES.includes(suite)))],
    ['machine', machineLines(results.filter(({ suite }) => ENCODING_SUITES.includes(suite)))],
  ])
}
