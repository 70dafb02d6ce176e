import { type Cost, type CostModel, finishMs, PAGE_METHODS, serialMs } from '@dwcp/hde/choice'
import type { RegionCosts } from './cost-table.js'
import { fixed, oracle, type Strategy, totalMs } from './strategies.js'
import { trainModel } from './training.js'

/** Links that choices are judged by, bytes a second. */
export const RATES: Readonly<Record<string, number>> = { '30 MB/s': 30e6, '125 MB/s': 125e6, '1.25 GB/s': 1.25e9, '5 GB/s': 5e9 }

type Regret = 'regret, mean' | 'regret, worst pair' | 'above the best fixed, worst pair' | 'regret of the serial sum, mean'

/** Never judged by what it has seen: guests, packages and documents each count as one. */
export function modelWithout(group: string, rows: readonly RegionCosts[]): CostModel {
  const kind = group.split(',')[0]
  return { version: `without ${group}`, machine: 'this', ...trainModel(rows.filter((row) => row.group.split(',')[0] !== kind)) }
}

/** In percent of what knowing all costs would take, by group; 'above the best fixed' compares with the best method of each group. */
export function regrets(
  judged: readonly RegionCosts[],
  groups: readonly string[],
  bytesPerSecond: number,
  strategyFor: (group: string) => Strategy,
): Readonly<Record<Regret, number>> {
  const finish = (cost: Cost, samplingMs: number): number => finishMs(cost, bytesPerSecond, samplingMs)
  const serial = (cost: Cost, samplingMs: number): number => serialMs(cost, bytesPerSecond, samplingMs)
  const lost = groups.map((group) => {
    const rows = judged.filter((row) => row.group === group)
    const best = totalMs(rows, oracle(bytesPerSecond), finish)
    const bestFixed = Math.min(...[...PAGE_METHODS.keys()].map((method) => totalMs(rows, fixed(method), finish)))
    const own = totalMs(rows, strategyFor(group), finish)
    return {
      regret: own / best - 1,
      aboveFixed: own / bestFixed - 1,
      serial: totalMs(rows, strategyFor(group), serial) / totalMs(rows, oracle(bytesPerSecond), serial) - 1,
    }
  })
  const mean = (values: readonly number[]): number => (100 * values.reduce((sum, value) => sum + value, 0)) / Math.max(1, values.length)
  return {
    'regret, mean': mean(lost.map(({ regret }) => regret)),
    'regret, worst pair': 100 * Math.max(...lost.map(({ regret }) => regret)),
    'above the best fixed, worst pair': 100 * Math.max(...lost.map(({ aboveFixed }) => aboveFixed)),
    'regret of the serial sum, mean': mean(lost.map((each) => each.serial)),
  }
}
