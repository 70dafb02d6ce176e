// Every example is run as a reader would run it: `node examples/<name>.mjs`, against the built packages.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './workspace.mjs'

const LONGEST_RUN_MS = 60_000

const directory = join(root, 'examples')
const files = readdirSync(directory, { withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => entry.name)
const examples = files.filter((name) => name.endsWith('.mjs'))

test('the examples folder holds runnable .mjs files and what describes them, nothing else', () => {
  expect(files.filter((name) => !/\.(mjs|json|md)$/.test(name))).toEqual([])
})

test.each(examples)('%s runs to its end and exits with 0', (name) => {
  const run = spawnSync(process.execPath, [join(directory, name)], { cwd: root, encoding: 'utf8', timeout: LONGEST_RUN_MS })
  expect(run.status, `${run.error?.message ?? ''}${run.stdout}${run.stderr}`).toBe(0)
})
