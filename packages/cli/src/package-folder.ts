import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGE = '@dwcp/cli'

/** The folder of this package, from src/ as from dist/. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!isOurs(folder)) {
    if (folder === dirname(folder)) throw new Error(`the files of ${PACKAGE} are not where they were installed: install it again`)
    folder = dirname(folder)
  }
  return folder
}

function isOurs(folder: string): boolean {
  const manifest = join(folder, 'package.json')
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === PACKAGE
}
