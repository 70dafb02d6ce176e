import { PAGE_METHODS, PAGE_MODEL } from '@dwcp/hde/choice'
import type { Case, Contender, Measurement, Metric, OpenCase, Suite, SuiteContext } from '../harness/suite.js'
import { corpusRegions } from './choice/corpus.js'
import { costsOf, type RegionCosts } from './choice/cost-table.js'
import { modelWithout, RATES, regrets } from './choice/regrets.js'
import { fixed, learned, type Strategy } from './choice/strategies.js'
import { syntheticRegions } from './choice/synthetic.js'
import { wanCases } from './choice/wan-case.js'

const SEED = 5
const REPEATS = 5

/** Times in them: never exact. */
const METRICS: readonly Metric[] = [
  { name: 'regret, mean', unit: '%', better: 'lower', exact: false },
  { name: 'regret, worst pair', unit: '%', better: 'lower', exact: false },
  { name: 'above the best fixed, worst pair', unit: '%', better: 'lower', exact: false },
  { name: 'regret of the serial sum, mean', unit: '%', better: 'lower', exact: false },
]

/** Costs are measured once, for all cases of a run. */
interface Measured {
  /** Of data that models are judged by. */
  readonly judged: readonly RegionCosts[]
  /** Of data that only trains. */
  readonly training: readonly RegionCosts[]
}

export const suite: Suite = {
  name: 'choice',
  purpose:
    'What the learned choice of codec and level loses against knowing every cost, by link, pages of each pair by a model of the others; and a memory moved over the WAN lab with it and without.',
  tools: [],
  async cases(context) {
    let measured: Promise<Measured> | undefined
    const costs = (): Promise<Measured> => {
      measured ??= measure(context)
      return measured
    }
    const priced = Object.entries(RATES).map(([name, bytesPerSecond]) => choiceCase(name, bytesPerSecond, costs))
    return [...priced, ...(await wanCases(context))]
  },
}

async function measure(context: SuiteContext): Promise<Measured> {
  const judged: RegionCosts[] = []
  const training: RegionCosts[] = []
  const regions = context.short ? [] : await corpusRegions((text) => context.note(text))
  const synthetic = await syntheticRegions(SEED)
  const made = context.short ? synthetic.filter((_, index) => index % 8 === 0) : synthetic
  for (const region of regions) judged.push(await costsOf(region, REPEATS))
  for (const region of made) training.push(await costsOf(region, context.short ? 1 : REPEATS))
  return judged.length > 0 ? { judged, training } : { judged: training, training }
}

function choiceCase(name: string, bytesPerSecond: number, costs: () => Promise<Measured>): Case {
  return {
    name,
    metrics: METRICS,
    // Everything that is random was measured before: a second run would say the same.
    runs: 1,
    warmups: 0,
    async open(): Promise<OpenCase> {
      const { judged, training } = await costs()
      const groups = [...new Set(judged.map(({ group }) => group))]
      const models = new Map(groups.map((group) => [group, modelWithout(group, [...judged, ...training])]))
      const judge = async (strategyFor: (group: string) => Strategy): Promise<Measurement> =>
        regrets(judged, groups, bytesPerSecond, strategyFor)
      const contenders: Contender[] = [
        { name: 'learned', ours: true, run: () => judge((group) => learned(models.get(group) ?? PAGE_MODEL, bytesPerSecond)) },
        { name: 'weights of the package', ours: true, run: () => judge(() => learned(PAGE_MODEL, bytesPerSecond)) },
        ...PAGE_METHODS.map((method, index) => ({ name: method.name, ours: false, run: () => judge(() => fixed(index)) })),
      ]
      const bytes = judged.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0)
      const kind = `changed pages of ${groups.length} groups in ${judged.length} batches`
      return { data: { kind, bytes, seed: SEED }, contenders, [Symbol.asyncDispose]: async () => undefined }
    },
  }
}
