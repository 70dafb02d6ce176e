import { migrationLines, roundLines } from '../migration-text.js'
import type { Palette } from '../output.js'
import { formatBytes, formatCount, formatDuration } from '../units.js'
import type { Conversation, DemoMigration, DemoReport } from './demo-options.js'

/** What the numbers of the parts come to. */
export function summarize(
  migrations: readonly DemoMigration[],
  client: Conversation,
  facts: Pick<DemoReport, 'place' | 'nodes' | 'workloads' | 'cleanUp'>,
): DemoReport {
  const sum = (of: (migration: DemoMigration) => number): number => migrations.reduce((total, each) => total + of(each), 0)
  return {
    verified: migrations.every(({ proof }) => proof.verified) && client.lost === 0 && client.repeated === 0 && client.wrong === 0,
    downtimeMs: Math.max(...migrations.map(({ downtimeMs }) => downtimeMs)),
    totalMs: sum(({ totalMs }) => totalMs),
    rawBytes: sum(({ rawBytes }) => rawBytes),
    wireBytes: sum(({ wireBytes }) => wireBytes),
    rounds: sum(({ rounds }) => rounds.length),
    ...facts,
    migrations,
    client,
  }
}

/** All workloads' way in one direction: the first in full, those beside it in short. */
export function directionLines(from: string, to: string, migrations: readonly DemoMigration[], palette: Palette): readonly string[] {
  const [main, ...others] = migrations
  const width = Math.max(...migrations.map(({ workload }) => workload.length))
  return [
    palette.bold(`${from} → ${to}`),
    ...(main === undefined ? [] : fullLines(main, width, palette)),
    ...others.flatMap((migration) => shortLines(migration, width, palette)),
  ]
}

function fullLines(migration: DemoMigration, width: number, palette: Palette): readonly string[] {
  const { workload, during } = migration
  return [
    `${mark(migration, palette)} ${workload.padEnd(width)}  ${waitText(migration, palette)}`,
    ...roundLines(migration).map((line, index) => (index === 0 ? palette.dim(line) : line)),
    ...migrationLines(migration),
    `${formatCount(during.answered)} requests answered meanwhile, the slowest in ${formatDuration(during.latencyMs.max)}`,
    proofText(migration),
  ].map((line, index) => (index === 0 ? line : `  ${' '.repeat(width)}  ${line}`))
}

function shortLines(migration: DemoMigration, width: number, palette: Palette): readonly string[] {
  const { workload, rawBytes, wireBytes, rounds, totalMs } = migration
  return [
    `${mark(migration, palette)} ${workload.padEnd(width)}  ${waitText(migration, palette)}`,
    `  ${' '.repeat(width)}  ${formatBytes(rawBytes)} as ${formatBytes(wireBytes)} in ${rounds.length} rounds and ${formatDuration(totalMs)}`,
    `  ${' '.repeat(width)}  ${proofText(migration)}`,
  ]
}

function waitText({ downtimeMs, during, before }: DemoMigration, { bold, dim }: Palette): string {
  const how = `longest gap ${formatDuration(during.gapMs.max)}, usual ${formatDuration(before.gapMs.median)}`
  return `its client waited ${bold(formatDuration(downtimeMs))} ${dim(`(${how})`)}`
}

function proofText({ proof }: DemoMigration): string {
  return `${proof.verified ? 'proved' : 'NOT RIGHT'}: ${proof.text}`
}

function mark({ proof, during }: DemoMigration, { green, red }: Palette): string {
  return proof.verified && during.lost + during.repeated + during.wrong === 0 ? green('✓') : red('✗')
}

/** The last word. */
export function summaryLines(report: DemoReport, { bold, dim, green, red }: Palette): readonly string[] {
  const { verified, downtimeMs, totalMs, rawBytes, wireBytes, migrations, client } = report
  const { answered, lost, repeated, wrong, resent, latencyMs } = client
  return [
    bold(verified ? green('Everything is where it was, and right.') : red('Something is not right: see ✗ above.')),
    `  ${migrations.length} migrations in ${formatDuration(totalMs)}; ${formatBytes(rawBytes)} of state as ${formatBytes(wireBytes)} on the wire`,
    `  ${formatCount(answered)} requests answered, ${lost} lost, ${repeated} repeated, ${wrong} wrong${resent > 0 ? ` (${formatCount(resent)} sent again)` : ''}`,
    `  latency p50 ${formatDuration(latencyMs.p50)}, p99 ${formatDuration(latencyMs.p99)}; longest wait for a migration ${bold(formatDuration(downtimeMs))}`,
    dim('  A wait is the longest gap between two answers to a client that asks one'),
    dim('  thing after the other, less the usual gap just before the migration.'),
  ]
}
