import type { SuiteResult } from '../../harness/run-suite.js'
import { besidePeers } from './beside-peers.js'
import { CASES, casesOf } from './cases.js'
import { goalsOf, goalsTable } from './goals.js'
import { promisedTable } from './promised.js'
import { machineLines, runsTable } from './runs.js'
import { startTable } from './start.js'

/** Suites whose figures have tables of their own here, instead of one like those of docs/benchmarks.md. */
export const TABLED_ELSEWHERE: readonly string[] = ['delta', 'promised']
const ENCODING_SUITES = [...TABLED_ELSEWHERE, 'encoding', 'choice', 'fallback', 'chunks']

/** The tables of docs/encoding.md, by the name of their place there. */
export function encodingTables(results: readonly SuiteResult[]): ReadonlyMap<string, string> {
  const [delta, promised, encoding, choice, fallback] = ENCODING_SUITES.map((name) => results.find(({ suite }) => suite === name))
  const beside = (of: (name: string) => boolean): string => besidePeers(delta, casesOf(delta, of))
  const guests = (of: (name: string) => boolean): string => beside((name) => CASES.guests(name) && of(name))
  return new Map([
    ['goals', goalsTable(goalsOf({ delta, encoding, choice, fallback }))],
    ['promised', promisedTable(promised)],
    ['releases', beside(CASES.releases)],
    ['redis', guests((name) => name.startsWith('redis'))],
    ['sqlite', guests((name) => name.startsWith('sqlite'))],
    ['other guests', guests((name) => name.startsWith('guest'))],
    ['disks and siblings', beside((name) => CASES.disks(name) || CASES.siblings(name))],
    ['logs and documents', beside(CASES.state)],
    ['incompressible', besidePeers(delta, ['compressed by xz', 'compressed by gzip', 'WebAssembly', 'random'])],
    ['start', startTable(delta)],
    ['runs', runsTable(results.filter(({ suite }) => ENCODING_SUITES.includes(suite)))],
    ['machine', machineLines(results.filter(({ suite }) => ENCODING_SUITES.includes(suite)))],
  ])
}
