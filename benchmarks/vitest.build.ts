import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Tests start files of this package as processes, and Node 20 runs no TypeScript. */
export async function setup(): Promise<void> {
  const here = fileURLToPath(new URL('.', import.meta.url))
  await promisify(execFile)(`${here}node_modules/.bin/tsup`, { cwd: here })
}
