import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The programs that come with this package, built from `assembly/`. */
export type BundledWorkload = 'hash-chain' | 'kv' | 'simulation'

const PACKAGE = '@dwcp/migration'

/** The folder of this package, found from `src/wasm/` and from `dist/` alike. */
function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  // Bounded by how deep the folder is.
  for (;;) {
    const manifest = join(folder, 'package.json')
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === PACKAGE) return folder
    const parent = dirname(folder)
    if (parent === folder) {
      throw new Error(
        `the files of ${PACKAGE} are not where they were installed; if it was bundled, say where dist/wasm-worker.js is (workerFile)`,
      )
    }
    folder = parent
  }
}

/** The file of the worker thread, which only the build makes. */
export function workerFile(): URL {
  const file = join(packageFolder(), 'dist', 'wasm-worker.js')
  if (!existsSync(file)) throw new Error(`${file} is missing; build ${PACKAGE} first`)
  return pathToFileURL(file)
}

/**
 * Where a program that comes with this package is on disk.
 *
 * @public
 */
export function workloadPath(name: BundledWorkload): string {
  return join(packageFolder(), 'dist', 'workloads', `${name}.wasm`)
}

/**
 * The binary of a program that comes with this package: `hash-chain`, `kv` or `simulation`.
 *
 * @public
 * @throws ENOENT where the package was not built.
 * @example
 * ```ts
 * import { loadWorkload } from '@dwcp/migration'
 * const module = await loadWorkload('kv')
 * ```
 */
export async function loadWorkload(name: BundledWorkload): Promise<Uint8Array> {
  return new Uint8Array(await readFile(workloadPath(name)))
}
