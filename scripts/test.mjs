// Runs the whole suite in one vitest, with the coverage of each package, and ends with one line `N passed, N failed`.
// Arguments go to vitest; a run that they narrow is not measured for coverage. A run on another Node (DWCP_NODE) is not either.
import { existsSync, rmSync } from 'node:fs'
import { delimiter, dirname, join, relative } from 'node:path'
import { coverageByPackage, coverageTable, packagesBelowFloor } from './coverage.mjs'
import { linesRunElsewhere } from './process-coverage.mjs'
import { readJson, root, show, toolEnv } from './workspace.mjs'

const parameters = process.argv.slice(2)
const narrowed = parameters.some((one) => !one.startsWith('-') || /^(-t|--(testNamePattern|project|changed|shard|dir)\b)/.test(one))
const measured = !narrowed && process.env['DWCP_NODE'] === undefined
const reportFile = join(root, 'coverage', 'vitest.json')
const coverageFile = join(root, 'coverage', 'coverage-final.json')
// Beside coverage/, which vitest empties when it starts.
const elsewhere = join(root, 'node_modules', '.dwcp-coverage')

rmSync(reportFile, { force: true })
rmSync(coverageFile, { force: true })
rmSync(elsewhere, { recursive: true, force: true })
// Tests that start `node` from PATH must start this one.
const env = {
  ...toolEnv,
  PATH: [dirname(process.execPath), toolEnv.PATH].join(delimiter),
  ...(measured ? { DWCP_COVERAGE_DIRECTORY: elsewhere } : {}),
}
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
const runnerCode = show(process.execPath, [vitest, 'run', ...reporters, ...(measured ? ['--coverage'] : []), ...parameters], { env })

let code = runnerCode
if (measured && existsSync(coverageFile)) {
  const coverage = coverageByPackage(readJson(coverageFile), linesRunElsewhere(elsewhere))
  console.log(coverageTable(coverage))
  for (const reason of packagesBelowFloor(coverage)) {
    console.error(reason)
    code ||= 1
  }
}

const report = existsSync(reportFile) ? count(readJson(reportFile)) : { passed: 0, failed: 0, reasons: [], skipped: [] }
const { passed, failed, reasons, skipped } = report
for (const name of skipped) console.log(`skipped: ${name}`)
for (const reason of reasons) console.log(`failed: ${reason}`)
// An error outside any test, or a runner that did not start, is a failure too.
const unnamed = runnerCode !== 0 && failed === 0 ? 1 : 0
console.log(`${passed} passed, ${failed + unnamed} failed`)
process.exitCode = code === 0 && failed > 0 ? 1 : code

function count({ testResults, numPassedTests, numFailedTests }) {
  const all = testResults.flatMap(({ assertionResults }) => assertionResults)
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((one) => one.status === 'failed'),
  )
  const failedTests = all.filter(({ status }) => status === 'failed')
  const left = all.filter(({ status }) => status !== 'passed' && status !== 'failed')
  return {
    passed: numPassedTests,
    failed: numFailedTests + brokenFiles.length,
    reasons: [...failedTests.map(failureOf), ...brokenFiles.map(fileFailureOf)],
    skipped: left.map((one) => one.fullName),
  }
}

function failureOf({ fullName, failureMessages }) {
  return `${fullName}: ${firstLines(failureMessages?.[0])}`
}

function fileFailureOf({ name, message }) {
  return `${relative(root, name)}: ${firstLines(message)}`
}

/** Enough of a message to know what happened, on one line. */
function firstLines(message = '') {
  return message.split('\n').slice(0, 12).join(' | ').slice(0, 800)
}
