import type { MigrationProgress, MigrationReport } from '@dwcp/core'
import { formatTable } from './table.js'
import { formatByteRate, formatBytes, formatDuration } from './units.js'

const PHASES: Readonly<Record<string, string>> = {
  preparing: 'preparing',
  copying: 'copying',
  stopped: 'stopped, last round',
  transferring: 'handing over',
  settling: 'waiting to know who owns it',
  starting: 'starting',
  done: 'done',
}

/** Phase and round in a few words of steady width. */
export function phaseText({ phase, round }: Pick<MigrationProgress, 'phase' | 'round'>): string {
  return phase === 'copying' ? `round ${round}` : (PHASES[phase] ?? phase)
}

/** What each round of a migration carried. */
export function roundLines({ rounds }: Pick<MigrationReport, 'rounds'>): readonly string[] {
  const columns = [
    { title: 'round' },
    { title: 'raw', align: 'right' },
    { title: 'wire', align: 'right' },
    { title: 'time', align: 'right' },
    { title: 'left dirty', align: 'right' },
  ] as const
  const rows = rounds.map((round, index) => [
    index === rounds.length - 1 ? `${index + 1} (stopped)` : String(index + 1),
    formatBytes(round.rawBytes),
    formatBytes(round.wireBytes),
    formatDuration(round.durationMs),
    formatBytes(round.remainingBytes),
  ])
  return formatTable(columns, rows)
}

/** Bytes, ratio, throughput, times: one line each. */
export function migrationLines(
  report: Pick<MigrationReport, 'rawBytes' | 'wireBytes' | 'totalMs' | 'pausedMs' | 'pause' | 'budgetMs' | 'encoding'>,
): readonly string[] {
  const { rawBytes, wireBytes, totalMs, pausedMs, pause, budgetMs, encoding } = report
  const ratio = wireBytes > 0 ? ` (${(rawBytes / wireBytes).toFixed(2)} : 1)` : ''
  const rate = (bytes: number): string => (totalMs > 0 ? formatByteRate((bytes * 1000) / totalMs) : '—')
  return [
    `${formatBytes(rawBytes)} of state as ${formatBytes(wireBytes)} on the wire${ratio}`,
    `${formatDuration(totalMs)} in all: ${rate(rawBytes)} of state, ${rate(wireBytes)} on the wire`,
    packedLine(encoding),
    `paused for ${formatDuration(pausedMs)} of a budget of ${formatDuration(budgetMs)}: last round ${formatDuration(pause.lastRoundMs)}, hand-over ${formatDuration(pause.transferMs)}, start ${formatDuration(pause.startMs)}`,
  ]
}

/** What became of the pages, and what the rest was packed by: what there was none of is left out. */
function packedLine({ pages, payloadBytes }: MigrationReport['encoding']): string {
  const counted = Object.entries(pages).flatMap(([outcome, count]) => (count > 0 ? [`${count.toLocaleString('en')} ${outcome}`] : []))
  const packed = Object.entries(payloadBytes).flatMap(([codec, bytes]) => (bytes > 0 ? [`${formatBytes(bytes)} by ${codec}`] : []))
  return `pages: ${counted.join(', ') || 'none'}; packed: ${packed.join(', ') || 'nothing'}`
}
