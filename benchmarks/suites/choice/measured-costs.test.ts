import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { measuredCosts } from './measured-costs.ts'
import type { Region } from './regions.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dwcp-costs-'))
})
afterEach(() => rm(folder, { recursive: true }))

const region = (group: string): Region => ({ group, pages: new Uint8Array(8192).fill(7), old: new Uint8Array() })
const regions = [region('a'), region('b'), region('c')]
const options = { setting: { machine: 'this', repeats: 1 }, again: false, note: () => undefined }

test('goes on behind the last region that was measured whole, and keeps what was measured', async () => {
  const path = join(folder, 'costs')
  const first = await measuredCosts(path, regions.slice(0, 2), options)
  await appendFile(path, '{"group":"c","cut')
  const all = await measuredCosts(path, regions, options)
  expect(all.slice(0, 2)).toEqual(first)
  expect(all.map(({ group }) => group)).toEqual(['a', 'b', 'c'])
  expect((await readFile(path, 'utf8')).split('\n').length).toBe(5)
  expect(await measuredCosts(path, regions, options)).toEqual(all)
})

test('begins anew where the setting is another one, the data has changed, or it is told to', async () => {
  const path = join(folder, 'costs')
  const measuredIn = async (change: Partial<typeof options>, of = regions): Promise<number> => {
    const before = (await readFile(path, 'utf8')).split('\n')
    await measuredCosts(path, of, { ...options, ...change })
    const after = (await readFile(path, 'utf8')).split('\n')
    return after.filter((line) => !before.includes(line)).length
  }
  await measuredCosts(path, regions, options)
  expect(await measuredIn({})).toBe(0)
  expect(await measuredIn({}, [region('a'), region('x'), region('c')])).toBe(2)
  expect(await measuredIn({ again: true })).toBe(3)
  expect(await measuredIn({ setting: { machine: 'another', repeats: 1 } })).toBe(4)
})
