import { cells } from './cells.js'
import type { Machine } from './machine.js'
import type { CaseRun, SuiteResult } from './run-suite.js'

/** A table for the terminal: a line for each figure of ours, a column for each peer. */
export function terminalTable(result: SuiteResult): string {
  const [headings = [], ...lines] = cells(result.rows, Object.keys(result.data))
  const widths = headings.map((heading, column) => Math.max(heading.length, ...lines.map((line) => line[column]?.length ?? 0)))
  const draw = (line: readonly string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [draw(headings), widths.map((width) => '-'.repeat(width)).join('  '), ...lines.map(draw)].join('\n')
}

/** The same as Markdown, with what is needed to judge and repeat it. */
export function markdownTable(result: SuiteResult): string {
  const row = (line: readonly string[]): string => `| ${line.join(' | ')} |`
  const [headings = [], ...lines] = cells(result.rows, Object.keys(result.data))
  const names = Object.keys(result.data)
  const atOnce = result.cases === undefined || names.every((name) => result.cases?.[name]?.command === result.command)
  const data = Object.entries(result.data).map(
    ([name, note]) => `- data of *${name}*: ${describeData(note)}${atOnce ? '' : `; ${measuredBy(result.cases?.[name])}`}`,
  )
  return [
    result.purpose,
    '',
    `${atOnce ? 'Measured' : 'Last measured'} ${result.date.slice(0, 10)} by \`${result.command}\`. ${machineSentence(result.machine)}`,
    '',
    row(headings),
    row(headings.map(() => '---')),
    ...lines.map(row),
    '',
    ...data,
    ...result.notes.map((note) => `- ${note}`),
  ].join('\n')
}

export function machineSentence(machine: Machine): string {
  const gib = (machine.memoryBytes / 2 ** 30).toFixed(0)
  const backends = Object.entries(machine.backends).map(([name, backend]) => `${name} ${backend}`)
  const tools = Object.entries(machine.tools).map(([name, version]) => (version === 'missing' ? `${name} missing` : version))
  return (
    [
      `${machine.cpu}, ${machine.cores} cores, ${gib} GiB; ${machine.system}, Linux ${machine.kernel}; Node ${machine.node}, OpenSSL ${machine.openssl}`,
      `load before ${machine.loadAverage.toFixed(2)}`,
      ...backends,
      ...tools,
    ].join('; ') + '.'
  )
}

function measuredBy(run: CaseRun | undefined): string {
  if (run === undefined) return 'measured earlier, before runs were kept one by one'
  const commit = run.commit === undefined ? '' : ` at ${run.commit}`
  return `measured ${run.date.slice(0, 16).replace('T', ' ')} UTC by \`${run.command}\`${commit}, load before ${run.loadAverage.toFixed(2)}`
}

function describeData({ kind, bytes, entropyBitsPerByte, seed, changedRatio }: SuiteResult['data'][string]): string {
  const entropy = entropyBitsPerByte === undefined ? '' : `, ${entropyBitsPerByte.toFixed(2)} bits of entropy a byte`
  const changed = changedRatio === undefined ? '' : `, ${(100 * changedRatio).toFixed(1)} % of its pages changed`
  return `${kind}, ${bytes} bytes${changed}${entropy}${seed === undefined ? '' : `, seed ${seed}`}`
}
