// Line coverage by package: what vitest saw in its own processes, and what ran in the threads and processes that tests start.
import { join, sep } from 'node:path'
import { packages } from './workspace.mjs'

/** Under this share of covered lines a package fails. */
export const COVERAGE_FLOOR = 0.85

/**
 * @typedef {{ statementMap: Record<string, { start: { line: number } }>, s: Record<string, number> }} FileCoverage
 * @typedef {{ name: string, covered: number, total: number }} PackageCoverage
 */

/**
 * Adds up the lines that hold a statement, and those of them that ran.
 *
 * @param {Record<string, FileCoverage>} byFile what vitest's `json` reporter writes
 * @param {Map<string, Set<number>>} elsewhere lines of source files that ran in other processes
 * @returns {PackageCoverage[]} one for each package
 */
export function coverageByPackage(byFile, elsewhere) {
  return packages().map(({ name, directory }) => {
    const files = Object.entries(byFile).filter(([file]) => file.startsWith(join(directory, 'src') + sep))
    const sums = files.map(([file, coverage]) => sumOf(coverage, elsewhere.get(file) ?? new Set()))
    const add = (key) => sums.reduce((total, sum) => total + sum[key], 0)
    return { name, covered: add('covered'), total: add('total') }
  })
}

/**
 * One row for each package: covered lines, lines, percentage; `-` where there is nothing to run (types only).
 *
 * @param {readonly PackageCoverage[]} coverage
 */
export function coverageTable(coverage) {
  const rows = coverage.map(({ name, covered, total }) => [name, `${covered}/${total}`, percent(covered, total)])
  const table = [['package', 'lines', 'covered'], ...rows]
  const width = (column) => Math.max(...table.map((row) => row[column].length))
  const line = ([name, lines, share]) => `${name.padEnd(width(0))}  ${lines.padStart(width(1))}  ${share.padStart(width(2))}`
  return ['', ...table.map(line), ''].join('\n')
}

/**
 * A sentence for each package under the floor.
 *
 * @param {readonly PackageCoverage[]} coverage
 */
export function packagesBelowFloor(coverage) {
  return coverage
    .filter(({ covered, total }) => total > 0 && covered / total < COVERAGE_FLOOR)
    .map(
      ({ name, covered, total }) =>
        `coverage: ${name} has ${percent(covered, total)} of its lines covered, under ${COVERAGE_FLOOR * 100} %`,
    )
}

function sumOf({ statementMap, s }, ranElsewhere) {
  const lines = new Set()
  const covered = new Set()
  for (const [id, { start }] of Object.entries(statementMap)) {
    lines.add(start.line)
    if (s[id] > 0 || ranElsewhere.has(start.line)) covered.add(start.line)
  }
  return { covered: covered.size, total: lines.size }
}

function percent(covered, total) {
  return total === 0 ? '-' : `${((100 * covered) / total).toFixed(1)} %`
}
