import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { readGreeting } from '../src/greeting.ts'
import { encodeHello, type Hello, helloBytes } from '../src/hello.ts'
import type { Session } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { firstOf, type Pair, pairThroughProxy, until } from './pair.ts'

const authority = await createAuthority()
const tls = { a: await authority.credentials('a'), b: await authority.credentials('b') }
/** Everything of a preamble but its length. */
const SEAL_PREAMBLE = encodeHello({ kind: 'seal', tag: new Uint8Array(8), index: 1, random: new Uint8Array(32) }).subarray(0, 8)

async function move(from: Session, to: Session, bytes: Buffer): Promise<void> {
  const sending = from.send(bytes)
  const transfer = await firstOf(to)
  const parts: Uint8Array[] = []
  for await (const part of transfer.stream) parts.push(part)
  transfer.complete()
  await sending
  expect(bytes.equals(Buffer.concat(parts))).toBe(true)
}

async function withStreams({ a, b }: Pair, count: number): Promise<void> {
  await until(() => a.stats().streams.length === count && b.stats().streams.length === count)
}

test('the streams of a TLS session beside its first are sealed, and nothing of an object is seen on the way', async () => {
  const passed: Buffer[] = []
  const pair = await pairThroughProxy({
    tls,
    damage: (bytes) => {
      passed.push(Buffer.from(bytes))
      return bytes
    },
  })
  await withStreams(pair, 4)
  const secret = Buffer.from('what nobody else may read, '.repeat(40_000))
  await move(pair.a, pair.b, secret)
  await move(pair.b, pair.a, secret)
  const seen = Buffer.concat(passed)
  expect(seen.byteLength).toBeGreaterThan(2 * secret.byteLength)
  expect(passed.filter((bytes) => bytes.subarray(0, 8).equals(SEAL_PREAMBLE))).toHaveLength(3)
  expect(seen.includes('nobody else')).toBe(false)
  expect(pair.a.stats().security).toBe('tls1.3')
})

test.each([0, 2])('an object arrives whole when stream %i of a TLS session is cut, and the stream is replaced', async (index) => {
  const pair = await pairThroughProxy({ tls })
  await withStreams(pair, 4)
  const bytes = randomBytes(20_000_000)
  const moved = move(pair.a, pair.b, bytes)
  await until(() => pair.b.stats().receivedBytes > 2_000_000)
  pair.proxy.cutOne(index)
  await moved
  await withStreams(pair, 4)
  expect(pair.a.stats().streamsLost).toBe(1)
})

test('a bit that is changed on a sealed stream ends it, and the object arrives whole on others', async () => {
  let flips = 0
  let passed = 0
  const pair = await pairThroughProxy({
    tls,
    damage: (bytes, toServer, before) => {
      passed += toServer ? bytes.byteLength : 0
      // The first speaks TLS: with it the session might go.
      if (!toServer || before === 0 || flips >= 3 || passed < 2_000_000 || bytes.byteLength < 60_000) return bytes
      passed = 0
      flips += 1
      const damaged = Buffer.from(bytes)
      damaged[30_000] = (damaged[30_000] ?? 0) ^ 1
      return damaged
    },
  })
  await withStreams(pair, 4)
  await move(pair.a, pair.b, randomBytes(30_000_000))
  expect(flips).toBe(3)
  expect(pair.a.stats().streamsLost).toBeGreaterThan(0)
  expect(pair.b.stats().corruptChunks).toBe(0)
})

test('who knows the tag of a session and not its keys joins nothing, replaces nothing, and is let go', async () => {
  const hellos: Buffer[] = []
  const recorded: Buffer[] = []
  const pair = await pairThroughProxy({
    tls,
    limits: { handshakeTimeoutMs: 300 },
    damage: (bytes, toServer) => {
      if (toServer && bytes.subarray(0, 8).equals(SEAL_PREAMBLE)) hellos.push(Buffer.from(bytes))
      else if (toServer && hellos.length > 0) recorded.push(Buffer.from(bytes))
      return bytes
    },
  })
  await withStreams(pair, 4)
  await move(pair.a, pair.b, randomBytes(1_000_000))
  const [hello = Buffer.alloc(0)] = hellos
  // What was said once, what was sent once, garbage, and nothing at all.
  for (const then of [...recorded.slice(0, 3), randomBytes(1000), Buffer.alloc(0)]) {
    const stranger = connectTcp(pair.address)
    stranger.write(hello)
    expect((await readGreeting(stranger)).hello.kind).toBe('sealed')
    stranger.resume()
    if (then.byteLength > 0) stranger.write(then)
    await gone(stranger)
  }
  expect(pair.b.stats()).toMatchObject({ streamsLost: 0 })
  expect(pair.b.stats().streams).toHaveLength(4)
  await move(pair.a, pair.b, randomBytes(1_000_000))
})

test('outside TLS a listener that has it takes nothing else, and tells no stranger which sessions there are', async () => {
  const pair = await pairThroughProxy({ tls })
  const random = randomBytes(32)
  for (const [hello, answer] of [
    [
      { kind: 'seal', tag: randomBytes(8), index: 1, random },
      { kind: 'refuse', code: 'ERR_AMST_REFUSED' },
    ],
    [
      { kind: 'join', secret: randomBytes(16), index: 1 },
      { kind: 'refuse', code: 'ERR_AMST_SECURITY_MISMATCH' },
    ],
  ] as const satisfies readonly (readonly [Hello, object])[]) {
    const stranger = connectTcp(pair.address)
    stranger.write(encodeHello(hello))
    expect((await readGreeting(stranger)).hello).toMatchObject(answer)
    stranger.resume()
    await gone(stranger)
  }
  const plain = await pairThroughProxy()
  const stranger = connectTcp(plain.address)
  stranger.write(encodeHello({ kind: 'seal', tag: randomBytes(8), index: 1, random }))
  stranger.resume()
  await gone(stranger)
})

test('callers that have shown no keys count as strangers until their time is over', async () => {
  const hellos: Buffer[] = []
  const pair = await pairThroughProxy({
    tls,
    streams: 2,
    limits: { handshakeTimeoutMs: 400, unauthenticatedConnections: 2 },
    damage: (bytes, toServer) => {
      if (toServer && bytes.subarray(0, 8).equals(SEAL_PREAMBLE)) hellos.push(bytes.subarray(0, helloBytes(bytes)))
      return bytes
    },
  })
  await withStreams(pair, 2)
  const [hello = Buffer.alloc(0)] = hellos
  const strangers = [connectTcp(pair.address), connectTcp(pair.address)]
  for (const stranger of strangers) {
    stranger.write(hello)
    await readGreeting(stranger)
    stranger.resume()
  }
  const third = connectTcp(pair.address).resume()
  await gone(third)
  expect(strangers.map((stranger) => stranger.destroyed)).toEqual([false, false])
  await Promise.all(strangers.map(gone))
  const later = connectTcp(pair.address)
  later.write(hello)
  expect((await readGreeting(later)).hello.kind).toBe('sealed')
  later.destroy()
})

async function gone(socket: Socket): Promise<void> {
  socket.on('error', () => undefined)
  if (!socket.destroyed) await once(socket, 'close')
}
