import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@dwcp/interface'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FlagsStatus, watchFlags } from './flags-file.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dwcp-flags-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('without a file everything has its default', async () => {
  using file = await watchFlags(undefined, () => expect.unreachable(), silentLogger)
  expect(file.status.flags.v3RolloutPercentage).toBe(100)
})

test('a change of the file is taken up within 5 s, and a broken file changes nothing but the status', async () => {
  const path = join(directory, 'flags.json')
  await writeFile(path, '{}')
  const seen: FlagsStatus[] = []
  let wake = (): void => undefined
  const next = (): Promise<void> => new Promise((resolve) => (wake = resolve))
  using file = await watchFlags(path, (status) => (seen.push(status), wake()), silentLogger)
  expect(file.status.flags.forceV1Mode).toBe(false)
  const startedMs = performance.now()
  let changed = next()
  await writeFile(path, '{"forceV1Mode":true}')
  await changed
  expect(file.status.flags.forceV1Mode).toBe(true)
  expect(performance.now() - startedMs).toBeLessThan(5000)
  changed = next()
  await writeFile(path, '{"forceV1Mode":')
  await changed
  expect(file.status).toMatchObject({ flags: { forceV1Mode: true }, error: expect.stringContaining('is not JSON') })
  changed = next()
  await rm(path)
  await changed
  expect(file.status).toMatchObject({ flags: { forceV1Mode: true }, error: expect.stringContaining('ENOENT') })
  expect(seen).toHaveLength(3)
})

test('a file that is not there or not valid at the start is an error', async () => {
  await expect(watchFlags(join(directory, 'none.json'), () => undefined, silentLogger)).rejects.toThrow('ENOENT')
  await writeFile(join(directory, 'bad.json'), '{"nope":1}')
  await expect(watchFlags(join(directory, 'bad.json'), () => undefined, silentLogger)).rejects.toMatchObject({ code: 'ERR_CORE_FLAGS' })
})
