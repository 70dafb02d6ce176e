import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lockDirectory } from './lock.ts'

async function emptyDirectory(onTestFinished: (done: () => Promise<void>) => void): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dwcp-lock-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

test('one holds a directory until it lets go, and whoever else asks learns who', async ({ onTestFinished }) => {
  const directory = await emptyDirectory(onTestFinished)
  const lock = await lockDirectory(directory, 'ERR_TEST_LOCKED')
  await expect(lockDirectory(directory, 'ERR_TEST_LOCKED')).rejects.toMatchObject({ code: 'ERR_TEST_LOCKED', details: { directory } })
  await expect(lockDirectory(directory, 'ERR_TEST_LOCKED')).rejects.toThrow(`process ${process.pid}`)
  await lock[Symbol.asyncDispose]()
  await using _again = await lockDirectory(directory, 'ERR_TEST_LOCKED')
  expect(await readdir(directory)).toEqual(['lock'])
})

test.for(['', 'no process', `${process.pid} of another start`, `${process.pid} gone`])(
  'a lock that nobody living holds, "%s", is taken away',
  async (owner, { onTestFinished }) => {
    const directory = await emptyDirectory(onTestFinished)
    await writeFile(join(directory, 'lock'), owner)
    await using _lock = await lockDirectory(directory, 'ERR_TEST_LOCKED')
    expect(await readdir(directory)).toEqual(['lock'])
  },
)
