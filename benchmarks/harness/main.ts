import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { sourceCommit } from './commit.js'
import { machineSentence, terminalTable } from './format.js'
import { describeMachine } from './machine.js'
import { mergeResults, sameMachine } from './merge.js'
import { writeReport } from './report.js'
import { keepResult, keptResults, resultText } from './results.js'
import { keepsLimit } from './rows.js'
import { type RunOptions, runSuite, type SuiteResult } from './run-suite.js'
import type { Suite } from './suite.js'

/** Loaded when asked for: one suite must not need what only another one imports. */
const SUITES: Readonly<Record<string, () => Promise<{ readonly suite: Suite }>>> = {
  choice: () => import('../suites/choice.js'),
  chunks: () => import('../suites/chunks.js'),
  delta: () => import('../suites/delta.js'),
  documents: () => import('../suites/documents.js'),
  promised: () => import('../suites/promised.js'),
  encoding: () => import('../suites/encoding.js'),
  fallback: () => import('../suites/fallback.js'),
  streams: () => import('../suites/streams.js'),
  transport: () => import('../suites/transport.js'),
  wan: () => import('../suites/wan.js'),
  migration: () => import('../suites/migration.js'),
}

const USAGE = `pnpm bench [SUITE…] [options]   runs suites (all of them where none is named) and prints their tables
pnpm bench report               writes the tables of docs/benchmarks.md and docs/encoding.md from what is kept

  --short      small data, one run: must work and be correct; the times mean nothing and are not kept
  --case TEXT  only the cases whose name holds TEXT; kept beside the other cases that were kept
  --resume     only the cases that are not kept yet from this commit and machine
  --runs N     instead of each case's own number; kept from 3 on
  --json FILE  the results as JSON too: an array with one object for each suite, its rows in \`rows\`; - for stdout alone
  --list       the suites
  --help       this
`

const options = {
  short: { type: 'boolean', default: false },
  case: { type: 'string' },
  resume: { type: 'boolean', default: false },
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
  if (positionals[0] === 'report') return print(`wrote ${(await writeReport()).join(' and ')}`)
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
      ...(values.case === undefined ? [] : [`--case ${quoted(values.case)}`]),
      ...(values.resume ? ['--resume'] : []),
      ...(runs === undefined ? [] : [`--runs ${runs}`]),
    ].join(' ')
    const chosen = { ...(runs === undefined ? {} : { runs }), ...(values.case === undefined ? {} : { caseName: values.case }) }
    const part = values.case !== undefined || values.resume
    const keeps = !values.short && (runs ?? 3) >= 3
    const keep = keeps ? await keeping(name, part, values.resume) : {}
    const result = await runSuite(suite, { short: values.short, command, ...chosen, ...keep, onProgress })
    if (values.case !== undefined && !values.resume && result.rows.length === 0)
      throw new RangeError(`--case ${values.case}: ${name} has no such case, or its data is absent`)
    results.push(result)
    if (values.json !== '-') console.log(`\n# ${name}: ${suite.purpose}\n${machineSentence(result.machine)}\n\n${terminalTable(result)}\n`)
    // A whole run leaves nothing of cases that are no more.
    if (keeps && !part) onProgress(`kept in ${await keepResult(result)}`)
  }
  if (values.json !== undefined) await writeJson(values.json, results)
  const broken = results.flatMap((result) => result.rows).filter((row) => !keepsLimit(row))
  for (const row of broken)
    console.error(`LIMIT BROKEN: ${row.suite}, ${row.case}: ${row.metric} is ${row.ratio} of ${row.peer}, limit ${row.limit}`)
  return broken.length > 0 ? 1 : 0
}

/** Keeps each case as soon as it is measured. `part`: the run is of some cases only, which stand beside those that are kept. */
async function keeping(name: string, part: boolean, resume: boolean): Promise<Pick<RunOptions, 'onCase' | 'skips' | 'commit'>> {
  const [kept, commit] = [(await keptResults()).find(({ suite }) => suite === name), await sourceCommit()]
  const here = kept === undefined || sameMachine(kept.machine, await describeMachine([]))
  if (part && !here) {
    onProgress(`NOT KEPT: results/${name}.json is of another machine; run the whole suite to replace it`)
    return {}
  }
  const clean = commit !== undefined && !commit.endsWith('+')
  return {
    skips: (caseName) => resume && clean && kept?.cases?.[caseName]?.commit === commit,
    onCase: async (soFar) => onProgress(`kept in ${await keepResult(mergeResults(kept, soFar))}`),
    ...(commit === undefined ? {} : { commit }),
  }
}

function quoted(text: string): string {
  return /^[\w-]+$/.test(text) ? text : `'${text}'`
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
