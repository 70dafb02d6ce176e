import type { Machine } from './machine.js'
import { keepsLimit, type Row } from './rows.js'
import type { SuiteResult } from './run-suite.js'

/** A table for the terminal: a line for each figure of ours, a column for each peer. */
export function terminalTable(result: SuiteResult): string {
  const [headings = [], ...lines] = cells(result.rows)
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
  const [headings = [], ...lines] = cells(result.rows)
  const data = Object.entries(result.data).map(([name, note]) => `- data of *${name}*: ${describeData(note)}`)
  return [
    result.purpose,
    '',
    `Measured ${result.date.slice(0, 10)} by \`${result.command}\`. ${machineSentence(result.machine)}`,
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

function cells(rows: readonly Row[]): string[][] {
  const peers = [...new Set(rows.flatMap(({ peer }) => peer ?? []))]
  const lines = new Map<string, Row[]>()
  for (const row of rows) {
    const key = JSON.stringify([row.case, row.metric])
    lines.set(key, [...(lines.get(key) ?? []), row])
  }
  const table = [...lines.values()].map((line) => [
    ...line.slice(0, 1).flatMap((row) => [row.case, `${row.metric}, ${row.unit}`, figure(row.value, row.min, row.max), String(row.runs)]),
    ...peers.map((peer) =>
      line
        .filter((row) => row.peer === peer)
        .map(beside)
        .join(),
    ),
  ])
  return [['case', 'metric', 'ours', 'runs', ...peers.map((peer) => `${peer}: its, ratio`)], ...table]
}

function beside({ peerValue, peerMin, peerMax, ratio, limit, ...row }: Row): string {
  if (peerValue === undefined || ratio === undefined) return ''
  const bound = limit === undefined ? '' : `, limit ${limit}${keepsLimit({ ...row, ratio, limit }) ? '' : ' BROKEN'}`
  return `${figure(peerValue, peerMin, peerMax)}; ${ratio.toPrecision(3)}×${bound}`
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
