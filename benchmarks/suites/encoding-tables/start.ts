import type { SuiteResult } from '../../harness/run-suite.js'
import { contendersOf, table } from './figures.js'

/** What the processes cost before they do anything. */
export function startTable(delta: SuiteResult | undefined): string {
  const contenders = contendersOf(delta, 'one byte')
  if (contenders.length === 0) return 'Not measured yet.'
  const seconds = (value: number | undefined): string => value?.toFixed(3) ?? '–'
  const lines = contenders.map(({ name, values }) => [
    name === 'ours' ? '**dwcp delta**' : name,
    seconds(values.get('encode CPU')),
    seconds(values.get('decode CPU')),
  ])
  return table(['', 'encode, s', 'decode, s'], lines)
}
