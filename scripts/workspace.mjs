// What the repository's scripts share: where it is, which packages it holds, and how a tool of it is run.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')

/** The environment of every tool: ours come first on PATH (turbo needs pnpm there), and none of them phones home. */
export const toolEnv = {
  ...process.env,
  PATH: [bin, process.env['PATH']].join(delimiter),
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
}

/** Every folder under packages/ with a manifest, sorted by folder. */
export function packages() {
  return readdirSync(join(root, 'packages'))
    .sort()
    .map((folder) => ({ folder, directory: join(root, 'packages', folder) }))
    .filter(({ directory }) => existsSync(join(directory, 'package.json')))
    .map(({ folder, directory }) => {
      const manifest = readJson(join(directory, 'package.json'))
      return { folder, directory, name: manifest.name, manifest }
    })
}

/** The packages that are published. */
export function publishable() {
  return packages().filter(({ manifest }) => manifest.private !== true)
}

/** @param {string} path */
export function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/**
 * Runs a command to its end with its output shown, and returns its exit code.
 *
 * @param {string} command
 * @param {readonly string[]} parameters
 * @param {import('node:child_process').SpawnSyncOptions} [options]
 */
export function show(command, parameters, options = {}) {
  const { status, error } = spawnSync(command, parameters, { cwd: root, env: toolEnv, stdio: 'inherit', ...options })
  if (error) console.error(`${command}: ${error.message}`)
  return status ?? 1
}

/**
 * Runs a command to its end and returns what it wrote; throws with all of it where the command fails.
 *
 * @param {string} command
 * @param {readonly string[]} parameters
 * @param {import('node:child_process').SpawnSyncOptions} [options]
 */
export function capture(command, parameters, options = {}) {
  const limits = { maxBuffer: 256 * 1024 * 1024 }
  const { status, stdout, stderr, error } = spawnSync(command, parameters, {
    cwd: root,
    env: toolEnv,
    ...limits,
    ...options,
    encoding: 'utf8',
  })
  if (status === 0) return stdout
  throw new Error(`${[command, ...parameters].join(' ')} ended with ${status ?? error?.message}\n${stdout ?? ''}${stderr ?? ''}`, {
    cause: error,
  })
}
