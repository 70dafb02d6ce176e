// Builds every package with turbo. The compiler is part of the cache key: an addon left out because there was no compiler
// must be built once there is one.
import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { show, toolEnv } from './workspace.mjs'

/** Builds the packages and returns the exit code of turbo. */
export function build() {
  const compiler = spawnSync('g++', ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0] ?? 'none'
  const env = { ...toolEnv, DWCP_COMPILER: compiler }
  return show('turbo', ['run', 'build', '--output-logs=errors-only', '--log-order=grouped'], { env })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exit(build())
