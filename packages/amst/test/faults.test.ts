import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { connect, listen } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { firstOf, pairThroughProxy, until } from './pair.ts'

test.each([0, 1, 3])('an object arrives whole when stream %i is cut in its middle, and the stream is replaced', async (index) => {
  const { a, b, proxy } = await pairThroughProxy()
  await until(() => proxy.connections === 4)
  const bytes = randomBytes(30_000_000)
  const sending = a.send(bytes)
  const transfer = await firstOf(b)
  const parts: Uint8Array[] = []
  for await (const part of transfer.stream) {
    parts.push(part)
    if (parts.length === 20) proxy.cutOne(index)
  }
  transfer.complete()
  expect((await sending).lengthBytes).toBe(bytes.byteLength)
  expect(bytes.equals(Buffer.concat(parts))).toBe(true)
  await until(() => a.stats().streams.length === 4 && b.stats().streams.length === 4)
  expect(a.stats().streamsLost).toBe(1)
})

test('messages stay in order and complete when the stream that carries them is cut again and again', async () => {
  const { a, b, proxy } = await pairThroughProxy()
  await until(() => proxy.connections === 4)
  const got: number[] = []
  b.handle('n', async (payload) => {
    got.push(Buffer.from(payload).readUInt32BE(0))
    if (got.length % 500 === 0 && proxy.connections > 1) proxy.cutOne(0)
    return undefined
  })
  const payload = (n: number): Buffer => {
    const bytes = randomBytes(1000)
    bytes.writeUInt32BE(n, 0)
    return bytes
  }
  for (let n = 0; n < 3000; n += 1) expect(a.notify('n', payload(n))).toBe(true)
  await until(() => got.length === 3000)
  expect(got).toEqual(Array.from({ length: 3000 }, (_, n) => n))
  expect(a.stats().streamsLost).toBeGreaterThan(0)
})

test('bits flipped on the way are found: damaged chunks are sent again and no wrong byte is accepted', async () => {
  let passed = 0
  let flips = 0
  const damage = (bytes: Buffer, toServer: boolean): Buffer => {
    // Hellos pass whole: without TLS nothing could tell a damaged one from another peer's.
    if (!toServer || bytes.byteLength < 4096) return bytes
    passed += bytes.byteLength
    if (passed < 1_500_000) return bytes
    passed = 0
    flips += 1
    const damaged = Buffer.from(bytes)
    const at = (flips * 7919) % damaged.byteLength
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (flips % 8))
    return damaged
  }
  const { a, b } = await pairThroughProxy({ damage })
  const bytes = randomBytes(40_000_000)
  const sending = a.send(bytes)
  const transfer = await firstOf(b)
  const parts: Uint8Array[] = []
  for await (const part of transfer.stream) parts.push(part)
  transfer.complete()
  const receipt = await sending
  expect(bytes.equals(Buffer.concat(parts))).toBe(true)
  expect(receipt.lengthBytes).toBe(bytes.byteLength)
  expect(flips).toBeGreaterThan(10)
  expect(b.stats().corruptChunks).toBeGreaterThan(0)
  expect(a.stats().resentBytes).toBeGreaterThan(0)
})

test('a peer that falls silent without a word is given up after the idle time', async () => {
  const { a, b, proxy } = await pairThroughProxy({ limits: { keepAliveMs: 50, idleTimeoutMs: 250, reconnectMs: 300 } })
  await until(() => a.stats().streams.length === 4)
  const pending = a.request('x', new Uint8Array(1)).catch((error: unknown) => error)
  b.handle('x', () => new Promise(() => undefined))
  proxy.freeze()
  expect(await a.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST', cause: { code: 'ERR_AMST_TIMEOUT' } })
  expect(await b.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
  expect(await pending).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
})

test('an object that nobody reads holds its sender at the initial window, and nothing else', async () => {
  const { a, b } = await pairThroughProxy({ limits: { initialWindowBytes: 1_048_576 } })
  let given = 0
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      given += 65_536
      yield randomBytes(65_536)
    }
  }
  const unread = a.send({ stream: source() }).catch((error: unknown) => error)
  await firstOf(b)
  b.handle('echo', async (payload) => payload)
  for (let n = 0; n < 20; n += 1) await a.request('echo', randomBytes(1000))
  expect(given).toBeLessThanOrEqual(1_048_576 + 65_536)
  const other = a.send(randomBytes(5_000_000))
  const transfer = await firstOf(b)
  for await (const _chunk of transfer.stream) void _chunk
  transfer.complete()
  expect((await other).lengthBytes).toBe(5_000_000)
  b.destroy()
  expect(await unread).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
})

test('an object whose path holds more than its window gets a wider one, within its bounds, once its reader keeps up', async () => {
  const MIB = 2 ** 20
  const limits = { initialWindowBytes: MIB, objectWindowBytes: MIB, objectWindowMaxBytes: 8 * MIB }
  const { a, b } = await pairThroughProxy({ delayMs: 20, limits })
  let given = 0
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      given += 65_536
      yield new Uint8Array(65_536)
    }
  }
  const sent = a.send({ stream: source() }).catch((error: unknown) => error)
  const reader = (await firstOf(b)).stream[Symbol.asyncIterator]()
  let read = 0
  while (read < 40 * MIB) read += (await reader.next()).value?.byteLength ?? 0
  let before = -1
  while (given !== before) {
    before = given
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  expect(given - read).toBeGreaterThan(2 * MIB)
  expect(given - read).toBeLessThanOrEqual(8 * MIB + 65_536)
  await reader.return?.()
  expect(await sent).toMatchObject({ code: 'ERR_AMST_REJECTED' })
})

test('garbage and half a hello cost a bounded time, and the listener serves on', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true, limits: { handshakeTimeoutMs: 200, unauthenticatedConnections: 3 } })
  onTestFinished(() => server.close())
  const stranger = (bytes: Uint8Array): Promise<unknown> => {
    const socket = connectTcp(server.address)
    socket.on('error', () => undefined).resume()
    socket.write(bytes)
    return new Promise((resolve) => socket.once('close', resolve))
  }
  await Promise.all(
    [
      randomBytes(5000),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from('AMS3\x01\x01\xff\xff'),
      Buffer.from('AMS3\x01\x09\x00\x00'),
    ].map(stranger),
  )
  // Three are kept waiting for the rest of their hello, a fourth is not let in.
  await Promise.all([0, 1, 2, 3].map(() => stranger(Buffer.from('AMS3\x01\x01\x00\x40half'))))
  await using session = await connect(server.address, { nodeId: 'a', plaintext: true })
  expect(session.peer.nodeId).toBe('b')
})

const SESSIONS = Number(process.env['DWCP_SESSIONS'] ?? 300)

test(`${SESSIONS} sessions opened, used and closed leave no descriptor behind, and no memory`, {
  timeout: 30_000 + SESSIONS * 60,
}, async () => {
  const authority = await createAuthority()
  const tls = { a: await authority.credentials('a'), b: await authority.credentials('b') }
  const servers = [await listen({ nodeId: 'b', plaintext: true }), await listen({ nodeId: 'b', tls: tls.b })] as const
  onTestFinished(async () => void (await Promise.all(servers.map((server) => server.close()))))
  for (const server of servers)
    void (async () => {
      for await (const session of server) void (async () => void (await (await firstOf(session)).saveTo({ write: () => undefined })))()
    })()
  const bytes = randomBytes(10_000)
  const useOnce = async (isSealed: boolean): Promise<void> => {
    const security = isSealed ? { tls: tls.a } : { plaintext: true }
    const session = await connect(servers[isSealed ? 1 : 0].address, { nodeId: 'a', ...security, streams: 3 })
    await session.send(bytes)
    await session.close()
  }
  const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length
  const heapBytes = (): number => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  await useOnce(false)
  const before = await descriptors()
  const heap: number[] = []
  for (let opened = 0; opened < SESSIONS; opened += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, n) => useOnce(n === 0)))
    if (opened % Math.ceil(SESSIONS / 20) < 10) heap.push(heapBytes())
  }
  while ((await descriptors()) > before) await sleep(20)
  const half = Math.floor(heap.length / 2)
  // A floor, since what was just used comes and goes; V8's compiled code grows for a while.
  expect(Math.min(...heap.slice(half)) - Math.min(...heap.slice(Math.floor(half / 2), half))).toBeLessThan(6 << 20)
})

/** Without a flag for the whole process. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}
