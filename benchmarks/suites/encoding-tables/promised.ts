import type { SuiteResult } from '../../harness/run-suite.js'
import { contendersOf, grouped, short, table } from './figures.js'

/** What was promised of each, the least that keeps the promise, and of which kinds of data it was promised where not of all. */
const PROMISES: readonly (readonly [metric: string, unit: string, least: number, kinds?: readonly string[]])[] = [
  ['first copy', '×', 3.2],
  ['later versions', ' %', 85],
  ['later versions, against zstd -3', ' %', 85],
  ['all bytes', ' %', 70],
  ['block tier, first copy', ' %', 20, ['VM', 'disk']],
  ['block tier, later versions', ' %', 20, ['VM', 'disk']],
]

/** A line for each kind of data and contender; where ours keeps its promise, it is bold. */
export function promisedTable(promised: SuiteResult | undefined): string {
  if (promised === undefined) return 'Not measured yet.'
  const lines = Object.entries(promised.data).flatMap(([name, note]) => {
    const kind = note.kind.split(',')[0] ?? ''
    return contendersOf(promised, name).map(({ name: by, ours, values }) => [
      name,
      kind,
      ours ? `**${by}**` : by,
      grouped(values.get('wire bytes')),
      ...PROMISES.map(([metric, unit, least, kinds]) => {
        const value = values.get(metric)
        if (value === undefined) return '–'
        const kept = ours && value >= least && kinds?.includes(kind) !== false
        return kept ? `**${short(value)}${unit}**` : `${short(value)}${unit}`
      }),
    ])
  })
  const headings = PROMISES.map(([metric, unit, least]) => `${metric} (${least}${unit})`)
  return table(['data', 'kind', 'by', 'wire bytes', ...headings], lines)
}
