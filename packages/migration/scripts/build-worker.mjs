// Bundles the worker thread of a workload into dist/wasm-worker.js: one ES module, which ESM, CommonJS and tests from source start alike.
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'
import { upToDate } from './up-to-date.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const output = join(root, 'dist', 'wasm-worker.js')

export async function buildWorker() {
  if (upToDate([join(root, 'src/wasm'), join(root, 'src/page-tree.ts')], [output])) return
  const folder = mkdtempSync(join(tmpdir(), 'dwcp-worker-'))
  await build({
    config: false,
    entry: { 'wasm-worker': join(root, 'src/wasm/worker.ts') },
    format: ['esm'],
    outDir: folder,
    dts: false,
    splitting: false,
    silent: true,
    target: 'node20',
    treeshake: true,
  })
  mkdirSync(dirname(output), { recursive: true })
  // Renamed into place: another test run may be starting workers from it.
  copyFileSync(join(folder, 'wasm-worker.js'), `${output}.${process.pid}`)
  renameSync(`${output}.${process.pid}`, output)
  rmSync(folder, { recursive: true })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWorker()
