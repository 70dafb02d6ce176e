import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openTreeDirectory, type Session, sendTree, type TreeDirectoryOptions } from '../src/index.ts'
import { encodeEntry, type TreeEntry } from '../src/tree/entry.ts'
import { encodeOffer, encodeQuestion } from '../src/tree/offer.ts'
import { encodePack } from '../src/tree/pack.ts'
import { framed } from '../src/tree/records.ts'
import { until } from './pair.ts'
import { ground, type Served, serve } from './tree-fixture.ts'

const name = (text: string): Buffer => Buffer.from(text, 'latin1')
const file = (text: string, sizeBytes = 4): TreeEntry => ({
  kind: 'file',
  name: name(text),
  mode: 0o644,
  mtimeNs: 0n,
  sizeBytes,
  isLinked: false,
})
const folder = (text: string): TreeEntry => ({ kind: 'directory', name: name(text), mode: 0o755, mtimeNs: 0n })
const symlink = (text: string, target: string): TreeEntry => ({ kind: 'symlink', name: name(text), mtimeNs: 0n, target: name(target) })
const link = (text: string, target: string): TreeEntry => ({ kind: 'link', name: name(text), target: name(target) })
const up: TreeEntry = { kind: 'up' }

interface Scene {
  /** What is served, and a folder beside it that must stay as it is. */
  readonly to: string
  readonly outside: string
  readonly served: Served
  readonly session: Session
}

async function scene(options: TreeDirectoryOptions = {}): Promise<Scene> {
  const home = ground()
  const [to, outside] = [join(home, 'served'), join(home, 'outside')]
  mkdirSync(to)
  mkdirSync(outside)
  writeFileSync(join(outside, 'secret'), 'secret')
  const served = await serve(to, options)
  return { to, outside, served, session: await served.call() }
}

/** Sends a manifest as no honest sender would, and `data` for each file that is asked for. */
async function offer(session: Session, entries: readonly (TreeEntry | Buffer)[], directory = '', data?: Uint8Array): Promise<void> {
  const records = entries.map((entry) => framed(Buffer.isBuffer(entry) ? entry : encodeEntry(entry)))
  void (async () => {
    for await (const answers of session.incoming) {
      for await (const bytes of answers.stream) {
        for (let at = 0; at < bytes.byteLength; at += 2 + Buffer.from(bytes).readUInt16BE(at)) {
          if (bytes[at + 2] === 1 && data)
            void session
              .send(encodePack([{ entry: Buffer.from(bytes).readUInt32BE(at + 3), bytes: data }]), { name: 'tree.pack' })
              .catch(() => undefined)
        }
      }
      answers.complete()
    }
  })().catch(() => undefined)
  const metadata = encodeOffer({ comparesContents: false, directory: name(directory) })
  async function* manifest(): AsyncGenerator<Uint8Array> {
    yield Buffer.concat(records)
  }
  await session.send({ stream: manifest() }, { name: 'tree', metadata })
}

const rejected = (peerCode: string) =>
  expect.objectContaining({ code: 'ERR_AMST_REJECTED', details: expect.objectContaining({ peerCode }) })

describe('a manifest that is none is refused as a whole, and nothing is made of it', () => {
  test.each<[string, readonly (TreeEntry | Buffer)[], string]>([
    ['a name that goes up', [folder('..')], 'ERR_AMST_PATH'],
    ['a name that stays', [folder('.')], 'ERR_AMST_PATH'],
    ['a name with a slash', [file('a/b')], 'ERR_AMST_PATH'],
    ['an absolute name', [file('/etc/passwd')], 'ERR_AMST_PATH'],
    ['a name with a zero', [file('a\0b')], 'ERR_AMST_PATH'],
    ['no name', [file('')], 'ERR_AMST_PATH'],
    ['the name of the staging folder', [folder('.dwcp')], 'ERR_AMST_PATH'],
    ['names out of order', [file('b'), file('a')], 'ERR_AMST_PROTOCOL'],
    ['a name twice', [folder('a'), up, symlink('a', 'x')], 'ERR_AMST_PROTOCOL'],
    ['leaving the root', [up], 'ERR_AMST_PROTOCOL'],
    ['an end within a directory', [folder('a')], 'ERR_AMST_PROTOCOL'],
    ['an entry that is cut', [encodeEntry(file('abc')).subarray(0, 9)], 'ERR_AMST_PROTOCOL'],
    ['an entry of an unknown kind', [Buffer.from(encodeEntry(folder('a'))).fill(9, 0, 1)], 'ERR_AMST_PROTOCOL'],
    ['a file of more bytes than numbers have', [Buffer.from(encodeEntry(file('a'))).fill(255, 13)], 'ERR_AMST_PROTOCOL'],
  ])('%s', async (_, entries, code) => {
    const { to, session } = await scene()
    await expect(offer(session, entries)).rejects.toEqual(rejected(code))
    if (code === 'ERR_AMST_PATH') expect(readdirSync(to)).toEqual(['.dwcp'])
  })
})

test.each(['../outside/secret', '/etc/passwd', 'nothing'])('a hard link to %s is not made', async (target) => {
  const { to, session, served } = await scene()
  await offer(session, [link('a', target)])
  expect((await served.trees[0]?.report)?.failed).toBe(1)
  expect(readdirSync(to)).toEqual(['.dwcp'])
})

test('what a link leads to is never written or made a directory of, whether it was there before or comes in the same tree', async () => {
  const { to, outside, session, served } = await scene({ allowsLinksOut: true })
  symlinkSync(outside, join(to, 'before'))
  const data = Buffer.from('evil')
  await offer(session, [folder('before'), file('secret'), up, symlink('x', outside)], '', data)
  expect(readlinkSync(join(to, 'x'))).toBe(outside)
  await offer(await served.call(), [folder('x'), file('secret'), up], '', data)
  await expect(offer(await served.call(), [file('secret')], 'x', data)).rejects.toEqual(rejected('ENOTDIR'))
  await offer(await served.call(), [link('y', 'x/secret')], '', data)
  expect(readdirSync(outside)).toEqual(['secret'])
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
  expect(existsSync(join(to, 'y'))).toBe(false)
  // A file takes the place of the link itself.
  await offer(await served.call(), [file('before')], '', data)
  expect(lstatSync(join(to, 'before')).isFile()).toBe(true)
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
})

describe('symbolic links that lead out are refused, unless all are allowed', () => {
  test.each<[string, boolean]>([
    ['/etc', false],
    ['../outside', false],
    ['./../outside', false],
    ['down/../../outside', false],
    ['down/..', false],
    ['down/to', true],
    ['.', true],
  ])('%s', async (target, isTaken) => {
    const { to, session, served } = await scene()
    await offer(session, [symlink('x', target)])
    expect(lstatSync(join(to, 'x'), { throwIfNoEntry: false }) !== undefined).toBe(isTaken)
    const report = await served.trees[0]?.report
    expect(report?.failures).toEqual(isTaken ? [] : [{ path: 'x', code: 'ERR_AMST_PATH' }])
  })

  test('as deep as a link is, so far it may go up', async () => {
    const { to, session } = await scene()
    await offer(session, [folder('a'), folder('b'), symlink('three', '../../..'), symlink('two', '../../c'), up, up])
    expect(readdirSync(join(to, 'a', 'b'))).toEqual(['two'])
  })
})

test('directories that become links while files are on their way are not followed', async () => {
  const { to, outside, session } = await scene()
  const [aside, victim] = [join(to, 'aside'), join(to, 'victim')]
  mkdirSync(victim)
  let isOver = false
  const swapping = (async () => {
    // Until the transfers below are over.
    while (!isOver) {
      renameSync(victim, aside)
      symlinkSync(outside, victim)
      await new Promise((resolve) => setImmediate(resolve))
      rmSync(victim)
      renameSync(aside, victim)
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const from = ground()
  mkdirSync(join(from, 'victim'))
  for (let one = 0; one < 300; one += 1) writeFileSync(join(from, 'victim', `f${one}`), Buffer.alloc(20_000, one))
  await sendTree(session, [`${from}/`]).catch(() => undefined)
  isOver = true
  await swapping
  expect(readdirSync(outside)).toEqual(['secret'])
})

describe('limits', () => {
  test('entries, at the bound and one past it', async () => {
    const entries = ['a', 'b', 'c'].map((one) => symlink(one, 'x'))
    await offer((await scene({ limits: { entries: 3 } })).session, entries)
    await expect(offer((await scene({ limits: { entries: 2 } })).session, entries)).rejects.toEqual(rejected('ERR_AMST_LIMIT'))
  })

  test('depth, at the bound and one past it', async () => {
    const deep = (depth: number): readonly TreeEntry[] => [
      ...Array.from({ length: depth }, () => folder('d')),
      ...Array.from({ length: depth }, () => up),
    ]
    await offer((await scene({ limits: { depth: 5 } })).session, deep(5))
    await expect(offer((await scene({ limits: { depth: 5 } })).session, deep(6))).rejects.toEqual(rejected('ERR_AMST_LIMIT'))
    await expect(offer((await scene({ limits: { depth: 5 } })).session, [], 'a/b/c/d/e/f')).rejects.toEqual(rejected('ERR_AMST_LIMIT'))
  })

  test('bytes, at the bound and one past it', async () => {
    await offer((await scene({ limits: { bytes: 8 } })).session, [file('a'), file('b')], '', Buffer.from('four'))
    await expect(offer((await scene({ limits: { bytes: 7 } })).session, [file('a'), file('b')])).rejects.toEqual(rejected('ERR_AMST_LIMIT'))
  })

  test('files that were asked for: a sender that gives none is waited for, and holds no more than these', async () => {
    const { session, served } = await scene({ limits: { pendingFiles: 10 } })
    const many = Array.from({ length: 50_000 }, (_, one) => file(String(one).padStart(6, '0')))
    const offering = offer(session, many)
    offering.catch(() => undefined)
    await until(() => served.trees.length === 1)
    session.destroy()
    await expect(served.trees[0]?.report).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_AMST_/) })
  })

  test('and a limit that is none is refused at once', async () => {
    const { to } = await scene()
    await expect(openTreeDirectory(to, { limits: { entries: 0 } })).rejects.toBeInstanceOf(RangeError)
    await expect(openTreeDirectory(to, { limits: JSON.parse('{"entrys":1}') })).rejects.toThrow(/entrys.*entries/)
    await expect(openTreeDirectory(to, { staging: '../x' })).rejects.toBeInstanceOf(RangeError)
  })
})

describe('data that nobody asked for ends the tree', () => {
  test.each<[string, (session: Session) => Promise<unknown>]>([
    ['a pack of it', (session) => session.send(encodePack([{ entry: 7, bytes: Buffer.from('x') }]), { name: 'tree.pack' })],
    [
      'a file of another length',
      (session) => session.send(encodePack([{ entry: 0, bytes: Buffer.from('longer') }]), { name: 'tree.pack' }),
    ],
    [
      'a pack that is cut',
      (session) => session.send(encodePack([{ entry: 0, bytes: Buffer.from('four') }]).subarray(0, 11), { name: 'tree.pack' }),
    ],
    ['a pack that is too large', (session) => session.send(Buffer.alloc(4_194_305), { name: 'tree.pack' })],
    ['an object of another length', (session) => session.send(Buffer.alloc(9), { name: 'tree.file', metadata: Buffer.alloc(4) })],
    [
      'an object under the key of another',
      (session) => session.send(Buffer.alloc(4), { name: 'tree.file', metadata: Buffer.alloc(4), resume: 'x' }),
    ],
    ['an object without a number', (session) => session.send(Buffer.alloc(4), { name: 'tree.file' })],
  ])('%s', async (_, attack) => {
    const { to, session, served } = await scene()
    const offering = offer(session, [file('a')])
    offering.catch(() => undefined)
    await until(() => served.trees.length === 1)
    await expect(attack(session)).rejects.toMatchObject({ code: 'ERR_AMST_REJECTED' })
    await expect(offering).rejects.toEqual(rejected('ERR_AMST_PROTOCOL'))
    expect(readdirSync(to)).toEqual(['.dwcp'])
  })

  test('without a tree, and of an unknown kind', async () => {
    const { session } = await scene()
    for (const kind of ['tree.pack', 'tree.file', 'tree.answers', 'other'])
      await expect(session.send(Buffer.alloc(4), { name: kind })).rejects.toEqual(rejected('ERR_AMST_PROTOCOL'))
  })
})

test('a read-only directory takes nothing, and makes nothing', async () => {
  const { to, session } = await scene({ isReadOnly: true })
  await expect(sendTree(session, [ground()])).rejects.toEqual(rejected('ERR_AMST_READ_ONLY'))
  expect(readdirSync(to)).toEqual([])
})

describe('a getter reads nothing outside of what is served', () => {
  test.each(['..', '../outside', 'in/../../outside', '/etc/passwd', 'out/secret', 'out/', '.dwcp', 'in/\0', 'nothing'])(
    '%j',
    async (path) => {
      const { to, outside, session } = await scene()
      mkdirSync(join(to, 'in'))
      symlinkSync(outside, join(to, 'out'))
      const back = ground()
      await using directory = await openTreeDirectory(back, { allowsLinksOut: true })
      const got = await directory.get(session, [path]).catch((error: unknown) => error)
      if (path === 'out/') expect(readlinkSync(join(back, 'out'))).toBe(outside)
      else expect(got).toMatchObject({ code: 'ERR_AMST_REQUEST_FAILED', details: { peerCode: 'ERR_AMST_PATH' } })
      expect(readdirSync(back).filter((one) => !['.dwcp', 'out'].includes(one))).toEqual([])
    },
  )

  test('and gets links as links, and neither pipes nor what waits to become whole', async () => {
    const { to, outside, session } = await scene()
    symlinkSync(outside, join(to, 'out'))
    writeFileSync(join(to, '.dwcp', 'mine'), 'x')
    const back = ground()
    await using directory = await openTreeDirectory(back)
    const report = await directory.get(session, [''])
    expect(report.failures).toEqual([{ path: 'out', code: 'ERR_AMST_PATH' }])
    expect(readdirSync(back)).toEqual(['.dwcp'])
    expect(existsSync(join(back, '.dwcp', 'mine'))).toBe(false)
  })
})

describe('a question that is none is refused', () => {
  test.each<[string, Buffer, string]>([
    ['empty', Buffer.alloc(0), 'ERR_AMST_PROTOCOL'],
    ['another version', Buffer.of(2, 0), 'ERR_AMST_VERSION'],
    ['cut', encodeQuestion({ comparesContents: false, resumes: true, paths: [Buffer.from('abc')] }).subarray(0, 5), 'ERR_AMST_PROTOCOL'],
  ])('%s', async (_, payload, peerCode) => {
    const { session } = await scene()
    await expect(session.request('tree.get', payload)).rejects.toMatchObject({ details: { peerCode } })
  })
})

test('a second tree at the same time is refused, and a third one after the first is not', async () => {
  const { session, served } = await scene()
  const first = offer(session, [file('a')])
  first.catch(() => undefined)
  await until(() => served.trees.length === 1)
  await expect(
    session.send(Buffer.alloc(0), { name: 'tree', metadata: encodeOffer({ comparesContents: false, directory: Buffer.alloc(0) }) }),
  ).rejects.toEqual(rejected('ERR_AMST_LIMIT'))
  await session.send(encodePack([{ entry: 0, bytes: Buffer.from('four') }]), { name: 'tree.pack' })
  await first
  await offer(session, [symlink('b', 'a')])
  expect(served.trees).toHaveLength(2)
})

test('the staging folder of another user, and a link in its place, are not used', async () => {
  const [to, outside] = [ground(), ground()]
  symlinkSync(outside, join(to, '.dwcp'))
  await expect(openTreeDirectory(to)).rejects.toMatchObject({ code: 'ERR_AMST_PATH' })
  rmSync(join(to, '.dwcp'))
  mkdirSync(join(to, '.dwcp'))
  if (process.geteuid?.() !== 0) return
  const { chownSync } = await import('node:fs')
  chownSync(join(to, '.dwcp'), 12_345, 12_345)
  await expect(openTreeDirectory(to)).rejects.toMatchObject({ code: 'ERR_AMST_PATH' })
})
