import type { SuiteResult } from '../../harness/run-suite.js'
import { contendersOf, grouped, short, table } from './figures.js'

/** A line for each contender of the suite `delta`; for each case its bytes, and its speeds in MB of the newer version a CPU second. */
export function besidePeers(delta: SuiteResult | undefined, caseNames: readonly string[]): string {
  const measured = caseNames.filter((name) => delta?.data[name] !== undefined)
  if (measured.length === 0) return 'Not measured yet.'
  const cases = measured.map((name) => contendersOf(delta, name))
  const names = [...new Map(cases.flat().map(({ name, ours }) => [name, ours]))]
  const sorted = [...names.filter(([, ours]) => ours), ...names.filter(([, ours]) => !ours)]
  const lines = sorted.map(([name, ours]) => [
    ours ? `**${name}**` : name,
    ...cases.flatMap((contenders) => {
      const values = contenders.find((one) => one.name === name)?.values
      return values === undefined
        ? ['–', '–']
        : [grouped(values.get('bytes')), `${short(values.get('encode'))} / ${short(values.get('decode'))}`]
    }),
  ])
  const megabytes = (name: string): string => ((delta?.data[name]?.bytes ?? 0) / 1e6).toFixed(1)
  return table(['', ...measured.flatMap((name) => [`${name}, ${megabytes(name)} MB`, 'MB/CPU-s'])], lines)
}
