import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SuiteResult } from './run-suite.js'

/** `benchmarks/`: this file is in harness/ or in dist/harness/. */
export const BENCHMARKS: string = packageRoot()
const RESULTS = join(BENCHMARKS, 'results')

function packageRoot(): string {
  const parent = dirname(dirname(fileURLToPath(import.meta.url)))
  return parent.endsWith('dist') ? dirname(parent) : parent
}

/** Keeps a result of a suite, in place of the one that was kept, for the report. */
export async function keepResult(result: SuiteResult): Promise<string> {
  await mkdir(RESULTS, { recursive: true })
  const file = join(RESULTS, `${result.suite}.json`)
  // An end in the middle must not cost what was measured before.
  await writeFile(`${file}.new`, resultText(result))
  await rename(`${file}.new`, file)
  return file
}

export function resultText(result: SuiteResult): string {
  return `${JSON.stringify(result, undefined, 2)}\n`
}

/** The kept result of each suite, by suite name. */
export async function keptResults(): Promise<SuiteResult[]> {
  const names = (await readdir(RESULTS).catch(() => [])).filter((name) => name.endsWith('.json')).sort()
  return Promise.all(names.map(async (name) => parseResult(await readFile(join(RESULTS, name), 'utf8'), name)))
}

function parseResult(text: string, name: string): SuiteResult {
  const result: SuiteResult = JSON.parse(text)
  if (result.version !== 1)
    throw new Error(`results/${name} has version ${String(result.version)}, this harness reads 1: run the suite again`)
  return result
}
