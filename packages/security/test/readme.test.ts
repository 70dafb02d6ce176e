import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { SECURITY_ERROR_CODES } from '../src/errors.ts'
import { bundled } from './bundled.ts'

const page = await readFile(new URL('../README.md', import.meta.url), 'utf8')

test('every error code has its cause and remedy in the README, and no other is there', () => {
  const rows = [...page.matchAll(/^\| `(ERR_SECURITY_[A-Z_]+)` \| [^|]+ \| [^|]+ \|$/gm)].map((row) => row[1])
  expect(rows).toEqual([...SECURITY_ERROR_CODES])
})

test('the example of the README runs', async () => {
  const [, example = ''] = /```ts\n([^]*?)```/.exec(page) ?? []
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [await bundled(example)])
  expect([stdout, stderr]).toEqual(["a 1 [ 'cert', 'ca' ]\n", ''])
})
