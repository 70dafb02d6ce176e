import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PAGE_METHODS } from '@dwcp/hde/choice'
import { CORPORA_FOLDER, isPresent } from '../../corpora/corpora-folder.js'
import { describeMachine } from '../../harness/machine.js'
import { BENCHMARKS } from '../../harness/results.js'
import { corpusRegions } from './corpus.js'
import { costsOf, type RegionCosts } from './cost-table.js'
import { modelWithout, RATES, regrets } from './regrets.js'
import { fixed, learned, type Strategy } from './strategies.js'
import { GROUND_NAMES, syntheticRegions } from './synthetic.js'
import { trainModel } from './training.js'

/** `pnpm train:choice [--again]`: measures what each method costs on all data that is here, and writes the weights that predict it. */
const COSTS = join(CORPORA_FOLDER, 'choice-costs.json')
const WEIGHTS = join(BENCHMARKS, '../packages/hde/src/choice/weights.ts')
const REPEATS = 3
const SEED = 5
const DIGITS = 4

const { values } = parseArgs({ options: { again: { type: 'boolean', default: false } } })
const rows = values.again || !(await isPresent(COSTS)) ? await measured() : parse(await readFile(COSTS, 'utf8'))
const model = trainModel(rows)
const { cpu, cores, node, backends } = await describeMachine([])
const machine = `${cpu}, ${cores} cores; Node ${node}; zstd ${backends['zstd']}; lz4 ${backends['lz4']}`
const version = `${new Date().toISOString().slice(0, 10)}, ${rows.length} regions of ${new Set(rows.map(({ group }) => group)).size} groups`
await writeFile(WEIGHTS, sourceOf({ version, machine, ...model }))
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

async function measured(): Promise<readonly RegionCosts[]> {
  const regions = [...(await corpusRegions((text) => console.error(text))), ...(await syntheticRegions(SEED))]
  const costs: RegionCosts[] = []
  for (const region of regions) {
    costs.push(await costsOf(region, REPEATS))
    if (costs.length % 10 === 0) console.error(`measured ${costs.length} of ${regions.length} regions`)
  }
  await writeFile(COSTS, JSON.stringify(costs))
  return costs
}

function parse(text: string): readonly RegionCosts[] {
  return JSON.parse(text)
}

function sourceOf(weights: object): string {
  const text = JSON.stringify(weights, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(DIGITS)) : value), 1)
  return `/* oxlint-disable oxc/approx-constant -- a weight may look like a number that has a name */
import type { CostModel } from './cost-model.js'

/**
 * Written by \`pnpm train:choice\`, then \`biome check --write\`. Do not edit.
 *
 * @public
 */
export const PAGE_MODEL: CostModel = ${text}
`
}
