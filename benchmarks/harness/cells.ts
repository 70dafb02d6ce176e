import { isOfCase } from './merge.js'
import { keepsLimit, type Row } from './rows.js'

/** With more peers than this, a table has a line for each of them instead of a column. */
const PEER_COLUMNS_MOST = 4

/** A table's heading and its lines. */
export function cells(rows: readonly Row[], caseNames: readonly string[]): string[][] {
  const peers = distinct(rows.flatMap(({ peer }) => peer ?? []))
  return peers.length > PEER_COLUMNS_MOST ? byContender(rows, caseNames) : byMetric(rows, peers)
}

/** A line for each figure of ours, a column for each peer. */
function byMetric(rows: readonly Row[], peers: readonly string[]): string[][] {
  const lines = grouped(rows, (row) => JSON.stringify([row.case, row.metric]))
  const table = lines.map((line) => [
    ...line.slice(0, 1).flatMap((row) => [row.case, headed(row), ownFigure(row), String(row.runs ?? '')]),
    ...peers.map((peer) =>
      line
        .filter((row) => row.peer === peer)
        .map(beside)
        .join(),
    ),
  ])
  return [['case', 'metric', 'ours', 'runs', ...peers.map((peer) => `${peer}: its, ratio`)], ...table]
}

/**
 * A line for each contender, ours first, and a column for each metric. The ratio of ours stands behind a peer's figure where there
 * is one of ours; where there are several, which names of theirs rows carry in their case, each peer is listed once, without.
 */
function byContender(rows: readonly Row[], caseNames: readonly string[]): string[][] {
  const metrics = distinct(rows.map(headed))
  const table = caseNames.flatMap((name) => {
    const ofCase = rows.filter((row) => isOfCase(row.case, name))
    const several = distinct(ofCase.map((row) => row.case)).length > 1
    const line = (by: string, runs: number | undefined, of: readonly Row[], write: (row: Row) => string): string[] => [
      name,
      by,
      String(runs ?? ''),
      ...metrics.map((metric) =>
        of
          .filter((row) => headed(row) === metric)
          .slice(0, 1)
          .map(write)
          .join(),
      ),
    ]
    const own = grouped(ofCase, (row) => row.case).flatMap((of) => {
      const broken = of.filter((row) => !keepsLimit(row)).map(headed)
      const by = `**${several ? (of[0]?.case.slice(name.length + 2) ?? '') : 'ours'}**`
      const write = (row: Row): string => `${ownFigure(row)}${broken.includes(headed(row)) ? ', limit BROKEN' : ''}`
      return of[0]?.value === undefined ? [] : [line(by, of[0].runs, of, write)]
    })
    const peers = grouped(
      ofCase.filter((row) => row.peer !== undefined),
      (row) => row.peer ?? '',
    ).map((of) => line(of[0]?.peer ?? '', of[0]?.peerRuns, of, several ? peerFigure : beside))
    return [...own, ...peers]
  })
  return [['case', 'by', 'runs', ...metrics], ...table]
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)]
}

function grouped(rows: readonly Row[], keyOf: (row: Row) => string): Row[][] {
  const groups = new Map<string, Row[]>()
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row])
  return [...groups.values()]
}

function headed({ metric, unit }: Row): string {
  return `${metric}, ${unit}`
}

function ownFigure({ value, min, max }: Row): string {
  return value === undefined ? '' : figure(value, min, max)
}

function peerFigure({ peerValue, peerMin, peerMax }: Row): string {
  return peerValue === undefined ? '' : figure(peerValue, peerMin, peerMax)
}

function beside({ ratio, limit, ...row }: Row): string {
  const its = peerFigure(row)
  if (its === '' || ratio === undefined) return its
  const bound = limit === undefined ? '' : `, limit ${limit}${keepsLimit({ ...row, ratio, limit }) ? '' : ' BROKEN'}`
  return `${its}; ${ratio.toPrecision(3)}×${bound}`
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
