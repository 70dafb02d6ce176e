import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import type { Socket, TcpNetConnectOpts } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { listenV1, sendV1, type V1Server } from '../../src/index.ts'
import { until } from '../pair.ts'
import { chunkOf, chunksOf, dialled, endOf, firstOf, listening, refused } from './wire.ts'

const OBJECT = randomBytes(30)
/** Three chunks of ten bytes, where the bounds let chunks be so short. */
const CHUNKS = chunksOf(OBJECT, 10)
const SHORT = { chunkBytesMin: 10, handshakeTimeoutMs: 150, closeTimeoutMs: 500 }
const IMPATIENT = { ...SHORT, idleTimeoutMs: 150 }

/** What the listener's application got. */
function taken(server: V1Server): Promise<PromiseSettledResult<Uint8Array>> {
  return Promise.allSettled([firstOf(server).then((transfer) => transfer.bytes())]).then(([result]) => result)
}

describe.each([
  ['ended', (socket: Socket): void => void socket.end()],
  ['reset', (socket: Socket): void => void socket.resetAndDestroy()],
] as const)('a connection that is %s', (_, leave) => {
  const stream = Buffer.concat(CHUNKS.slice(1))

  test('at any byte before its last never makes a whole transfer', async () => {
    const server = await listening({ limits: IMPATIENT })
    for (let cut = 0; cut < stream.byteLength; cut += 1) {
      const result = taken(server)
      const [other, socket] = [await dialled(server.address), await dialled(server.address)]
      other.end(CHUNKS[0] ?? '')
      await new Promise<void>((resolve) => socket.write(stream.subarray(0, cut), () => resolve()))
      leave(socket)
      expect(await result, `cut at ${cut}`).toMatchObject({ reason: { code: expect.stringMatching(/^ERR_AMST_(PEER_LOST|TIMEOUT)$/) } })
      await until(() => server.stats().connections === 0)
    }
    expect(server.stats()).toMatchObject({ transfersOpen: 0, transfersStored: 0, transfersFailed: stream.byteLength })
  })
})

const header = (...words: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(16)
  for (const [n, word] of words.entries()) bytes.writeUInt32BE(word, 4 * n)
  return bytes
}

test.each([
  ['a length of 0', header(0, 0, 0, 100)],
  ['a transfer of 0', header(0, 0, 0, 0)],
  ['an end past the transfer', header(0, 0, 101, 100)],
  ['an offset past the transfer', header(1, 0xffff_ffff, 0xffff_ffff, 100)],
  ['a transfer past transferBytes', header(0, 0, 4096, 1_000_001)],
  ['a chunk past chunkBytesMax', header(0, 0, 65_537, 1_000_000)],
  ['a chunk below chunkBytesMin', header(0, 0, 4095, 1_000_000)],
  ['an id too large for its offset', header(2, 8191, 4096, 1_000_000)],
  ['an id too small for its offset', header(1, 65_537, 4096, 1_000_000)],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['TLS', Buffer.from('16030100f5010000f1030312345678901234567890', 'hex')],
  ['AMST of v3', Buffer.from('AMS3\x01\x01\x00\xb0\x86\xa4node\xa1a', 'latin1')],
])('%s costs its connection, and the listener serves on', async (_, bytes) => {
  const server = await listening({ limits: { transferBytes: 1_000_000, chunkBytesMax: 65_536 } })
  const socket = await dialled(server.address)
  const end = endOf(socket)
  socket.write(bytes)
  expect(await end).toBe('reset')
  expect(server.stats()).toMatchObject({ connectionsRefused: 1, transfersOpen: 0, transfersFailed: 0 })
  const [, received] = await Promise.all([sendV1(server.address, OBJECT, { plaintext: true }), taken(server)])
  expect(received).toMatchObject({ status: 'fulfilled' })
})

test('bounds hold at the bound', async () => {
  const server = await listening({ limits: { transferBytes: 131_073, chunkBytesMax: 65_536, chunkBytesMin: 65_536 } })
  const object = randomBytes(131_073)
  const result = taken(server)
  for (const chunk of chunksOf(object, 65_536)) (await dialled(server.address)).end(chunk)
  const outcome = await result
  expect(outcome.status === 'fulfilled' && object.equals(outcome.value)).toBe(true)
})

test.each([
  ['a chunk that came before', [0, 0]],
  ['the bytes of another chunk again, under the next offset', [0, 1, 1]],
  ['more than the transfer', [0, 1, 2, 2]],
])('%s ends the transfer: it may be one of another', async (_, order) => {
  const server = await listening({ limits: SHORT })
  const result = taken(server)
  const socket = await dialled(server.address)
  socket.write(Buffer.concat(order.map((n) => CHUNKS[n] ?? Buffer.alloc(0))))
  const outcome = await result
  // All of it was there before the last chunk, of which there is nothing to be told apart.
  if (order.length > 3) expect(outcome).toMatchObject({ status: 'fulfilled' })
  else expect(outcome).toMatchObject({ reason: { code: 'ERR_AMST_PROTOCOL' } })
  await until(() => server.stats().connections === 0)
})

test.each([
  [
    'overlap',
    [chunkOf(0, 0, OBJECT.subarray(0, 15), 40), chunkOf(1, 10, OBJECT.subarray(0, 15), 40), chunkOf(2, 30, OBJECT.subarray(0, 10), 40)],
  ],
  [
    'are numbered in another order than they lie',
    [chunkOf(1, 10, OBJECT.subarray(0, 10), 40), chunkOf(1, 20, OBJECT.subarray(0, 20), 40), chunkOf(0, 0, OBJECT.subarray(0, 10), 40)],
  ],
])('chunks that %s are found before the transfer is stored', async (_, chunks) => {
  const server = await listening({ limits: SHORT })
  const result = taken(server)
  ;(await dialled(server.address)).end(Buffer.concat(chunks))
  expect(await result).toMatchObject({ reason: { code: 'ERR_AMST_PROTOCOL' } })
})

test('a chunk of another length of transfer, on a connection that has begun, ends the transfer', async () => {
  const server = await listening({ limits: SHORT })
  const result = taken(server)
  ;(await dialled(server.address)).end(Buffer.concat([CHUNKS[0] ?? '', chunkOf(1, 10, OBJECT.subarray(10, 20), 31)] as Buffer[]))
  expect(await result).toMatchObject({ reason: { code: 'ERR_AMST_PROTOCOL' } })
})

test('what a connection does after all bytes came ends that connection, not the transfer that is being stored', async () => {
  for (const misbehave of [
    (socket: Socket): unknown => socket.write(CHUNKS[0] ?? ''),
    (socket: Socket): unknown => socket.resetAndDestroy(),
  ]) {
    const server = await listening({ limits: SHORT })
    const parts: Buffer[] = []
    let store: () => void = () => undefined
    const sink = new Writable({
      write: (part, _, done) => {
        parts.push(part)
        done()
      },
      final: (done) => void (store = done),
    })
    const saved = firstOf(server).then((transfer) => transfer.saveTo(sink))
    const [socket, other] = [await dialled(server.address), await dialled(server.address)]
    socket.write(Buffer.concat(CHUNKS.slice(0, 2)))
    other.write(CHUNKS[2] ?? '')
    await until(() => sink.writableEnded)
    misbehave(socket)
    await until(() => server.stats().connections === 1)
    store()
    expect(await saved).toMatchObject({ lengthBytes: 30 })
    expect(OBJECT.equals(Buffer.concat(parts))).toBe(true)
    expect(await endOf(other)).toBe('ended')
  }
})

test('with a transfer that fails go the other connections of its address, silent ones and those that wait to begin the next', async () => {
  const server = await listening({ limits: SHORT })
  const [broken, silent, waiting] = await Promise.all([0, 1, 2].map(() => dialled(server.address)))
  const ends = Promise.all([broken, silent, waiting].map((socket) => endOf(socket as Socket)))
  broken?.write(CHUNKS[0] ?? '')
  const transfer = await firstOf(server)
  waiting?.write(chunkOf(0, 0, OBJECT.subarray(0, 20), 20))
  await until(() => server.stats().receivedBytes === 26 + 36)
  transfer.reject()
  expect(await ends).toEqual(['reset', 'reset', 'reset'])
  await until(() => server.stats().connections === 0)
  expect(server.stats()).toMatchObject({ transfersOpen: 0, transfersFailed: 1 })
})

test('a bit that flips in a payload arrives flipped, as v1 has it, and the report says that nothing was checked', async () => {
  const server = await listening({ limits: SHORT })
  const stream = Buffer.concat(CHUNKS)
  stream[20] = (stream[20] ?? 0) ^ 1
  const ranges = Buffer.alloc(30)
  const saved = firstOf(server).then((transfer) =>
    transfer.saveTo({ write: (offset: number, bytes: Uint8Array) => ranges.set(bytes, offset) }),
  )
  ;(await dialled(server.address)).end(stream)
  expect(await saved).toMatchObject({ integrity: 'none' })
  expect(ranges.equals(OBJECT)).toBe(false)
})

test('a slow sender is given up, however often it brings a byte, and one that brings enough is not', async () => {
  const limits = { chunkBytesMin: 10, idleTimeoutMs: 200, progressBytes: 4 }
  const server = await listening({ limits })
  const bytes = chunkOf(0, 0, randomBytes(60), 60)
  const trickle = async (everyMs: number): Promise<PromiseSettledResult<Uint8Array>> => {
    const result = taken(server)
    const socket = await dialled(server.address)
    socket.setNoDelay()
    let at = 0
    const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), everyMs)
    const outcome = await result
    clearInterval(timer)
    return outcome
  }
  expect(await trickle(120)).toMatchObject({ reason: { code: 'ERR_AMST_TIMEOUT', retryable: true } })
  expect(await trickle(5)).toMatchObject({ status: 'fulfilled' })
})

test('silence and half a header cost a bounded time, and where a transfer is under way connections may be silent', async () => {
  const server = await listening({ limits: SHORT })
  const [silent, half] = [await dialled(server.address), await dialled(server.address)]
  half.write(CHUNKS[0]?.subarray(0, 15) ?? '')
  expect(await Promise.all([endOf(silent), endOf(half)])).toEqual(['reset', 'reset'])
  expect(server.stats().connectionsRefused).toBe(2)
  const result = taken(server)
  const [one, two] = [await dialled(server.address), await dialled(server.address)]
  one.write(CHUNKS[0] ?? '')
  await new Promise((resolve) => setTimeout(resolve, 3 * SHORT.handshakeTimeoutMs))
  two.write(Buffer.concat(CHUNKS.slice(1)))
  expect(await result).toMatchObject({ status: 'fulfilled' })
})

test('what is only announced takes no memory, and unread transfers hold their senders', async () => {
  const server = await listening({ limits: { transferBytes: 4_294_967_295, transfers: 1 } })
  const before = process.memoryUsage()
  const sockets = await Promise.all(Array.from({ length: 64 }, () => dialled(server.address)))
  for (const [n, socket] of sockets.entries()) socket.write(header(n, n * 1_048_576, 1_048_576, 4_294_967_295))
  const transfer = await firstOf(server)
  await until(() => server.stats().receivedBytes === 64 * 16)
  expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(1_000_000)
  // And of what is sent before somebody takes it, only what the sockets hold.
  const chunk = Buffer.alloc(1_048_576)
  for (const socket of sockets) socket.write(chunk)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(server.stats().receivedBytes).toBeLessThanOrEqual(64 * (16 + 65_536))
  // Taken into memory it is given as it comes.
  const rss = process.memoryUsage().rss
  const received = transfer.bytes().catch((error: unknown) => error)
  await until(() => server.stats().receivedBytes === 64 * (16 + 1_048_576))
  expect(process.memoryUsage().rss - rss).toBeLessThan(512 * 1_048_576)
  transfer.reject(new Error('enough'))
  expect(await received).toMatchObject({ message: 'enough' })
})

test('connections, those of one address, and transfers are bounded', async () => {
  const server = await listening({ limits: { connections: 3, connectionsPerAddress: 2, transfers: 1 } })
  const from = (localAddress: string): TcpNetConnectOpts => ({ ...server.address, localAddress })
  const [one, two] = [await dialled(from('127.0.0.1')), await dialled(from('127.0.0.1'))]
  expect(await refused(from('127.0.0.1'))).toBe('reset')
  const three = await dialled(from('127.0.0.2'))
  expect(await refused(from('127.0.0.3'))).toBe('reset')
  one.write(CHUNKS[0] ?? '')
  two.write(chunkOf(0, 0, OBJECT, 30))
  const transfer = await firstOf(server)
  expect(transfer.from).toBe('127.0.0.1')
  const end = endOf(three)
  three.write(chunkOf(0, 0, OBJECT, 30))
  expect(await end).toBe('reset')
  expect(server.stats()).toMatchObject({ transfersOpen: 1 })
})

test('transfers that break before anybody reads them are dropped, and the place is free again', async () => {
  const server = await listening({ limits: { transfers: 1 } })
  for (let n = 0; n < 50; n += 1) {
    const socket = await dialled(server.address)
    socket.end(chunkOf(0, 0, OBJECT.subarray(0, 20), 30, 30))
    // Not read before it is taken: what tells is the reset of the sender.
    await until(() => server.stats().transfersOpen === 1)
    socket.resetAndDestroy()
    const result = taken(server)
    expect(await result).toMatchObject({ reason: { code: 'ERR_AMST_PEER_LOST' } })
  }
  expect(server.stats()).toMatchObject({ transfersOpen: 0, transfersFailed: 50 })
})

test('strangers are cut off unread: only the addresses that were named are taken', async () => {
  const server = await listening({ from: ['10.1.0.0/16', '127.0.0.2', '::1'] })
  expect(await refused(server.address)).toBe('reset')
  expect(server.stats()).toMatchObject({ connectionsRefused: 1, receivedBytes: 0 })
  const named = await listening({ from: ['127.0.0.0/8'] })
  await Promise.all([sendV1(named.address, OBJECT, { plaintext: true }), taken(named)])
  for (const wrong of ['host', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/1/2', '::1/129', '10.0.0.0/-1'])
    await expect(listenV1({ plaintext: true, from: [wrong] })).rejects.toThrow(RangeError)
})

test('plaintext must be said, and beyond loopback that the network is trusted', async () => {
  await expect(listenV1(JSON.parse('{}'))).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
  await expect(listenV1({ plaintext: true, host: '0.0.0.0' })).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
  const open = await listening({ plaintext: 'trusted-network', host: '::' })
  // An IPv4 sender of a listener for both is taken by its IPv4 address.
  const { port } = open.address
  await Promise.all([sendV1({ host: '127.0.0.1', port }, OBJECT, { plaintext: true }), taken(open)])
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)
  // Whoever comes by another address than loopback is a stranger until named.
  if (outside) expect(await refused({ host: outside.address, port })).toBe('reset')
})

test('limits are refused where they are unknown, not positive, or past what v1 has', async () => {
  for (const limits of [
    '{"transferBites":1}',
    '{"transfers":0}',
    '{"transferBytes":4294967296}',
    '{"chunkBytesMax":1048577}',
    '{"chunkBytesMin":1048577}',
  ])
    await expect(listenV1({ plaintext: true, limits: JSON.parse(limits) })).rejects.toThrow(RangeError)
})

test('closing waits for what is being stored, cuts off what nobody took, and leaves nothing open', async () => {
  const server = await listening({ limits: SHORT })
  const socket = await dialled(server.address)
  socket.write(CHUNKS[0] ?? '')
  const transfer = await firstOf(server)
  const received = transfer.bytes()
  const silent = await dialled(server.address)
  await until(() => server.stats().connections === 2)
  const closed = server.close()
  silent.write(Buffer.concat(CHUNKS.slice(1)))
  expect(await received).toEqual(OBJECT)
  silent.end()
  socket.end()
  await closed
  const other = await listening({ limits: SHORT })
  const unread = await dialled(other.address)
  const end = endOf(unread)
  unread.write(CHUNKS[0] ?? '')
  const untaken = await firstOf(other)
  await other.close()
  expect(await end).toBe('reset')
  await expect(untaken.bytes()).rejects.toMatchObject({ code: 'ERR_AMST_CLOSED' })
  await expect(untaken.bytes()).rejects.toMatchObject({ code: 'ERR_AMST_CLOSED' })
})

test('a transfer is taken once', async () => {
  const server = await listening()
  const sending = sendV1(server.address, OBJECT, { plaintext: true })
  const transfer = await firstOf(server)
  const bytes = transfer.bytes()
  await expect(transfer.bytes()).rejects.toThrow(TypeError)
  expect(await bytes).toEqual(OBJECT)
  await expect(transfer.bytes()).rejects.toThrow(TypeError)
  transfer.reject()
  await sending
})

test('an onProgress that throws ends its transfer and nothing else', async () => {
  const server = await listening()
  const onProgress = (): void => {
    throw new Error('mine')
  }
  const [sent, saved] = await Promise.allSettled([
    sendV1(server.address, OBJECT, { plaintext: true }),
    firstOf(server).then((transfer) => transfer.bytes({ onProgress })),
  ])
  expect(saved).toMatchObject({ reason: { message: 'mine' } })
  expect(sent).toMatchObject({ reason: { code: 'ERR_AMST_PEER_LOST' } })
  const other = Promise.allSettled([firstOf(server).then((transfer) => transfer.bytes())])
  await expect(sendV1(server.address, OBJECT, { plaintext: true, onProgress })).rejects.toThrow('mine')
  server.destroy()
  await other
})

test('500 transfers leave no descriptor behind', async () => {
  const server = await listening()
  const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length
  const carryOne = (): Promise<unknown> => Promise.all([sendV1(server.address, OBJECT, { plaintext: true, connections: 4 }), taken(server)])
  await carryOne()
  const before = await descriptors()
  for (let n = 0; n < 500; n += 1) await carryOne()
  let after = await descriptors()
  while (after > before) after = await descriptors()
  expect(server.stats()).toMatchObject({ connections: 0, transfersOpen: 0, transfersStored: 501 })
})
