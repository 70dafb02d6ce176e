import { isOfCase } from '../../harness/merge.js'
import type { SuiteResult } from '../../harness/run-suite.js'

/** What one contender reached in one case, by metric. */
export interface ContenderFigures {
  readonly name: string
  readonly ours: boolean
  readonly values: ReadonlyMap<string, number>
}

/** The contenders of a case, ours first; empty where the case was not measured. */
export function contendersOf(result: SuiteResult | undefined, caseName: string): readonly ContenderFigures[] {
  const found = new Map<string, { ours: boolean; values: Map<string, number> }>()
  const put = (name: string, ours: boolean, metric: string, value: number): void => {
    const figures = found.get(name) ?? { ours, values: new Map<string, number>() }
    found.set(name, figures)
    figures.values.set(metric, value)
  }
  const rows = (result?.rows ?? []).filter((row) => isOfCase(row.case, caseName))
  for (const row of rows) if (row.value !== undefined) put(row.case.slice(caseName.length + 2) || 'ours', true, row.metric, row.value)
  for (const { peer, peerValue, metric } of rows) if (peer !== undefined && peerValue !== undefined) put(peer, false, metric, peerValue)
  return [...found].map(([name, figures]) => ({ name, ...figures }))
}

/** NaN where it was not measured: then no comparison with it holds. */
export function figureOf(contenders: readonly ContenderFigures[], name: string, metric: string): number {
  return contenders.find((one) => one.name === name)?.values.get(metric) ?? Number.NaN
}

export function table(headings: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [row(headings), row(headings.map(() => '---')), ...lines.map(row)].join('\n')
}

/** Three digits where there is a fraction. */
export function short(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return String(Number(value.toPrecision(3)))
}

export function grouped(bytes: number | undefined): string {
  return bytes === undefined ? '–' : String(bytes).replace(/\B(?=(?:\d{3})+$)/g, ',')
}
