// Every error code of a package stands in its README, with cause and remedy, and no code there is a memory of another time.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { publishable } from './workspace.mjs'

const CODE = /'(ERR_[A-Z0-9]+(?:_[A-Z0-9]+)+)'/g
const ROW = /^\|[ \t]*`(ERR_[A-Z0-9_]+)`[ \t]*\|[ \t]*[^\s|].*\|[ \t]*[^\s|].*\|[ \t]*$/gm

/** Seams whose codes start with the seam's name, and who implements them. */
const SEAMS: Readonly<Record<string, readonly string[]>> = { '@dwcp/migration': ['WORKLOAD', 'OWNERSHIP'] }

const all = publishable()
const declared = new Map(all.map(({ name, directory }) => [name, codesIn(join(directory, 'src'))]))

test.each(all)('the README of $name has a row with code, cause and remedy for each of its error codes', ({ name, directory }) => {
  const readme = join(directory, 'README.md')
  const text = existsSync(readme) ? readFileSync(readme, 'utf8') : ''
  const rows = new Set([...text.matchAll(ROW)].map(([, code]) => code))
  expect(ownCodes(name, directory).filter((code) => !rows.has(code))).toEqual([])
})

test.each(all)('the README of $name lists no error code that no source knows', ({ directory }) => {
  const readme = join(directory, 'README.md')
  const text = existsSync(readme) ? readFileSync(readme, 'utf8') : ''
  const known = new Set([...declared.values()].flatMap((codes) => [...codes]))
  expect([...text.matchAll(ROW)].map(([, code]) => code ?? '').filter((code) => !known.has(code))).toEqual([])
})

/** A code belongs to the package whose short name it carries; those of a seam, to the package that implements the seam. */
function ownCodes(name: string, directory: string): readonly string[] {
  const short = name.replace('@dwcp/', '').split('-')[0]?.toUpperCase() ?? ''
  const prefixes = [short, ...(SEAMS[name] ?? [])].map((prefix) => `ERR_${prefix}_`)
  return [...codesIn(join(directory, 'src'))].filter((code) => prefixes.some((prefix) => code.startsWith(prefix))).sort()
}

function codesIn(folder: string): ReadonlySet<string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  )
  return new Set(files.flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(CODE)].map(([, code]) => code ?? '')))
}
