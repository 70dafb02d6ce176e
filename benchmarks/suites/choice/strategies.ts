import { type Cost, type CostModel, finishMs, MethodChooser, pagesWorthSampling, withoutOldContent } from '@dwcp/hde/choice'
import type { RegionCosts } from './cost-table.js'

/** Which of a region's costs is paid, and what looking at it takes. One strategy sees the regions of one group in order. */
export type Strategy = (row: RegionCosts) => { readonly index: number; readonly samplingMs: number }

/** The best by the first timing. It pays by the second, so that the luck of a timing does not flatter it. */
export function oracle(bytesPerSecond: number): Strategy {
  return ({ first }) => ({ index: leastOf(first, (cost) => finishMs(cost, bytesPerSecond)), samplingMs: 0 })
}

/** As an encoder chooses: looking at a region counts as work, and what a choice came to is learned. */
export function learned(model: CostModel, bytesPerSecond: number): Strategy {
  const chooser = new MethodChooser(model, { explorationRatio: 0.01 })
  return (row) => {
    const { features, hasOld, payloadBytes, allowed, second } = row
    const question = { hasOld, payloadBytes, allowed, bytesPerSecond, mayExplore: true }
    const looks = pagesWorthSampling(payloadBytes, chooser.roughMs(question)) > 0
    const choice = chooser.choose(looks ? { ...question, features } : question)
    const index = allowed.indexOf(choice.method)
    const cost = second[index]
    if (cost !== undefined) chooser.learn(choice, cost.encodeMs, cost.bytes)
    return { index, samplingMs: looks ? row.samplingMs : 0 }
  }
}

/** One method for all; where a region has no old content, the same level without it. */
export function fixed(method: number): Strategy {
  return ({ allowed }) => ({ index: allowed.indexOf(allowed.includes(method) ? method : withoutOldContent(method)), samplingMs: 0 })
}

/** What one group's regions take, by the second timing. */
export function totalMs(rows: readonly RegionCosts[], strategy: Strategy, timeOf: (cost: Cost, samplingMs: number) => number): number {
  return rows.reduce((sum, row) => {
    const { index, samplingMs } = strategy(row)
    const cost = row.second[index]
    return sum + (cost === undefined ? 0 : timeOf(cost, samplingMs))
  }, 0)
}

function leastOf(costs: readonly Cost[], timeOf: (cost: Cost) => number): number {
  const times = costs.map(timeOf)
  return times.indexOf(Math.min(...times))
}
