// Checks the types of every package, the benchmarks, the examples and these scripts with TypeScript 7. Siblings are read
// from source, so nothing has to be built.
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { packages, root, show } from './workspace.mjs'

const tsc = join(root, 'node_modules', 'typescript-7', 'bin', 'tsc')
const folders = [...packages().map(({ directory }) => directory), ...['benchmarks', 'examples', 'scripts'].map((name) => join(root, name))]
let failures = 0

for (const folder of folders) {
  const name = relative(root, folder)
  if (!existsSync(join(folder, 'tsconfig.json'))) {
    if (!holdsTypeScript(folder)) continue
    console.error(`typecheck: ${name} holds TypeScript and no tsconfig.json, so nobody checks it`)
    failures += 1
  } else if (show(process.execPath, [tsc, '-p', folder]) !== 0) {
    console.error(`typecheck: ${name} has errors`)
    failures += 1
  }
}
console.log(`typecheck: ${folders.length - failures} of ${folders.length} folders are right`)
process.exitCode = failures === 0 ? 0 : 1

function holdsTypeScript(folder) {
  return readdirSync(folder, { recursive: true }).some((name) => name.endsWith('.ts') && !name.includes('node_modules'))
}
