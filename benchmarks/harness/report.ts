import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodingTables, TABLED_ELSEWHERE } from '../suites/encoding-tables/tables.js'
import { markdownTable } from './format.js'
import { BENCHMARKS, keptResults } from './results.js'
import type { SuiteResult } from './run-suite.js'

/** A suite without a place in any of them gets one in the first. */
const DOCUMENTS = ['benchmarks.md', 'encoding.md']

/** Writes the tables of the documents from the kept results; the text around them is written by hand. */
export async function writeReport(): Promise<readonly string[]> {
  const documents = await reported()
  for (const { path, text } of documents) await writeFile(path, text)
  return documents.map(({ path }) => path)
}

/** The documents as they are and as they should be. */
export async function reported(): Promise<readonly { readonly path: string; readonly was: string; readonly text: string }[]> {
  const results = await keptResults()
  const tables = new Map([...results.map((result) => [result.suite, markdownTable(result)] as const), ...encodingTables(results)])
  const paths = DOCUMENTS.map((name) => join(BENCHMARKS, '..', 'docs', name))
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  const homeless = results.filter(({ suite }) => !TABLED_ELSEWHERE.includes(suite) && !texts.some((text) => text.includes(placeOf(suite))))
  return paths.map((path, index) => {
    const was = texts[index] ?? ''
    return { path, was, text: withTables(index === 0 ? withPlaces(was, homeless) : was, tables) }
  })
}

function placeOf(name: string): string {
  return `<!-- table ${name} -->`
}

/** The document with a place at its end for each of `results`. */
export function withPlaces(document: string, results: readonly Pick<SuiteResult, 'suite'>[]): string {
  return results.reduce((text, { suite }) => `${text.trimEnd()}\n\n## ${suite}\n${placeOf(suite)}\n<!-- end -->\n`, document)
}

/** The document with each `<!-- table NAME -->` … `<!-- end -->` filled; a table without a place is left out. */
export function withTables(document: string, tables: ReadonlyMap<string, string>): string {
  let text = document
  for (const [name, table] of tables) {
    if (!text.includes(placeOf(name))) continue
    const from = text.indexOf(placeOf(name)) + placeOf(name).length
    const to = text.indexOf('<!-- end -->', from)
    if (to < 0) throw new Error(`${placeOf(name)} has no <!-- end --> after it`)
    text = `${text.slice(0, from)}\n${table}\n${text.slice(to)}`
  }
  return text
}
