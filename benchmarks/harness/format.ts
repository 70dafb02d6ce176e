import type { Machine } from './machine.js'
import { keepsLimit, type Row } from './rows.js'
import type { SuiteResult } from './run-suite.js'

const HEADINGS = ['case', 'metric', 'ours', 'peer', "peer's", 'ratio', 'runs'] as const

/** A table for the terminal. */
export function terminalTable(result: SuiteResult): string {
  const lines = cells(result.rows)
  const widths = HEADINGS.map((heading, column) => Math.max(heading.length, ...lines.map((line) => line[column]?.length ?? 0)))
  const draw = (line: readonly string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [draw(HEADINGS), widths.map((width) => '-'.repeat(width)).join('  '), ...lines.map(draw)].join('\n')
}

/** The same as Markdown, with what is needed to judge and repeat it. */
export function markdownTable(result: SuiteResult): string {
  const row = (line: readonly string[]): string => `| ${line.join(' | ')} |`
  const data = Object.entries(result.data).map(([name, note]) => `- data of *${name}*: ${describeData(note)}`)
  return [
    result.purpose,
    '',
    `Measured ${result.date.slice(0, 10)} by \`${result.command}\`. ${machineSentence(result.machine)}`,
    '',
    row(HEADINGS),
    row(HEADINGS.map(() => '---')),
    ...cells(result.rows).map(row),
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

function cells(rows: readonly Row[]): string[][] {
  return rows.map((row) => [
    row.case,
    `${row.metric}, ${row.unit}`,
    figure(row.value, row.min, row.max),
    row.peer ?? '',
    row.peerValue === undefined ? '' : figure(row.peerValue, row.peerMin, row.peerMax),
    ratio(row),
    String(row.runs),
  ])
}

function ratio(row: Row): string {
  if (row.ratio === undefined) return ''
  const bound = row.limit === undefined ? '' : ` (limit ${row.limit}${keepsLimit(row) ? '' : ', BROKEN'})`
  return `${row.ratio.toPrecision(3)}×${bound}`
}

function figure(value: number, min: number | undefined, max: number | undefined): string {
  const shown = short(value)
  return min === undefined || max === undefined || (short(min) === shown && short(max) === shown)
    ? shown
    : `${shown} (${short(min)}-${short(max)})`
}

function short(value: number): string {
  if (Number.isInteger(value)) return String(value)
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}

function describeData({ kind, bytes, entropyBitsPerByte, seed }: SuiteResult['data'][string]): string {
  const entropy = entropyBitsPerByte === undefined ? '' : `, ${entropyBitsPerByte.toFixed(2)} bits of entropy a byte`
  return `${kind}, ${bytes} bytes${entropy}${seed === undefined ? '' : `, seed ${seed}`}`
}
