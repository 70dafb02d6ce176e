import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { machineSentence, terminalTable } from './format.js'
import { writeReport } from './report.js'
import { keepResult, resultText } from './results.js'
import { keepsLimit } from './rows.js'
import { runSuite, type SuiteResult } from './run-suite.js'
import type { Suite } from './suite.js'

/** Loaded when asked for: one suite must not need what only another one imports. */
const SUITES: Readonly<Record<string, () => Promise<{ readonly suite: Suite }>>> = {
  delta: () => import('../suites/delta.js'),
  encoding: () => import('../suites/encoding.js'),
  transport: () => import('../suites/transport.js'),
  migration: () => import('../suites/migration.js'),
}

const USAGE = `pnpm bench [SUITE…] [options]   runs suites (all of them where none is named) and prints their tables
pnpm bench report               writes the tables of docs/benchmarks.md from the last full results

  --short      small data, one run: must work and be correct; the times mean nothing and are not kept
  --case TEXT  only the cases whose name holds TEXT; not kept
  --runs N     instead of each case's own number
  --json FILE  the results as JSON too: an array with one object for each suite, its rows in \`rows\`; - for stdout alone
  --list       the suites
  --help       this
`

const options = {
  short: { type: 'boolean', default: false },
  case: { type: 'string' },
  runs: { type: 'string' },
  json: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(error)
  process.exitCode = 1
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv.filter((word) => word !== '--'), options, allowPositionals: true })
  if (values.help) return print(USAGE)
  if (values.list) return list()
  if (positionals[0] === 'report') return print(`wrote ${await writeReport()}`)
  const names = positionals.length > 0 ? positionals : Object.keys(SUITES)
  const runs = values.runs === undefined ? undefined : Number(values.runs)
  if (runs !== undefined && !(Number.isInteger(runs) && runs > 0))
    throw new RangeError(`--runs is ${values.runs}: a whole number from 1 on`)
  const results: SuiteResult[] = []
  for (const name of names) {
    const load = SUITES[name]
    if (load === undefined) throw new RangeError(`no suite ${name}; there are: ${Object.keys(SUITES).join(', ')}`)
    const { suite } = await load()
    const command = [
      'pnpm bench',
      name,
      ...(values.short ? ['--short'] : []),
      ...(values.case === undefined ? [] : [`--case ${values.case}`]),
      ...(runs === undefined ? [] : [`--runs ${runs}`]),
    ].join(' ')
    const chosen = { ...(runs === undefined ? {} : { runs }), ...(values.case === undefined ? {} : { caseName: values.case }) }
    const result = await runSuite(suite, { short: values.short, command, ...chosen, onProgress })
    if (values.case !== undefined && result.rows.length === 0)
      throw new RangeError(`--case ${values.case}: ${name} has no such case, or its data is absent`)
    results.push(result)
    if (values.json !== '-') console.log(`\n# ${name}: ${suite.purpose}\n${machineSentence(result.machine)}\n\n${terminalTable(result)}\n`)
    if (!result.short && values.case === undefined && (runs ?? 3) >= 3) onProgress(`kept in ${await keepResult(result)}`)
  }
  if (values.json !== undefined) await writeJson(values.json, results)
  const broken = results.flatMap((result) => result.rows).filter((row) => !keepsLimit(row))
  for (const row of broken)
    console.error(`LIMIT BROKEN: ${row.suite}, ${row.case}: ${row.metric} is ${row.ratio} of ${row.peer}, limit ${row.limit}`)
  return broken.length > 0 ? 1 : 0
}

async function list(): Promise<number> {
  for (const [name, load] of Object.entries(SUITES)) console.log(`${name.padEnd(12)}${(await load()).suite.purpose}`)
  return 0
}

async function writeJson(file: string, results: readonly SuiteResult[]): Promise<void> {
  const text = `[\n${results.map((result) => resultText(result).trim()).join(',\n')}\n]\n`
  if (file === '-') process.stdout.write(text)
  // pnpm changes into the package; a relative name is meant from where the user stands.
  else await writeFile(resolve(process.env['INIT_CWD'] ?? process.cwd(), file), text)
}

function onProgress(text: string): void {
  console.error(text)
}

function print(text: string): number {
  console.log(text)
  return 0
}
