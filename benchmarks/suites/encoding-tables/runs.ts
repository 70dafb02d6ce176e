import { machineSentence } from '../../harness/format.js'
import type { SuiteResult } from '../../harness/run-suite.js'
import { table } from './figures.js'

/** Which run each figure is of. */
export function runsTable(results: readonly SuiteResult[]): string {
  const lines = results.flatMap(({ suite, data, cases, date, command }) =>
    Object.keys(data).map((name) => {
      const run = cases?.[name]
      const when = (run?.date ?? date).slice(0, 16).replace('T', ' ')
      return [
        suite,
        name,
        when,
        run?.commit ?? '–',
        run?.loadAverage.toFixed(2) ?? '–',
        String(run?.wallSeconds ?? '–'),
        `\`${run?.command ?? command}\``,
      ]
    }),
  )
  return table(['suite', 'case', 'measured, UTC', 'commit', 'load before', 'took, s', 'by'], lines)
}

/** The machine of each suite, as its last run found it, and what that run went without or includes. */
export function machineLines(results: readonly SuiteResult[]): string {
  return results
    .flatMap(({ suite, machine, notes }) => [machineSentence(machine), ...notes].map((line) => `- \`${suite}\`: ${line}`))
    .join('\n')
}
