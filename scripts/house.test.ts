// House rules that no linter has: what an index may hold, and names that say nothing.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { packages } from './workspace.mjs'

const SAYS_NOTHING = /(^|[/-])(utils?|helpers?|common|misc|shared|manager|service|impl)\.ts$/

const all = packages()

test.each(all)('the index of $name holds only re-exports, by name', ({ directory }) => {
  const path = join(directory, 'src', 'index.ts')
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022)
  const others = source.statements.filter((statement) => {
    return !(ts.isExportDeclaration(statement) && statement.exportClause !== undefined && ts.isNamedExports(statement.exportClause))
  })
  expect(others.map((statement) => statement.getText(source))).toEqual([])
})

test.each(all)('no source file of $name has a name that says nothing', ({ directory }) => {
  const files = readdirSync(join(directory, 'src'), { recursive: true, encoding: 'utf8' })
  expect(files.filter((file) => SAYS_NOTHING.test(file))).toEqual([])
})
