// publint and "are the types wrong?" on what would be published.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packAll } from './pack.mjs'
import { show } from './workspace.mjs'

const destination = mkdtempSync(join(tmpdir(), 'dwcp-exports-'))
let failures = 0
try {
  for (const { name, tarball } of packAll(destination)) {
    // The profile leaves out Node 10, which knows no `exports`; we support 20 and later.
    const wrong =
      show('publint', ['run', tarball, '--strict']) + show('attw', [tarball, '--profile', 'node16', '--format', 'ascii', '--no-emoji'])
    console.log(`check:exports: ${name} is ${wrong === 0 ? 'right' : 'WRONG'}`)
    failures += wrong === 0 ? 0 : 1
  }
} finally {
  rmSync(destination, { recursive: true, force: true })
}
process.exitCode = failures === 0 ? 0 : 1
