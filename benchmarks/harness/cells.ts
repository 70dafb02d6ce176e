import { keepsLimit, type Row } from './rows.js'

/** With more peers than this, a table has a line for each of them instead of a column. */
const PEER_COLUMNS_MOST = 4

/** A table's heading and its lines. */
export function cells(rows: readonly Row[]): string[][] {
  const peers = distinct(rows.flatMap(({ peer }) => peer ?? []))
  return peers.length > PEER_COLUMNS_MOST ? byContender(rows) : byMetric(rows, peers)
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

/** A line for each contender, a column for each metric; ours first, the ratio of ours to a peer behind its figure. */
function byContender(rows: readonly Row[]): string[][] {
  const metrics = distinct(rows.map(headed))
  const table = grouped(rows, (row) => row.case).flatMap((ofCase) => {
    const cell = (metric: string, write: (row: Row) => string, peer?: string): string =>
      ofCase
        .filter((row) => headed(row) === metric && (peer === undefined || row.peer === peer))
        .slice(0, 1)
        .map(write)
        .join()
    const name = ofCase[0]?.case ?? ''
    const runs = ofCase[0]?.runs
    const own = runs === undefined ? [] : [[name, '**ours**', String(runs), ...metrics.map((metric) => cell(metric, ownFigure))]]
    const peers = distinct(ofCase.flatMap(({ peer }) => peer ?? [])).map((peer) => {
      const peerRuns = ofCase.find((row) => row.peer === peer)?.peerRuns
      return [name, peer, String(peerRuns ?? ''), ...metrics.map((metric) => cell(metric, beside, peer))]
    })
    return [...own, ...peers]
  })
  return [['case', 'by', 'runs', ...metrics.map((metric) => `${metric}; ours to it`)], ...table]
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

function beside({ peerValue, peerMin, peerMax, ratio, limit, ...row }: Row): string {
  if (peerValue === undefined) return ''
  const its = figure(peerValue, peerMin, peerMax)
  if (ratio === undefined) return its
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
