import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { markdownTable } from './format.js'
import { BENCHMARKS, keptResults } from './results.js'
import type { SuiteResult } from './run-suite.js'

const DOCUMENT = join(BENCHMARKS, '..', 'docs', 'benchmarks.md')

/** Writes the tables of docs/benchmarks.md from the kept results; the text around them is written by hand. */
export async function writeReport(): Promise<string> {
  await writeFile(DOCUMENT, withTables(await readFile(DOCUMENT, 'utf8'), await keptResults()))
  return DOCUMENT
}

/** The document with each `<!-- table NAME -->` … `<!-- end -->` filled; a suite without a place there gets one at the end. */
export function withTables(document: string, results: readonly SuiteResult[]): string {
  let text = document
  for (const result of results) {
    const begin = `<!-- table ${result.suite} -->`
    if (!text.includes(begin)) text = `${text.trimEnd()}\n\n## ${result.suite}\n${begin}\n<!-- end -->\n`
    const from = text.indexOf(begin) + begin.length
    const to = text.indexOf('<!-- end -->', from)
    if (to < 0) throw new Error(`docs/benchmarks.md: ${begin} has no <!-- end --> after it`)
    text = `${text.slice(0, from)}\n${markdownTable(result)}\n${text.slice(to)}`
  }
  return text
}
