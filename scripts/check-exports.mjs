// publint and "are the types wrong?" on what would be published.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packAll } from './pack.mjs'
import { capture } from './workspace.mjs'

const destination = mkdtempSync(join(tmpdir(), 'dwcp-exports-'))
try {
  for (const { name, tarball } of packAll(destination)) {
    // The profile leaves out Node 10, which knows no `exports`; we support 20 and later.
    const complaints = [
      complaintOf('publint', ['run', tarball, '--strict']),
      complaintOf('attw', [tarball, '--profile', 'node16', '--format', 'ascii', '--no-emoji']),
    ].filter((one) => one !== undefined)
    console.log(`check:exports: ${name} is ${complaints.length === 0 ? 'right' : 'wrong'}`)
    for (const complaint of complaints) console.error(complaint)
    if (complaints.length > 0) process.exitCode = 1
  }
} finally {
  rmSync(destination, { recursive: true, force: true })
}

/** What a tool says against a tarball; nothing where it has nothing to say. */
function complaintOf(tool, parameters) {
  try {
    capture(tool, parameters)
    return undefined
  } catch (error) {
    return error.message
  }
}
