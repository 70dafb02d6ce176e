import { randomBytes } from 'node:crypto'
import { appendFile, chmod, mkdtemp, open, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { fileSource, type SendSource, type Sink } from '../src/index.ts'
import { firstOf, pairThroughProxy } from './pair.ts'

const BYTES = randomBytes(5_000_003)

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'amst-sinks-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

/** Sends and saves; what either end came to. */
async function carry(source: SendSource, sink: Sink, mode?: number): Promise<readonly PromiseSettledResult<unknown>[]> {
  const { a, b } = await pairThroughProxy()
  return Promise.allSettled([a.send(source), firstOf(b).then((transfer) => transfer.saveTo(sink, mode === undefined ? {} : { mode }))])
}

const well = [{ status: 'fulfilled' }, { status: 'fulfilled' }]

/** The files of a folder that this process has open. */
async function openIn(root: string): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd')
  // The descriptor that read the list is closed again.
  const files = await Promise.all(descriptors.map((descriptor) => readlink(`/proc/self/fd/${descriptor}`).catch(() => '')))
  return files.filter((file) => file.startsWith(root))
}

test('a file is saved under its path with its mode and nothing beside it', async () => {
  const at = await folder()
  await writeFile(join(at, 'from'), BYTES)
  await writeFile(join(at, 'to'), 'what was there')
  expect(await carry(await fileSource(join(at, 'from')), join(at, 'to'), 0o640)).toMatchObject(well)
  expect(BYTES.equals(await readFile(join(at, 'to')))).toBe(true)
  expect((await stat(join(at, 'to'))).mode & 0o777).toBe(0o640)
  expect(await readdir(at)).toEqual(['from', 'to'])
})

test('until it is whole, a file is under another name that only its owner reads', async () => {
  const at = await folder()
  const { a, b } = await pairThroughProxy()
  let finish = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    finish = resolve
  })
  async function* slow(): AsyncGenerator<Uint8Array, void, undefined> {
    yield BYTES.subarray(0, 1000)
    await gate
    yield BYTES.subarray(1000, 2000)
  }
  const sending = a.send(slow())
  const saving = (await firstOf(b)).saveTo(join(at, 'to'))
  let names = await readdir(at)
  while (names.length === 0) names = await readdir(at)
  expect(names).toEqual([expect.stringMatching(/^to\.[0-9a-f]{16}\.part$/)])
  expect((await stat(join(at, names[0] ?? ''))).mode & 0o777).toBe(0o600)
  finish()
  await Promise.all([sending, saving])
  expect(BYTES.subarray(0, 2000).equals(await readFile(join(at, 'to')))).toBe(true)
})

test.each([
  [0, 0],
  [1, 1],
  [1_048_575, 2],
  [4_999_999, 4],
  [7, 3_145_728],
])('a part of a file from %i on of %i bytes goes into an open file from its start on', async (offset, lengthBytes) => {
  const at = await folder()
  await writeFile(join(at, 'from'), BYTES)
  await using file = await open(join(at, 'to'), 'w+')
  expect(await carry(await fileSource(join(at, 'from'), { offset, lengthBytes }), file)).toMatchObject(well)
  expect(BYTES.subarray(offset, offset + lengthBytes).equals(await readFile(join(at, 'to')))).toBe(true)
})

test('a part that is not inside the file, and what is no file, are refused at once', async () => {
  const at = await folder()
  await writeFile(join(at, 'from'), 'abc')
  await expect(fileSource(join(at, 'from'), { offset: 2, lengthBytes: 2 })).rejects.toThrow(RangeError)
  await expect(fileSource(join(at, 'from'), { offset: 4 })).rejects.toThrow(RangeError)
  await expect(fileSource(join(at, 'from'), { offset: -1 })).rejects.toThrow(RangeError)
  await expect(fileSource(at)).rejects.toThrow(TypeError)
})

test('a Readable is sent and a Writable gets it and its end', async () => {
  const parts: Buffer[] = []
  const sink = new PassThrough().on('data', (part: Buffer) => parts.push(part))
  expect(await carry(Readable.from([BYTES.subarray(0, 10), BYTES.subarray(10)]), sink)).toMatchObject(well)
  expect(BYTES.equals(Buffer.concat(parts))).toBe(true)
  expect(sink.writableFinished).toBe(true)
})

test('a Readable that gives text is refused, not sent as nothing', async () => {
  const [sent, saved] = await carry(Readable.from([BYTES]).setEncoding('hex'), { write: () => undefined })
  expect(sent).toMatchObject({ reason: expect.any(TypeError) })
  expect(saved).toMatchObject({ reason: { code: 'ERR_AMST_CANCELLED' } })
})

test('a sink of ranges gets each byte once, where it belongs', async () => {
  const got = Buffer.alloc(BYTES.byteLength)
  let written = 0
  const write = async (offset: number, bytes: Uint8Array): Promise<void> => {
    got.set(bytes, offset)
    written += bytes.byteLength
  }
  expect(await carry(BYTES, { write })).toMatchObject(well)
  expect([written, got.equals(BYTES)]).toEqual([BYTES.byteLength, true])
})

test.each<[string, (file: string) => Promise<void>]>([
  ['longer', (file) => appendFile(file, 'x')],
  ['shorter', (file) => writeFile(file, BYTES.subarray(0, 1_500_000))],
  ['another by the same length', (file) => writeFile(file, randomBytes(BYTES.byteLength))],
  ['replaced', (file) => rm(file).then(() => writeFile(file, BYTES))],
  ['touched', (file) => chmod(file, 0o600)],
])('a file that is %s while it is sent is an error at both ends and nothing is kept', async (_change, change) => {
  const at = await folder()
  const from = join(at, 'from')
  await writeFile(from, BYTES)
  const source = await fileSource(from)
  let reads = 0
  const read = async (offset: number, lengthBytes: number): Promise<Uint8Array> => {
    const bytes = await source.read(offset, lengthBytes)
    reads += 1
    if (reads === 2) {
      expect(await openIn(at)).toContain(from)
      await change(from)
    }
    return bytes
  }
  const { a, b } = await pairThroughProxy()
  const [sent, saved] = await Promise.allSettled([
    a.send({ ...source, read }),
    firstOf(b).then((transfer) => transfer.saveTo(join(at, 'to'))),
  ])
  expect(sent).toMatchObject({ reason: { code: 'ERR_AMST_SOURCE_CHANGED', retryable: true } })
  expect(saved).toMatchObject({ reason: { code: 'ERR_AMST_CANCELLED' } })
  expect(await readdir(at)).toEqual(['from'])
  expect(await openIn(at)).toEqual([])
})

test('a full disk is an error at both ends, named by its code, and without a path of the receiver', async () => {
  await using full = await open('/dev/full', 'w')
  const [sent, saved] = await carry(BYTES, full)
  expect(saved).toMatchObject({ reason: { code: 'ERR_AMST_SINK', cause: { code: 'ENOSPC' } } })
  expect(sent).toMatchObject({ reason: { code: 'ERR_AMST_REJECTED', message: expect.stringContaining('ENOSPC') } })
})

test('a path that cannot be is an error at both ends', async () => {
  const at = await folder()
  const [sent, saved] = await carry(BYTES, join(at, 'no', 'folder'))
  expect(saved).toMatchObject({ reason: { code: 'ERR_AMST_SINK', cause: { code: 'ENOENT' } } })
  expect(sent).toMatchObject({ reason: { code: 'ERR_AMST_REJECTED', message: expect.not.stringContaining(at) } })
})

test('a path that is a folder leaves no draft', async () => {
  const at = await folder()
  const to = await mkdtemp(join(at, 'folder-'))
  const [, saved] = await carry(BYTES, to)
  expect(saved).toMatchObject({ reason: { code: 'ERR_AMST_SINK' } })
  expect(await readdir(at)).toHaveLength(1)
})

test('a Writable that breaks ends the transfer, not the process', async () => {
  const sink = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no more')) })
  const [sent, saved] = await carry(BYTES, sink)
  expect(saved).toMatchObject({ reason: { code: 'ERR_AMST_SINK', cause: { message: 'no more' } } })
  expect(sent).toMatchObject({ reason: { code: 'ERR_AMST_REJECTED' } })
  expect(sink.destroyed).toBe(true)
})

test('a signal ends saving in the middle, and the sender hears of it', async () => {
  const at = await folder()
  const { a, b } = await pairThroughProxy()
  const stop = new AbortController()
  async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
    yield BYTES
    stop.abort(new Error('enough'))
    await new Promise(() => undefined)
  }
  const [sent, saved] = await Promise.allSettled([
    a.send(endless()),
    firstOf(b).then((transfer) => transfer.saveTo(join(at, 'to'), { signal: stop.signal })),
  ])
  expect(saved).toMatchObject({ reason: { message: 'enough' } })
  expect(sent).toMatchObject({ reason: { code: 'ERR_AMST_REJECTED' } })
  expect(await readdir(at)).toEqual([])
})

test('a session that dies leaves no draft', async () => {
  const at = await folder()
  const { a, b } = await pairThroughProxy()
  async function* cut(): AsyncGenerator<Uint8Array, void, undefined> {
    yield BYTES
    a.destroy()
  }
  const [sent, saved] = await Promise.allSettled([a.send(cut()), firstOf(b).then((transfer) => transfer.saveTo(join(at, 'to')))])
  const lost = { reason: { code: expect.stringMatching(/^ERR_AMST_/) } }
  expect([sent, saved]).toMatchObject([lost, lost])
  expect(await readdir(at)).toEqual([])
})
