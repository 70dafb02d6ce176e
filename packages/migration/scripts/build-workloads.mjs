// Compiles assembly/*.ts to dist/workloads/*.wasm.
import { mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'
import { upToDate } from './up-to-date.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
/** Each with another runtime of AssemblyScript: without a collector, with one that is called, with one that works in small steps. */
export const WORKLOADS = { 'hash-chain': 'stub', kv: 'incremental', simulation: 'minimal' }

export async function compileWorkload(entry, runtime, outFile) {
  let text = ''
  const { error } = await asc.main(
    [entry, '--outFile', outFile, '-O3', '--runtime', runtime, '--use', 'abort=assembly/dwcp/abort', '--baseDir', root],
    { stderr: { write: (chunk) => (text += chunk) } },
  )
  if (error) throw new Error(`${entry}: ${text}`)
}

export async function buildWorkloads() {
  const folder = join(root, 'dist', 'workloads')
  mkdirSync(folder, { recursive: true })
  for (const [name, runtime] of Object.entries(WORKLOADS)) {
    const output = join(folder, `${name}.wasm`)
    if (upToDate([join(root, 'assembly')], [output])) continue
    const unfinished = `dist/workloads/${name}.${process.pid}.wasm`
    await compileWorkload(`assembly/${name}.ts`, runtime, unfinished)
    renameSync(join(root, unfinished), output)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWorkloads()
