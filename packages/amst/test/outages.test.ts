import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { connect, listen, type Session } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { firstOf, type Pair, pairThroughProxy, until } from './pair.ts'
import { openProxy } from './proxy.ts'

const authority = await createAuthority()
const tls = { a: await authority.credentials('a'), b: await authority.credentials('b') }

async function readAll(session: Session): Promise<Buffer> {
  const transfer = await firstOf(session)
  const parts: Uint8Array[] = []
  for await (const part of transfer.stream) parts.push(Uint8Array.from(part))
  transfer.complete()
  return Buffer.concat(parts)
}

async function breakOff({ a, b, proxy }: Pair, awayMs: number): Promise<void> {
  proxy.cut()
  await until(() => a.stats().streams.length === 0 && b.stats().streams.length === 0)
  await setTimeout(awayMs)
  proxy.heal()
}

test.each([
  ['plaintext', {}],
  ['TLS and sealed streams', { tls }],
])('a session lives through outages in both directions: objects, messages and requests of it arrive once, over %s', async (_, options) => {
  const pair = await pairThroughProxy({ ...options, delayMs: 5 })
  const { a, b } = pair
  await until(() => a.stats().streams.length === 4)
  const [there, back] = [randomBytes(20_000_000), randomBytes(5_000_000)]
  const [got, asked]: [number[], number[]] = [[], []]
  b.handle('n', async (payload) => void got.push(Buffer.from(payload).readUInt32BE(0)))
  b.handle('q', async (payload) => {
    asked.push(payload[0] ?? -1)
    await setTimeout(20)
    return payload
  })
  const moving = Promise.all([a.send(there), readAll(b), b.send(back), readAll(a)])
  const answers = (async () => {
    const given: number[] = []
    for (let n = 0; n < 50; n += 1) given.push((await a.request('q', Uint8Array.of(n)))[0] ?? -1)
    return given
  })()
  for (let n = 0, outages = 0; n < 600; n += 1) {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(n)
    expect(a.notify('n', number)).toBe(true)
    if (n % 100 === 50) await setTimeout(5)
    if (n % 200 === 100) await breakOff(pair, 40 * ++outages)
  }
  const [sent, came, , cameBack] = await moving
  expect(sent.lengthBytes).toBe(there.byteLength)
  expect(came.equals(there) && cameBack.equals(back)).toBe(true)
  const numbers = (count: number): number[] => Array.from({ length: count }, (_one, n) => n)
  expect(await answers).toEqual(numbers(50))
  expect(asked).toEqual(numbers(50))
  await until(() => got.length === 600)
  expect(got).toEqual(numbers(600))
  await until(() => a.stats().streams.length === 4 && b.stats().streams.length === 4)
})

test('messages wait for the end of an outage, except those that expire', async () => {
  const { a, b, proxy } = await pairThroughProxy()
  const got: number[] = []
  b.handle('n', async (payload) => void got.push(payload[0] ?? -1))
  proxy.cut()
  await until(() => a.stats().streams.length === 0 && b.stats().streams.length === 0)
  expect(a.notify('n', Uint8Array.of(1))).toBe(true)
  expect(a.notify('n', Uint8Array.of(2), { expiresAtMs: Date.now() + 10 })).toBe(true)
  expect(a.notify('n', Uint8Array.of(3))).toBe(true)
  await setTimeout(30)
  proxy.heal()
  await until(() => got.length === 2)
  expect(got).toEqual([1, 3])
})

test('an outage of longer than either end allows ends the session at that end, and the other learns of it when it comes back', async () => {
  const { a, b, proxy } = await pairThroughProxy({ limits: { reconnectMs: 200 } })
  const sending = a.send(randomBytes(1_000_000)).catch((error: unknown) => error)
  proxy.cut()
  expect(await a.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST', retryable: true })
  expect(await b.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
  expect(await sending).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
})

test('the lesser of both ends holds', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true, limits: { reconnectMs: 150 } })
  onTestFinished(() => server.destroy())
  const proxy = await openProxy(server.address)
  onTestFinished(() => proxy.close())
  const a = await connect(proxy.address, { nodeId: 'a', plaintext: true })
  proxy.cut()
  expect(await a.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
})

test('a listener that began anew says that it has no such session, and the caller does not go on asking', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true })
  const { port } = server.address
  const a = await connect(server.address, { nodeId: 'a', plaintext: true })
  const proxy = await openProxy(server.address)
  onTestFinished(() => proxy.close())
  const through = await connect(proxy.address, { nodeId: 'c', plaintext: true })
  proxy.cut()
  server.destroy()
  // Told by the listener as it went.
  expect(await a.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST', cause: { message: expect.stringContaining('gave the session up') } })
  const anew = await listen({ nodeId: 'b', plaintext: true, port })
  onTestFinished(() => anew.destroy())
  proxy.heal()
  expect(await through.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST', cause: { code: 'ERR_AMST_REFUSED' } })
})

test('close() of a session without a connection does not wait for one', async () => {
  const { a, b, proxy } = await pairThroughProxy()
  proxy.cut()
  await until(() => a.stats().streams.length === 0 && b.stats().streams.length === 0)
  await Promise.all([a.close(), b.close()])
  expect(await a.closed).toBeUndefined()
})

test('a listener that has as many sessions as it takes gives up one that waits for its caller', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true, limits: { sessions: 2 } })
  onTestFinished(() => server.destroy())
  const proxy = await openProxy(server.address)
  onTestFinished(() => proxy.close())
  const waiting = await connect(proxy.address, { nodeId: 'a', plaintext: true })
  const stays = await connect(server.address, { nodeId: 'c', plaintext: true })
  await expect(connect(server.address, { nodeId: 'd', plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_LIMIT' })
  proxy.cut()
  await until(() => waiting.stats().streams.length === 0)
  let entered: Session | undefined
  while (!entered) entered = await connect(server.address, { nodeId: 'd', plaintext: true }).catch(() => undefined)
  expect(stays.stats().streams.length).toBeGreaterThan(0)
  proxy.heal()
  expect(await waiting.closed).toMatchObject({ cause: { code: 'ERR_AMST_REFUSED' } })
  for (const session of [entered, stays]) session.destroy()
})
