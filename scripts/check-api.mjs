// Compares what each published package promises with its report in docs/api, and refuses exports without a doc comment.
// `--update` writes the reports instead.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { apiReport } from './api-report.mjs'
import { publishable, root, show } from './workspace.mjs'

const update = process.argv.includes('--update')
const folder = join(root, 'docs', 'api')
const made = publishable().map((one) => ({ name: one.name, file: `${one.name.replace('@dwcp/', '')}.md`, ...apiReport(one) }))
const reports = new Map(made.map(({ file, text }) => [file, text]))

for (const { name, undocumented } of made.filter((one) => one.undocumented.length > 0)) {
  console.error(`check:api: ${name} exports without a doc comment: ${undocumented.join(', ')}`)
  process.exitCode = 1
}
mkdirSync(folder, { recursive: true })
const abandoned = readdirSync(folder).filter((file) => file.endsWith('.md') && !reports.has(file))
if (update) {
  for (const file of abandoned) rmSync(join(folder, file))
  for (const [file, text] of reports) writeFileSync(join(folder, file), text)
  console.log(`check:api: wrote ${reports.size} reports to docs/api`)
} else {
  const changed = [...reports].filter(
    ([file, text]) => !existsSync(join(folder, file)) || readFileSync(join(folder, file), 'utf8') !== text,
  )
  for (const [file, text] of changed) showDifference(file, text)
  for (const file of abandoned) console.error(`check:api: docs/api/${file} belongs to no package`)
  if (changed.length + abandoned.length > 0) {
    console.error('check:api: the public API is not what docs/api says; if that is meant, run `pnpm check:api --update` and commit it')
    process.exitCode = 1
  } else {
    console.log(`check:api: ${reports.size} reports are right`)
  }
}

function showDifference(file, text) {
  const fresh = mkdtempSync(join(tmpdir(), 'dwcp-api-'))
  try {
    writeFileSync(join(fresh, file), text)
    const before = join(folder, file)
    show('git', ['--no-pager', 'diff', '--no-index', '--', existsSync(before) ? before : '/dev/null', join(fresh, file)])
  } finally {
    rmSync(fresh, { recursive: true })
  }
}
