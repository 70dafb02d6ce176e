import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { sourceCommit } from './commit.ts'

const root = await mkdtemp(join(tmpdir(), 'dwcp-commit-'))
afterAll(() => rm(root, { recursive: true }))

test('the commit is that of what is measured, marked where the working tree differs, and none outside of a repository', async () => {
  expect(await sourceCommit(root)).toBeUndefined()
  const git = (...args: string[]): Promise<unknown> =>
    promisify(execFile)('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], { cwd: root })
  const commit = async (file: string, text: string): Promise<void> => {
    await writeFile(join(root, file), text)
    await git('add', '-A')
    await git('commit', '-qm', file)
  }
  for (const folder of ['packages', 'benchmarks/results', 'docs']) await mkdir(join(root, folder), { recursive: true })
  await git('init', '-q')
  await commit('packages/code.ts', '1')
  const measured = await sourceCommit(root)
  expect(measured).toMatch(/^[0-9a-f]+$/)
  for (const file of ['benchmarks/results/delta.json', 'docs/encoding.md', 'packages/README.md']) await commit(file, '2')
  expect(await sourceCommit(root)).toBe(measured)
  await writeFile(join(root, 'packages/code.ts'), '2')
  expect(await sourceCommit(root)).toBe(`${measured}+`)
})
