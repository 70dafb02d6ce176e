import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openTreeDirectory, sendTree, type TreeProgress } from '../src/index.ts'
import { until } from './pair.ts'
import { at, ground, listing, type Plant, plant, serve } from './tree-fixture.ts'

const MIB = 2 ** 20

const name = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))).toString('latin1'))
  .filter((text) => !['.', '..', '.dwcp'].includes(text))
// Whole microseconds, and exact as doubles.
const seconds = fc.integer({ min: 0, max: 4e9 }).chain((whole) => fc.integer({ min: 0, max: 63 }).map((part) => whole + part / 64))
const file: fc.Arbitrary<Plant> = fc.record({
  kind: fc.constant('file' as const),
  bytes: fc.uint8Array({ maxLength: 300 }),
  mode: fc.integer({ min: 0, max: 0o777 }),
  seconds,
})
const symlink: fc.Arbitrary<Plant> = fc.record({
  kind: fc.constant('symlink' as const),
  target: fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => Buffer.from(names.join('/'), 'latin1')),
  seconds,
})
const { inside } = fc.letrec<{ inside: ReadonlyMap<string, Plant>; directory: Plant }>((tie) => ({
  inside: fc
    .array(fc.tuple(name, fc.oneof({ maxDepth: 3 }, file, symlink, tie('directory'))), { maxLength: 8 })
    .chain((pairs) => fc.boolean().map((isLinked) => withLink(new Map(pairs), isLinked))),
  directory: fc.record({
    kind: fc.constant('directory' as const),
    mode: fc.integer({ min: 0, max: 0o777 }),
    seconds,
    inside: tie('inside'),
  }),
}))

/** Another name for the first file, before or after it in order. */
function withLink(entries: ReadonlyMap<string, Plant>, isLinked: boolean): ReadonlyMap<string, Plant> {
  const [to] = [...entries].find(([, { kind }]) => kind === 'file') ?? []
  return !isLinked || to === undefined || entries.has(`\x01${to}`) ? entries : new Map([...entries, [`\x01${to}`, { kind: 'link', to }]])
}

test('any tree arrives as it is, with names of any bytes, modes, times and links, there and back', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(inside, async (entries) => {
      const [from, to, back] = [ground(), ground(), ground()]
      for (const [entry, what] of entries) plant(from, entry, what)
      const served = await serve(to)
      const sent = await sendTree(await served.call(), [`${from}/`])
      expect(listing(to)).toEqual(listing(from))
      expect(sent.failures).toEqual([])
      await using directory = await openTreeDirectory(back)
      const got = await directory.get(await served.call(), [''])
      expect(listing(back)).toEqual(listing(from))
      expect(got).toMatchObject({ entries: sent.entries, files: sent.files, bytes: sent.bytes, failed: 0 })
      // Again: everything is there.
      expect(await sendTree(await served.call(), [`${from}/`])).toMatchObject({ files: sent.files, movedFiles: 0, failed: 0 })
      await served.close()
    }),
    { numRuns: Number(process.env['DWCP_TREES'] ?? 25) },
  )
})

test('small files travel together and large ones alone, and only what differs travels again', async () => {
  const [from, to] = [ground(), ground()]
  const src = join(from, 'src')
  mkdirSync(src)
  for (let folder = 0; folder < 20; folder += 1) {
    mkdirSync(join(src, `d${folder}`))
    for (let one = 0; one < 50; one += 1) writeFileSync(join(src, `d${folder}`, `f${one}`), randomBytes(3000))
  }
  for (const large of [1, 2, 3]) writeFileSync(join(src, `large${large}`), randomBytes(large * 3 * MIB))
  const served = await serve(to)
  const session = await served.call()
  const seen: TreeProgress[] = []
  const report = await sendTree(session, [src], { onProgress: (progress) => seen.push(progress) })
  expect(report).toMatchObject({ entries: 1024, files: 1003, movedFiles: 1003, movedBytes: report.bytes, failed: 0 })
  expect(listing(to)).toEqual(listing(from))
  expect(seen.at(-1)).toEqual({
    files: 1003,
    filesDone: 1003,
    bytes: report.bytes,
    bytesDone: report.bytes,
    bytesMoved: report.bytes,
    isListed: true,
  })
  // The manifest, three packs and three files, and few more where a pack was due before it was full.
  expect(session.stats().objectsSent).toBeLessThan(15)

  writeFileSync(join(src, 'd3', 'f7'), 'other')
  utimesSync(join(src, 'd4', 'f8'), 5, 5)
  rmSync(join(to, 'src', 'd5'), { recursive: true })
  expect(await sendTree(await served.call(), [src])).toMatchObject({ movedFiles: 52, failed: 0 })
  expect(listing(to)).toEqual(listing(from))

  await served.close()
  expect(readdirSync(to)).toEqual(['src'])
})

test('by contents, a file with another time is not sent, and one with other bytes of the same length and time is', async () => {
  const [from, to] = [ground(), ground()]
  for (const [index, one] of ['a', 'b', 'c'].entries()) plant(from, one, { kind: 'file', bytes: Buffer.alloc(5000, index), seconds: 1e9 })
  const served = await serve(to)
  await sendTree(await served.call(), [`${from}/`])
  utimesSync(join(to, 'a'), 7, 7)
  plant(to, 'b', { kind: 'file', bytes: Buffer.alloc(5000, 9), seconds: 1e9 })
  expect(await sendTree(await served.call(), [`${from}/`], { comparesContents: true })).toMatchObject({ movedFiles: 1, failed: 0 })
  expect(listing(to)).toEqual(listing(from))
})

test('a large file that broke off goes on where it was, in another session and after the receiver began anew', async () => {
  const [from, to] = [ground(), ground()]
  const bytes = randomBytes(24 * MIB)
  writeFileSync(join(from, 'disk'), bytes)
  const first = await serve(to)
  const session = await first.call()
  const sending = sendTree(session, [join(from, 'disk')])
  sending.catch(() => undefined)
  await until(() => session.stats().sentBytes > 14 * MIB)
  await first.close()
  await expect(sending).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_AMST_/) })
  expect(existsSync(join(to, 'disk'))).toBe(false)

  const second = await serve(to)
  const again = await second.call()
  expect(await sendTree(again, [join(from, 'disk')])).toMatchObject({ movedFiles: 1, failed: 0 })
  expect(again.stats().sentBytes).toBeLessThan(20 * MIB)
  expect(readFileSync(join(to, 'disk')).equals(bytes)).toBe(true)
  await second.close()
  expect(readdirSync(to)).toEqual(['disk'])
})

test('without resuming, nothing of what broke off is used', async () => {
  const [from, to] = [ground(), ground()]
  writeFileSync(join(from, 'disk'), randomBytes(12 * MIB))
  const served = await serve(to)
  const session = await served.call()
  const stop = new AbortController()
  const reason = new Error('enough')
  const sending = sendTree(session, [join(from, 'disk')], { resumes: false, signal: stop.signal })
  sending.catch(() => undefined)
  await until(() => session.stats().sentBytes > 6 * MIB)
  stop.abort(reason)
  await expect(sending).rejects.toBe(reason)
  await expect(served.trees[0]?.report).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_AMST_(CANCELLED|REJECTED)$/) })
  const again = await served.call()
  await sendTree(again, [join(from, 'disk')], { resumes: false })
  expect(again.stats().sentBytes).toBeGreaterThan(12 * MIB)
})

test('holes arrive as holes', async () => {
  const [from, to] = [ground(), ground()]
  truncateSync(writeEmpty(join(from, 'sparse')), 40 * MIB)
  execFileSync('dd', ['if=/dev/urandom', `of=${join(from, 'sparse')}`, 'bs=1M', 'count=1', 'seek=20', 'conv=notrunc', 'status=none'])
  utimesSync(join(from, 'sparse'), 1e9, 1e9)
  const served = await serve(to)
  await sendTree(await served.call(), [`${from}/`])
  expect(readFileSync(join(to, 'sparse')).equals(readFileSync(join(from, 'sparse')))).toBe(true)
  expect(statSync(join(to, 'sparse')).blocks * 512).toBeLessThan(4 * MIB)
})

test('what cannot be read or made is told to both sides, and the rest arrives', async () => {
  const [from, to] = [ground(), ground()]
  for (const one of ['a', 'b', 'c']) plant(from, one, { kind: 'file', bytes: Buffer.from(one) })
  execFileSync('mkfifo', [join(from, 'pipe')])
  mkdirSync(join(to, 'b'))
  const served = await serve(to)
  const report = await sendTree(await served.call(), [`${from}/`])
  expect(report.failed).toBe(2)
  expect(report.failures).toEqual(
    expect.arrayContaining([
      { path: 'pipe', code: 'ERR_AMST_PATH' },
      { path: 'b', code: 'EISDIR' },
    ]),
  )
  expect(await served.trees[0]?.report).toMatchObject({ failures: [{ path: 'b', code: 'EISDIR' }] })
  expect(readdirSync(to).sort()).toEqual(['.dwcp', 'a', 'b', 'c'])
})

test('a file that changed after it was listed is told, and not taken', async () => {
  const [from, to] = [ground(), ground()]
  for (const [one, length] of Object.entries({ small: 100, large: 2 * MIB })) writeFileSync(join(from, one), randomBytes(length))
  const served = await serve(to)
  let isListed = false
  const report = await sendTree(await served.call(), [`${from}/`], {
    onProgress: () => {
      if (isListed) return
      isListed = true
      for (const one of ['small', 'large']) writeFileSync(join(from, one), 'changed')
    },
  })
  expect(report.failures.map(({ code }) => code)).toEqual(['ERR_AMST_SOURCE_CHANGED', 'ERR_AMST_SOURCE_CHANGED'])
  expect(readdirSync(to)).toEqual(['.dwcp'])
})

test('paths from several places go side by side, and two of one name do not', async () => {
  const [from, to] = [ground(), ground()]
  for (const one of ['x', 'y'])
    plant(from, one, { kind: 'directory', inside: new Map([['same', { kind: 'file', bytes: Buffer.from(one) }]]) })
  const served = await serve(to)
  await sendTree(await served.call(), [join(from, 'y'), join(from, 'x')], { directory: 'deep/er' })
  expect(readFileSync(join(to, 'deep', 'er', 'y', 'same'), 'utf8')).toBe('y')
  await expect(sendTree(await served.call(), [join(from, 'x', 'same'), join(from, 'y', 'same')])).rejects.toBeInstanceOf(RangeError)
  await expect(sendTree(await served.call(), [join(from, 'nothing')])).rejects.toMatchObject({ code: 'ENOENT' })
})

test('times are right to a microsecond', async () => {
  const [from, to] = [ground(), ground()]
  plant(from, 'x', { kind: 'file', bytes: Buffer.from('1') })
  execFileSync('touch', ['-d', '2026-01-02 03:04:05.123456789Z', join(from, 'x')])
  const served = await serve(to)
  await sendTree(await served.call(), [`${from}/`])
  const apart = statSync(join(to, 'x'), { bigint: true }).mtimeNs - statSync(join(from, 'x'), { bigint: true }).mtimeNs
  expect(Math.abs(Number(apart))).toBeLessThan(1000)
  expect(await sendTree(await served.call(), [`${from}/`])).toMatchObject({ movedFiles: 0 })
})

test('what is not text is named with escapes', async () => {
  const [from, to] = [ground(), ground()]
  plant(from, 'caf\xe9\n', { kind: 'file', bytes: Buffer.from('1') })
  mkdirSync(at(to, 'caf\xe9\n'))
  const served = await serve(to)
  expect((await sendTree(await served.call(), [`${from}/`])).failures).toEqual([{ path: 'caf\\xe9\\x0a', code: 'EISDIR' }])
})

function writeEmpty(path: string): string {
  writeFileSync(path, '')
  return path
}
