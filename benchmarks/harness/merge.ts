import type { Machine } from './machine.js'
import type { SuiteResult } from './run-suite.js'

/** Whether figures of both may stand in one table. The load is not compared: each case says its own. */
export function sameMachine(one: Machine, other: Machine): boolean {
  const told = ({ cpu, cores, memoryBytes, kernel, node }: Machine): string => JSON.stringify([cpu, cores, memoryBytes, kernel, node])
  return told(one) === told(other)
}

/** The cases of `fresh` in place of those of `kept`, whose other cases stay; notes are those of `fresh`. Of two machines, `fresh` alone. */
export function mergeResults(kept: SuiteResult | undefined, fresh: SuiteResult): SuiteResult {
  if (kept === undefined || !sameMachine(kept.machine, fresh.machine)) return fresh
  const stays = Object.keys(kept.data).filter((name) => !(name in fresh.data))
  const rows = kept.rows.filter((row) => stays.some((name) => isOfCase(row.case, name)))
  return {
    ...fresh,
    // Replaced in its place: a table keeps its order when one case of it is measured again.
    data: { ...kept.data, ...fresh.data },
    cases: { ...kept.cases, ...fresh.cases },
    rows: [...rows, ...fresh.rows],
  }
}

/** Rows carry the name of ours behind that of their case where there are several of ours. */
export function isOfCase(rowCase: string, caseName: string): boolean {
  return rowCase === caseName || rowCase.startsWith(`${caseName}, `)
}
