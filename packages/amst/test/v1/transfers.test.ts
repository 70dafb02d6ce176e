import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { connect, fileSource, listen, type SendSource, type Sink, sendV1, type V1Progress, type V1Saved } from '../../src/index.ts'
import { firstOf as firstOfSession } from '../pair.ts'
import { chunkOf, chunksOf, dialled, endOf, firstOf, listening, recording } from './wire.ts'

const BYTES = randomBytes(3_000_003)

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'amst-v1-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

/** Sends and saves; what either end came to. */
async function carry(source: SendSource, sink: Sink, mode = 0o600): Promise<readonly PromiseSettledResult<unknown>[]> {
  const server = await listening()
  return Promise.allSettled([
    sendV1(server.address, source, { plaintext: true }),
    firstOf(server).then((transfer) => transfer.saveTo(sink, { mode })),
  ])
}

const TERMS = { protocol: 'v1', security: 'plaintext', integrity: 'none' }
const stored = [
  { status: 'fulfilled', value: { ...TERMS, lengthBytes: BYTES.byteLength, chunks: 46, connections: 16, wasClosedByPeer: true } },
  { status: 'fulfilled', value: { ...TERMS, from: '127.0.0.1', lengthBytes: BYTES.byteLength } },
]

test('a file is sent and saved under its path with its mode and nothing beside it', async () => {
  const at = await folder()
  await writeFile(join(at, 'from'), BYTES)
  await writeFile(join(at, 'to'), 'what was there')
  expect(await carry(await fileSource(join(at, 'from')), join(at, 'to'), 0o640)).toEqual(stored)
  expect(BYTES.equals(await readFile(join(at, 'to')))).toBe(true)
  expect((await stat(join(at, 'to'))).mode & 0o777).toBe(0o640)
  expect(await readdir(at)).toEqual(['from', 'to'])
})

test.each<[string, () => SendSource]>([
  ['bytes', () => BYTES],
  [
    'a stream in large pieces',
    () => ({ lengthBytes: BYTES.byteLength, stream: Readable.from([BYTES.subarray(0, 2_000_000), BYTES.subarray(2_000_000)]) }),
  ],
  ['a stream in small pieces', () => ({ lengthBytes: BYTES.byteLength, stream: pieces(997) })],
  ['a stream in pieces as long as chunks', () => ({ lengthBytes: BYTES.byteLength, stream: pieces(65_536) })],
])('%s of a sender arrive in an open file, a Writable, ranges and memory', async (_, source) => {
  const file = await open(join(await folder(), 'to'), 'w+')
  onTestFinished(() => file.close())
  expect(await carry(source(), file)).toEqual(stored)
  expect(BYTES.equals(await file.readFile())).toBe(true)

  const parts: Buffer[] = []
  const writable = new PassThrough().on('data', (part) => parts.push(part))
  expect(await carry(source(), writable)).toEqual(stored)
  expect(BYTES.equals(Buffer.concat(parts))).toBe(true)

  const ranges = Buffer.alloc(BYTES.byteLength)
  expect(await carry(source(), { write: (offset: number, bytes: Uint8Array) => ranges.set(bytes, offset) })).toEqual(stored)
  expect(BYTES.equals(ranges)).toBe(true)

  const server = await listening()
  const [, bytes] = await Promise.all([sendV1(server.address, source(), { plaintext: true }), firstOf(server).then((one) => one.bytes())])
  expect(BYTES.equals(bytes)).toBe(true)
})

async function* pieces(lengthBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < BYTES.byteLength; at += lengthBytes) yield BYTES.subarray(at, at + lengthBytes)
}

test.each([
  [1, 16, 65_536],
  [4096, 1, 4096],
  [4097, 2, 4096],
  [65_536, 16, 65_536],
  [1_048_577, 4, 1_048_576],
  [3_000_003, 256, 4096],
])('%i bytes arrive on %i connections in chunks of %i', async (lengthBytes, connections, chunkBytes) => {
  const server = await listening()
  const warnings: Error[] = []
  const warn = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warn)
  const object = BYTES.subarray(0, lengthBytes)
  const options = { plaintext: true, connections, chunkBytes } as const
  const [sent, bytes] = await Promise.all([sendV1(server.address, object, options), firstOf(server).then((transfer) => transfer.bytes())])
  expect(object.equals(bytes)).toBe(true)
  expect(sent).toMatchObject({ lengthBytes, connections, chunks: Math.ceil(lengthBytes / chunkBytes), wasClosedByPeer: true })
  process.off('warning', warn)
  expect(warnings).toEqual([])
})

test('progress is told at both ends, up to the last byte', async () => {
  const server = await listening()
  const [sent, saved]: [V1Progress[], V1Progress[]] = [[], []]
  await Promise.all([
    sendV1(server.address, BYTES, { plaintext: true, onProgress: (progress) => sent.push(progress) }),
    firstOf(server).then((transfer) => transfer.bytes({ onProgress: (progress) => saved.push(progress) })),
  ])
  const whole = { doneBytes: BYTES.byteLength, lengthBytes: BYTES.byteLength }
  expect([sent.at(-1), saved.at(-1)]).toEqual([whole, whole])
  expect(sent).toHaveLength(46)
  for (const told of [sent, saved]) expect(told.every(({ doneBytes }, n) => doneBytes > (told[n - 1]?.doneBytes ?? 0))).toBe(true)
})

test('v1 and v3 peers are served by one process at the same time', async () => {
  const [v1, v3] = [await listening(), await listen({ nodeId: 'b', plaintext: true })]
  onTestFinished(() => v3.close())
  const others = [randomBytes(5_000_000), randomBytes(5_000_000)] as const
  const session = await connect(v3.address, { nodeId: 'a', plaintext: true })
  onTestFinished(() => session.close())
  const accepted = (await v3[Symbol.asyncIterator]().next()).value
  accepted.handle('echo', async (payload: Uint8Array) => payload)
  const overV1: Buffer = Buffer.alloc(others[0].byteLength)
  const overV3: Buffer = Buffer.alloc(others[1].byteLength)
  const echo = async (): Promise<void> => {
    for (let n = 0; n < 50; n += 1)
      expect(BYTES.subarray(0, n + 1).equals(await session.request('echo', BYTES.subarray(0, n + 1)))).toBe(true)
  }
  await Promise.all([
    sendV1(v1.address, others[0], { plaintext: true }),
    session.send(others[1]),
    firstOf(v1).then((transfer) => transfer.saveTo({ write: (offset: number, bytes: Uint8Array) => overV1.set(bytes, offset) })),
    firstOfSession(accepted).then((transfer) =>
      transfer.saveTo({ write: (offset: number, bytes: Uint8Array) => overV3.set(bytes, offset) }),
    ),
    echo(),
  ])
  expect(others[0].equals(overV1) && others[1].equals(overV3)).toBe(true)
})

test('neither port takes the other protocol', async () => {
  const [v1, v3] = [await listening(), await listen({ nodeId: 'b', plaintext: true })]
  onTestFinished(() => v3.destroy())
  await expect(connect(v1.address, { nodeId: 'a', plaintext: true })).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_AMST_(HANDSHAKE|UNREACHABLE)$/),
  })
  await expect(sendV1(v3.address, BYTES, { plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
  expect(v1.stats()).toMatchObject({ transfersOpen: 0, connectionsRefused: 1 })
})

test('a sender of two transfers without a pause between them gets both stored, each by itself', async () => {
  const at = await folder()
  const server = await listening()
  const [one, two] = [BYTES.subarray(0, 70_000), BYTES.subarray(70_000, 200_000)]
  for (const object of [one, two]) {
    for (const chunk of chunksOf(object, 65_536)) (await dialled(server.address)).end(chunk)
  }
  const saved: V1Saved[] = []
  for await (const transfer of server) {
    saved.push(await transfer.saveTo(join(at, `${transfer.lengthBytes}`)))
    if (saved.length === 2) break
  }
  expect(one.equals(await readFile(join(at, '70000')))).toBe(true)
  expect(two.equals(await readFile(join(at, '130000')))).toBe(true)
})

test('twenty transfers in a row from one sender arrive, also of the same length', async () => {
  const server = await listening()
  const all = (async () => {
    for (let n = 0; n < 20; n += 1) await sendV1(server.address, BYTES.subarray(n, n + 100_000), { plaintext: true, connections: 4 })
    await server.close()
  })()
  let n = 0
  for await (const transfer of server) {
    expect(BYTES.subarray(n, n + 100_000).equals(await transfer.bytes())).toBe(true)
    n += 1
  }
  await all
  expect(n).toBe(20)
  expect(server.stats()).toMatchObject({ transfersStored: 20, transfersFailed: 0, connectionsRefused: 0, connections: 0 })
})

test('one process sends one transfer at a time to one port', async () => {
  const server = await listening()
  const first = sendV1(server.address, BYTES, { plaintext: true })
  await expect(sendV1(server.address, BYTES, { plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_LIMIT', retryable: true })
  await Promise.all([first, firstOf(server).then((transfer) => transfer.bytes())])
  await Promise.all([sendV1(server.address, BYTES, { plaintext: true }), firstOf(server).then((transfer) => transfer.bytes())])
})

test('a Writable is written in order whatever came first, and holds what its bound allows and no more', async () => {
  const object = BYTES.subarray(0, 40_960)
  const chunks = chunksOf(object, 4096)
  const written = async (streams: readonly Buffer[], idleTimeoutMs = 20_000): Promise<Buffer> => {
    const server = await listening({ limits: { reorderBytes: 16_384, idleTimeoutMs } })
    for (const stream of streams) (await dialled(server.address)).end(stream)
    const parts: Buffer[] = []
    await (await firstOf(server)).saveTo(new PassThrough().on('data', (part) => parts.push(part)))
    return Buffer.concat(parts)
  }
  // Each chunk on a connection of its own: those that come too early wait there.
  expect(object.equals(await written(chunks.toReversed()))).toBe(true)
  // All on one: the first lies behind more than may be held.
  await expect(written([Buffer.concat(chunks.toReversed())], 100)).rejects.toMatchObject({ code: 'ERR_AMST_TIMEOUT' })
  // Three chunks before the first, and what their pieces cost, have room.
  expect(object.equals(await written([Buffer.concat([...chunks.slice(0, 4).toReversed(), ...chunks.slice(4)])]))).toBe(true)
})

test('the sender learns by a reset that its transfer was not stored, and by an orderly end that it was', async () => {
  const at = await folder()
  const [sent, saved] = await carry(BYTES, join(at, 'no', 'folder'))
  expect(saved).toMatchObject({ reason: { code: 'ERR_AMST_SINK', cause: { code: 'ENOENT' } } })
  expect(sent).toMatchObject({ reason: { code: 'ERR_AMST_PEER_LOST', retryable: true } })
  const server = await listening()
  const socket = await dialled(server.address)
  socket.end(chunkOf(0, 0, BYTES.subarray(0, 100), 100))
  const end = endOf(socket)
  const transfer = await firstOf(server)
  await transfer.saveTo(join(at, 'to'))
  // Its end came after the file.
  expect([await end, (await readFile(join(at, 'to'))).byteLength]).toEqual(['ended', 100])
})

test('a signal ends either end, and the other one hears of it', async () => {
  const at = await folder()
  const server = await listening()
  const stop = new AbortController()
  const sending = sendV1(server.address, { lengthBytes: 10_000_000, stream: stalled() }, { plaintext: true, signal: stop.signal })
  const saving = firstOf(server).then((transfer) => transfer.saveTo(join(at, 'to')))
  const settled = Promise.allSettled([sending, saving])
  setTimeout(() => stop.abort(new Error('enough')), 50)
  expect(await settled).toMatchObject([{ reason: { message: 'enough' } }, { reason: { code: 'ERR_AMST_PEER_LOST' } }])
  const other = new AbortController()
  const again = Promise.allSettled([
    sendV1(server.address, { lengthBytes: 10_000_000, stream: stalled() }, { plaintext: true }),
    firstOf(server).then((transfer) => transfer.saveTo(join(at, 'to'), { signal: other.signal })),
  ])
  setTimeout(() => other.abort(new Error('no more')), 50)
  expect(await again).toMatchObject([{ reason: { code: 'ERR_AMST_PEER_LOST' } }, { reason: { message: 'no more' } }])
  expect(await readdir(at)).toEqual([])
  await expect(sendV1(server.address, BYTES, { plaintext: true, signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
})

async function* stalled(): AsyncGenerator<Uint8Array, void, undefined> {
  yield BYTES
  await new Promise(() => undefined)
}

test.each<[string, Exclude<SendSource, AsyncIterable<Uint8Array> | Uint8Array>, object]>([
  ['is empty', { lengthBytes: 0, read: () => BYTES }, { code: 'ERR_AMST_LIMIT' }],
  ['is longer than 2^32 - 1 bytes', { lengthBytes: 2 ** 32, read: () => BYTES }, { code: 'ERR_AMST_LIMIT' }],
  ['has no length', { stream: pieces(1000) }, { name: 'TypeError' }],
  [
    'is a stream that is shorter than it says',
    { lengthBytes: BYTES.byteLength + 1, stream: pieces(70_000) },
    { code: 'ERR_AMST_SOURCE_LENGTH' },
  ],
  [
    'is a stream that is longer than it says',
    { lengthBytes: BYTES.byteLength - 1, stream: pieces(70_000) },
    { code: 'ERR_AMST_SOURCE_LENGTH' },
  ],
  ['gives less than it was asked for', { lengthBytes: 100, read: () => BYTES.subarray(0, 99) }, { code: 'ERR_AMST_SOURCE_LENGTH' }],
  ['gives text', { lengthBytes: 3, stream: Readable.from(['abc']) }, { name: 'TypeError' }],
  [
    'changes',
    { lengthBytes: 100, read: () => BYTES.subarray(0, 100), check: () => Promise.reject(new Error('changed')) },
    { message: 'changed' },
  ],
])('of a source that %s no receiver ever has the whole', async (_, source, error) => {
  const receiver = await recording()
  const sent = sendV1(receiver.address, source, { plaintext: true, connections: 2 })
  await expect(sent).rejects.toMatchObject(error)
  const streams = await Promise.all(receiver.streams)
  expect(streams.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThan(source.lengthBytes || 1)
})

test('what cannot be v1 is refused before anything is dialled', async () => {
  const nowhere = { host: '127.0.0.1', port: 9 }
  for (const wrong of [{ connections: 0 }, { connections: 257 }, { connections: 1.5 }, { chunkBytes: 4095 }, { chunkBytes: 1_048_577 }])
    await expect(sendV1(nowhere, BYTES, { plaintext: true, ...wrong })).rejects.toThrow(RangeError)
  await expect(sendV1('10.0.0.1:7400', BYTES, { plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
  await expect(sendV1(nowhere, BYTES, JSON.parse('{}'))).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
})

test('a peer that is not there, takes nothing, breaks off or talks is told apart', async () => {
  await expect(sendV1({ host: '127.0.0.1', port: 1 }, BYTES, { plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_UNREACHABLE' })
  const peers = [
    ['ERR_AMST_TIMEOUT', createServer((socket) => void socket.pause().on('error', () => undefined))],
    ['ERR_AMST_PEER_LOST', createServer((socket) => void socket.once('data', () => socket.resetAndDestroy()))],
    ['ERR_AMST_PROTOCOL', createServer((socket) => void socket.on('error', () => undefined).write('SSH-2.0-OpenSSH_9.2\r\n'))],
  ] as const
  for (const [code, peer] of peers) {
    onTestFinished(() => void peer.close())
    await once(peer.listen(0, '127.0.0.1'), 'listening')
    const bound = peer.address()
    const address = { host: '127.0.0.1', port: bound !== null && typeof bound === 'object' ? bound.port : 0 }
    const sent = sendV1(
      address,
      { lengthBytes: 1_000_000_000, read: (_, lengthBytes) => new Uint8Array(lengthBytes) },
      { plaintext: true, idleTimeoutMs: 300 },
    )
    await expect(sent).rejects.toMatchObject({ code })
  }
})

test('a peer that has all and leaves its ends open is not waited for, and said to have done so', async () => {
  const peer = createServer({ allowHalfOpen: true }, (socket) => void socket.on('error', () => undefined).resume())
  onTestFinished(() => void peer.close())
  await once(peer.listen(0, '127.0.0.1'), 'listening')
  const bound = peer.address()
  const address = { host: '127.0.0.1', port: bound !== null && typeof bound === 'object' ? bound.port : 0 }
  expect(await sendV1(address, BYTES, { plaintext: true, closeTimeoutMs: 50 })).toMatchObject({ wasClosedByPeer: false })
})
