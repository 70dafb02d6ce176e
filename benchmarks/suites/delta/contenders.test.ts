import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { randomBytes } from '../../harness/data.ts'
import { wholePages } from '../encoding/page-transfer.ts'
import { codecOf } from './codec.ts'
import { type PatchProgram, patchContender } from './patch-programs.ts'
import { type RepositoryProgram, repositoryContender } from './repositories.ts'
import { type WorkingFiles, workingFiles } from './working-files.ts'
import { PAGE_BYTES } from './xbzrle.ts'
import { xbzrleContender } from './xbzrle-contender.ts'

const PAGES = 8

/** A memory whose page 1 changes in 4 bytes, 2 wholly, and 3 to zeros; the rest stays. */
async function withPair(use: (files: WorkingFiles) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'dwcp-pair-'))
  const [before, after] = [join(folder, 'a'), join(folder, 'b')]
  const earlier = randomBytes(1, PAGES * PAGE_BYTES)
  const later = earlier.slice()
  for (let at = PAGE_BYTES + 200; at < PAGE_BYTES + 204; at++) later[at] = (later[at] ?? 0) ^ 0xff
  for (let at = 2 * PAGE_BYTES; at < 3 * PAGE_BYTES; at++) later[at] = (later[at] ?? 0) ^ 0xff
  later.fill(0, 3 * PAGE_BYTES, 4 * PAGE_BYTES)
  try {
    await Promise.all([writeFile(before, earlier), writeFile(after, later)])
    await using files = await workingFiles({ before, after, kind: 'made up' })
    await use(files)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const copying: PatchProgram = {
  name: 'cp',
  program: 'cp',
  encode: ({ after, packed }) => ['cp', after, packed],
  decode: ({ packed, unpacked }) => ['cp', packed, unpacked],
}

const hoarding: RepositoryProgram = {
  name: 'hoarder',
  program: 'sh',
  env: () => ({ KEEP: 'repository' }),
  add: (version) => ['-c', `cp tree/data "$KEEP/${version}"; echo index > "$KEEP/not-counted"`],
  extract: 'cp repository/after "$1"',
  counts: (path) => !path.endsWith('not-counted'),
}

test('a patch program is counted by the size of its patch', () =>
  withPair(async (files) => {
    const { bytes, encode, decode } = await patchContender(copying, files, 'disk').run()
    expect(bytes).toBe(PAGES * PAGE_BYTES)
    expect([encode, decode].every((speed) => speed !== undefined && speed > 0)).toBe(true)
  }))

test('a peer that gives back the earlier version, or what the last run left, has no figures', () =>
  withPair(async (files) => {
    const stale: PatchProgram = { ...copying, decode: ({ before = '', unpacked }) => ['cp', before, unpacked] }
    await expect(patchContender(stale, files, 'disk').run()).rejects.toThrow('cmp')
    await patchContender(copying, files, 'disk').run()
    await expect(patchContender({ ...copying, decode: () => ['true'] }, files, 'disk').run()).rejects.toThrow('cmp')
  }))

test('a repository is counted by what the later version adds to it, the same in each run', () =>
  withPair(async (files) => {
    const contender = await repositoryContender(hoarding, files)
    for (let run = 0; run < 2; run++) expect(await contender.run()).toMatchObject({ bytes: PAGES * PAGE_BYTES })
  }))

test('XBZRLE sends a changed page as its runs, a new one whole, a zero one as a header, and nothing of the others', () =>
  withPair(async (files) => {
    const runs = 2 + 1 + 4
    const expected = 8 + 3 + runs + (8 + PAGE_BYTES) + (8 + 1)
    expect(await xbzrleContender(files, files.before ?? '').run()).toEqual({ bytes: expected })
  }))

test('an image that has grown, or ends within a page, is taken as whole pages', () => {
  const [longer, shorter] = wholePages(new Uint8Array(PAGE_BYTES + 1).fill(7), new Uint8Array(5).fill(8))
  expect([longer.length, shorter?.length]).toEqual([2 * PAGE_BYTES, 2 * PAGE_BYTES])
  expect([longer[PAGE_BYTES], longer[PAGE_BYTES + 1], shorter?.[4], shorter?.[5]]).toEqual([7, 0, 8, 0])
  expect(wholePages(longer, undefined)).toEqual([longer, undefined])
})

test('ours takes memories and disks, and has no figure for files', () =>
  withPair(async (files) => {
    const [ours] = await codecOf({ content: 'disk' }, files)
    const { bytes = 0 } = (await ours?.run()) ?? {}
    expect(bytes).toBeGreaterThan(PAGE_BYTES)
    expect(bytes).toBeLessThan(2 * PAGE_BYTES)
    expect(await codecOf({ content: 'release' }, files)).toEqual([])
  }))
