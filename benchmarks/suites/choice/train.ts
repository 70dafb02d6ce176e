import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { PAGE_METHODS } from '@dwcp/hde/choice'
import { CORPORA_FOLDER } from '../../corpora/corpora-folder.js'
import { describeMachine } from '../../harness/machine.js'
import { BENCHMARKS } from '../../harness/results.js'
import { corpusRegions } from './corpus.js'
import { measuredCosts } from './measured-costs.js'
import { modelWithout, RATES, regrets } from './regrets.js'
import { fixed, learned, type Strategy } from './strategies.js'
import { GROUND_NAMES, syntheticRegions } from './synthetic.js'
import { trainModel } from './training.js'

/**
 * `pnpm train:choice [--again]`: measures what each method costs on all data that is here, writes the weights that predict it, formats
 * them, and says what they are worth. A run that was ended goes on where it was; `--again` begins anew.
 */
const COSTS = join(CORPORA_FOLDER, 'choice-costs.jsonl')
const WEIGHTS = join(BENCHMARKS, '../packages/hde/src/choice/weights.ts')
/** CPU time, the least of as many: other work on the machine takes caches away, and the least has lost least of them. */
const REPEATS = 5
const SEED = 5
const DIGITS = 4

const { values } = parseArgs({ options: { again: { type: 'boolean', default: false } } })
const { cpu, cores, node, backends } = await describeMachine([])
const machine = `${cpu}, ${cores} cores; Node ${node}; zstd ${backends['zstd']}; lz4 ${backends['lz4']}`
const note = (text: string): void => console.error(text)
const regions = [...(await corpusRegions(note)), ...(await syntheticRegions(SEED))]
const rows = await measuredCosts(COSTS, regions, { setting: { machine, repeats: REPEATS }, again: values.again, note })
const model = trainModel(rows)
const version = `${new Date().toISOString().slice(0, 10)}, ${rows.length} regions of ${new Set(rows.map(({ group }) => group)).size} groups`
await writeFile(WEIGHTS, sourceOf({ version, machine, ...model }))
await promisify(execFile)(join(BENCHMARKS, '../node_modules/.bin/biome'), ['check', '--write', WEIGHTS])
console.log(`wrote ${WEIGHTS}: ${version}`)
crossValidate()

/** Each pair of real data by a model of all others, beside every method for all pairs. */
function crossValidate(): void {
  const judged = rows.filter(({ group }) => !GROUND_NAMES.includes(group))
  const groups = [...new Set(judged.map(({ group }) => group))]
  const models = new Map(groups.map((group) => [group, modelWithout(group, rows)]))
  for (const [name, rate] of Object.entries(RATES)) {
    const judge = (strategyFor: (group: string) => Strategy): object => regrets(judged, groups, rate, strategyFor)
    console.log(`\n${name}, percent`)
    const ownModel = (group: string): Strategy => learned(models.get(group) ?? { version, machine, ...model }, rate)
    console.table({
      learned: judge(ownModel),
      ...Object.fromEntries(PAGE_METHODS.map((method, index) => [method.name, judge(() => fixed(index))])),
    })
  }
}

function sourceOf(weights: object): string {
  const text = JSON.stringify(weights, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(DIGITS)) : value), 1)
  return `/* oxlint-disable oxc/approx-constant -- a weight may look like a number that has a name */
import type { CostModel } from './cost-model.js'

/**
 * Written by \`pnpm train:choice\`. Do not edit.
 *
 * @public
 */
export const PAGE_MODEL: CostModel = ${text}
`
}
