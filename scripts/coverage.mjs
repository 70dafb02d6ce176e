// Line coverage by package, from the summary that vitest writes by file.
import { join, sep } from 'node:path'
import { packages } from './workspace.mjs'

/** Under this share of covered lines a package fails. */
export const COVERAGE_FLOOR = 0.85

/** @typedef {Record<string, { lines: { total: number, covered: number } }>} CoverageSummary */

/**
 * One row for each package: covered lines, lines, percentage; `-` where there is nothing to run (types only).
 *
 * @param {CoverageSummary} summary
 */
export function coverageTable(summary) {
  const rows = byPackage(summary).map(({ name, covered, total }) => [name, `${covered}/${total}`, percent(covered, total)])
  const table = [['package', 'lines', 'covered'], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return [
    '',
    ...table.map(
      ([name = '', lines = '', share = '']) =>
        `${name.padEnd(widths[0] ?? 0)}  ${lines.padStart(widths[1] ?? 0)}  ${share.padStart(widths[2] ?? 0)}`,
    ),
    '',
  ].join('\n')
}

/**
 * A sentence for each package under the floor.
 *
 * @param {CoverageSummary} summary
 */
export function packagesBelowFloor(summary) {
  return byPackage(summary)
    .filter(({ covered, total }) => total > 0 && covered / total < COVERAGE_FLOOR)
    .map(
      ({ name, covered, total }) =>
        `coverage: ${name} has ${percent(covered, total)} of its lines covered, under ${COVERAGE_FLOOR * 100} %`,
    )
}

/** @param {CoverageSummary} summary */
function byPackage(summary) {
  return packages().map(({ name, directory }) => {
    const files = Object.entries(summary).filter(([file]) => file.startsWith(join(directory, 'src') + sep))
    const sum = (pick) => files.reduce((total, [, { lines }]) => total + pick(lines), 0)
    return { name, covered: sum((lines) => lines.covered), total: sum((lines) => lines.total) }
  })
}

function percent(covered, total) {
  return total === 0 ? '-' : `${((100 * covered) / total).toFixed(1)} %`
}
