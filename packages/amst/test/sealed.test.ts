import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { readGreeting } from '../src/greeting.ts'
import { decodeHello, encodeHello, type Hello, helloBytes } from '../src/hello.ts'
import type { AmstLimits, Session } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { firstOf, type Pair, pairThroughProxy, until } from './pair.ts'

const authority = await createAuthority()
const tls = { a: await authority.credentials('a'), b: await authority.credentials('b') }
/** Everything of a preamble but its length. */
const SEAL_PREAMBLE = encodeHello({ kind: 'seal', tag: new Uint8Array(8), index: 1, serial: 1 }).subarray(0, 8)

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

interface Recording {
  readonly hello: Extract<Hello, { kind: 'seal' }>
  /** What was said right behind it. */
  readonly frames: Buffer
}

/** A session of `streams`, and what its sealed streams said first. */
async function recorded(
  streams: number,
  { limits = {}, withheld = -1 }: { readonly limits?: Partial<AmstLimits>; readonly withheld?: number } = {},
): Promise<{ readonly pair: Pair; readonly recordings: Recording[] }> {
  const said = new Map<number, Buffer>()
  const pair = await pairThroughProxy({
    tls,
    streams,
    limits,
    damage: (bytes, toServer, before) => {
      if (toServer && (said.has(before) || bytes.subarray(0, 8).equals(SEAL_PREAMBLE)))
        said.set(before, Buffer.concat([said.get(before) ?? Buffer.alloc(0), bytes]))
      return toServer && before === withheld ? Buffer.alloc(0) : bytes
    },
  })
  await until(() => said.size === streams - 1 && [...said.values()].every((bytes) => bytes.byteLength > (helloBytes(bytes) ?? 0)))
  const recordings = [...said.values()].map((bytes) => {
    const hello = decodeHello(bytes.subarray(0, helloBytes(bytes)))
    if (hello.kind !== 'seal') throw new TypeError(hello.kind)
    return { hello, frames: bytes.subarray(helloBytes(bytes)) }
  })
  return { pair, recordings }
}

test('who knows the tag of a session and not its keys joins nothing, replaces nothing, hears nothing, and is let go', async () => {
  const { pair, recordings } = await recorded(4, { limits: { handshakeTimeoutMs: 300 } })
  await withStreams(pair, 4)
  await move(pair.a, pair.b, randomBytes(1_000_000))
  const [{ hello, frames } = { hello: undefined, frames: Buffer.alloc(0) }] = recordings
  if (!hello) throw new TypeError('nothing was said')
  const anew = { ...hello, serial: 500 }
  // What was said once; and with keys of a number that is free: what was sealed with others, garbage, and nothing at all.
  for (const [first, then] of [
    [hello, frames],
    [anew, frames],
    [anew, randomBytes(1000)],
    [anew, Buffer.alloc(0)],
  ] as const) {
    const stranger = connectTcp(pair.address)
    stranger.write(Buffer.concat([encodeHello(first), then]))
    await gone(stranger.resume())
    expect(stranger.bytesRead).toBe(0)
  }
  expect(pair.b.stats()).toMatchObject({ streamsLost: 0 })
  expect(pair.b.stats().streams).toHaveLength(4)
  await move(pair.a, pair.b, randomBytes(1_000_000))
})

test('what a caller said and did not arrive joins once when it is repeated, and only there is it answered', async () => {
  const { pair, recordings } = await recorded(2, { withheld: 1, limits: { handshakeTimeoutMs: 300 } })
  const [{ hello, frames } = { hello: undefined, frames: Buffer.alloc(0) }] = recordings
  if (!hello) throw new TypeError('nothing was said')
  const strangers = [connectTcp(pair.address).resume(), connectTcp(pair.address).resume()]
  for (const stranger of strangers) stranger.write(encodeHello(hello))
  await setTimeout(50)
  expect(strangers.map(({ bytesRead }) => bytesRead)).toEqual([0, 0])
  for (const stranger of strangers) stranger.write(frames)
  await Promise.race(strangers.map(gone))
  await until(() => strangers.some(({ bytesRead }) => bytesRead > 0))
  expect(strangers.filter(({ bytesRead }) => bytesRead > 0)).toHaveLength(1)
  expect(pair.b.stats().streams).toHaveLength(2)
  for (const stranger of strangers) stranger.destroy()
})

test('outside TLS a listener that has it takes nothing else, and tells no stranger which sessions there are', async () => {
  const pair = await pairThroughProxy({ tls })
  const seal = encodeHello({ kind: 'seal', tag: randomBytes(8), index: 1, serial: 1 })
  const stranger = connectTcp(pair.address)
  stranger.write(encodeHello({ kind: 'join', secret: randomBytes(16), index: 1 }))
  expect((await readGreeting(stranger)).hello).toMatchObject({ kind: 'refuse', code: 'ERR_AMST_SECURITY_MISMATCH' })
  await gone(stranger.resume())
  for (const { address } of [pair, await pairThroughProxy()]) {
    const other = connectTcp(address)
    other.write(seal)
    await gone(other.resume())
    expect(other.bytesRead).toBe(0)
  }
})

test('callers that have shown no keys count as strangers until their time is over', async () => {
  const { pair, recordings } = await recorded(2, { limits: { handshakeTimeoutMs: 400, unauthenticatedConnections: 2 } })
  await withStreams(pair, 2)
  const [{ hello } = { hello: undefined }] = recordings
  if (!hello) throw new TypeError('nothing was said')
  const call = (serial: number): Socket => {
    const stranger = connectTcp(pair.address).resume()
    stranger.write(encodeHello({ ...hello, serial }))
    return stranger
  }
  const strangers = [call(100), call(101)]
  await Promise.all(strangers.map((stranger) => once(stranger, 'connect')))
  await gone(call(102))
  expect(strangers.map((stranger) => stranger.destroyed)).toEqual([false, false])
  await Promise.all(strangers.map(gone))
  const later = call(103)
  await setTimeout(100)
  expect(later.destroyed).toBe(false)
  later.destroy()
})

async function gone(socket: Socket): Promise<void> {
  socket.on('error', () => undefined)
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
}
