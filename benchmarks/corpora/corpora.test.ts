import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'

// The folder is read when the modules are loaded.
const folder = await mkdtemp(join(tmpdir(), 'dwcp-corpora-'))
vi.stubEnv('DWCP_CORPORA', folder)
vi.stubEnv('DWCP_VM_DUMPS', join(folder, 'nowhere'))
const { CorpusAbsent, corpusFile, withScratch } = await import('./corpora-folder.ts')
const { clusterLog } = await import('./cluster-log.ts')
const { foundPairs } = await import('./found-pairs.ts')
const { foundHistories } = await import('../suites/promised/histories.ts')
const { guestPair } = await import('./guest-memory.ts')
const { nodeDocuments } = await import('./node-documents.ts')
const { randomData } = await import('./incompressible.ts')
afterAll(() => rm(folder, { recursive: true }))

test('a corpus is built once, and one whose building failed leaves nothing that could be taken for it', async () => {
  let built = 0
  const broken = corpusFile('x/broken', async (path) => {
    await writeFile(path, 'half')
    throw new Error('no disk left')
  })
  await expect(broken).rejects.toThrow('no disk left')
  expect(await readdir(join(folder, 'x'))).toEqual([])
  const build = async (path: string): Promise<void> => writeFile(path, String(++built))
  for (let time = 0; time < 2; time++) expect(await readFile(await corpusFile('x/whole', build), 'utf8')).toBe('1')
})

test('a scratch folder is gone after its use, also when that fails', async () => {
  let used = ''
  const fail = withScratch(async (scratch) => {
    used = scratch
    expect((await stat(scratch)).isDirectory()).toBe(true)
    throw new Error('midway')
  })
  await expect(fail).rejects.toThrow('midway')
  await expect(stat(used)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('the node documents are 6,000 of the same nodes at both instants, a few fields of each changed', async () => {
  const { before = '', after } = await nodeDocuments('lines')
  const [earlier = [], later = []] = await Promise.all(
    [before, after].map(async (path) => (await readFile(path, 'utf8')).trim().split('\n')),
  )
  expect([earlier.length, later.length]).toEqual([6000, 6000])
  const [first, second] = [JSON.parse(earlier[77] ?? ''), JSON.parse(later[77] ?? '')]
  expect(second.metadata).toEqual({ ...first.metadata, resourceVersion: second.metadata.resourceVersion })
  expect(second.status.heartbeat - first.status.heartbeat).toBeGreaterThanOrEqual(5000)
  expect(second.status.vms.map(({ id }: { id: string }) => id)).toEqual(first.status.vms.map(({ id }: { id: string }) => id))
  const array = await nodeDocuments('array')
  expect(JSON.parse(await readFile(array.after, 'utf8'))).toEqual(later.map((line) => JSON.parse(line)))
})

test('the later log begins where 20,000 lines of the earlier are over', async () => {
  const { before = '', after } = await clusterLog()
  const [earlier, later] = await Promise.all([readFile(before, 'utf8'), readFile(after, 'utf8')])
  const kept = earlier.split('\n').slice(20_000, 60_000).join('\n')
  expect(later.startsWith(`${kept}\n`)).toBe(true)
  expect(later.trim().split('\n')).toHaveLength(70_000)
})

test('the random corpus is of the size and the randomness that it states, and comes without an earlier version', async () => {
  const { before, after } = await randomData()
  expect(before).toBeUndefined()
  expect((await stat(after)).size).toBe(8 * 2 ** 20)
})

test('RAM dumps that are not there are said to be absent', async () => {
  await expect(guestPair('kvA-t00', 'kvA-t05')).rejects.toThrow(CorpusAbsent)
  await expect(guestPair('kvA-t00', 'kvA-t05')).rejects.toThrow('DWCP_VM_DUMPS')
})

test('pairs that somebody put beside those that are built are found, each once, and no others', async () => {
  for (const name of ['release', 'disk', 'vm']) await mkdir(join(folder, name), { recursive: true })
  const put = ['release/x.a.tar', 'release/x.b.tar', 'release/git.a.tar', 'release/git.b.tar', 'disk/alone.a.img']
  const dumps = ['g-t05', 'g-t00', 'g-t30', 'kvA-t00', 'kvA-t05', 'h-t00', 'h-t10'].map((name) => `vm/${name}.mem`)
  for (const name of [...put, ...dumps]) await writeFile(join(folder, name), name)
  const found = await foundPairs()
  expect(found.map(({ name, content, files }) => [name, content, ...files])).toEqual([
    ['release x.tar', 'release', 'release/x.a.tar', 'release/x.b.tar'],
    ['guest g, 0 to 5 s', 'memory', 'vm/g-t00.mem', 'vm/g-t05.mem'],
    ['guest g, 5 to 30 s', 'memory', 'vm/g-t05.mem', 'vm/g-t30.mem'],
    ['guest g, 0 to 30 s', 'memory', 'vm/g-t00.mem', 'vm/g-t30.mem'],
    ['guest h, 0 to 10 s', 'memory', 'vm/h-t00.mem', 'vm/h-t10.mem'],
    ['guest h given guest g', 'memory', 'vm/g-t00.mem', 'vm/h-t00.mem'],
  ])
  const { before = '', after } = (await found[0]?.build()) ?? { after: '' }
  expect(await Promise.all([before, after].map((path) => readFile(path, 'utf8')))).toEqual(['release/x.a.tar', 'release/x.b.tar'])
  const histories = (await foundHistories()).map(({ name, kind }) => [name, kind])
  expect(histories).toEqual([
    ['release x.tar', 'release'],
    ['guest g, 0, 5, 30 s', 'VM'],
    ['guest h, 0, 10 s', 'VM'],
  ])
})
