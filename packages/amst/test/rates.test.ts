import { randomBytes } from 'node:crypto'
import type { LinkSample, TrafficClass } from '@dwcp/interface'
import { socketBackend } from '@dwcp/native-rdma/socket'
import { expect, onTestFinished, test } from 'vitest'
import { connect, createTransport, listen, type Session } from '../src/index.ts'
import { pairThroughProxy, until } from './pair.ts'

const MB = 1_000_000

/** Reads all that comes. @returns how much of each name there is so far. */
function drain(session: Session): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>()
  void (async () => {
    for await (const transfer of session.incoming) {
      void (async () => {
        for await (const piece of transfer.stream) bytes.set(transfer.name, (bytes.get(transfer.name) ?? 0) + piece.byteLength)
        transfer.complete()
      })().catch(() => undefined)
    }
  })()
  return bytes
}

const sumOf = (bytes: ReadonlyMap<string, number>): number => [...bytes.values()].reduce((sum, value) => sum + value, 0)

async function* endless(): AsyncGenerator<Uint8Array> {
  const piece = randomBytes(262_144)
  // Until the session is over.
  for (;;) yield piece
}

const flood = (session: Session, name: string, className: TrafficClass): void =>
  void session.send({ stream: endless() }, { name, class: className }).catch(() => undefined)

/** Bytes that arrive while a time passes. The bound on a rate is on bytes: what the bucket gives in that time. */
async function during(bytes: ReadonlyMap<string, number>, ms: number): Promise<{ readonly bytes: number; readonly ms: number }> {
  const [startBytes, startMs] = [sumOf(bytes), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, ms))
  return { bytes: sumOf(bytes) - startBytes, ms: performance.now() - startMs }
}

/** What may be on its way beyond a rate: a burst, a chunk for each of what shares it, and what the sockets still held. */
const SLACK_BYTES = 3 * MB

test('a session of 16 streams sends no more than its rate over seconds, and says that the rate held it', async () => {
  const { a, b } = await pairThroughProxy({ streams: 16 })
  const bytes = drain(b)
  a.setRate(10 * MB)
  flood(a, 'x', 'bulk')
  flood(a, 'y', 'migration')
  await until(() => sumOf(bytes) > MB)
  const some = await during(bytes, 1500)
  expect(some.bytes).toBeLessThan((10 * MB * some.ms) / 1000 + SLACK_BYTES)
  expect(some.bytes).toBeGreaterThan(0)
  expect(a.stats()).toMatchObject({ rateBytesPerSecond: 10 * MB })
  expect(a.stats().rateHeldMs).toBeGreaterThan(0)
  // Changed while it runs; it is a limit, not a pace to keep.
  a.setRate(1 * MB)
  const less = await during(bytes, 1000)
  expect(less.bytes).toBeLessThan((1 * MB * less.ms) / 1000 + SLACK_BYTES)
  a.setRate(Number.POSITIVE_INFINITY)
  await until(() => sumOf(bytes) > 60 * MB)
  expect(a.stats().rateBytesPerSecond).toBeUndefined()
  expect(() => a.setRate(0)).toThrow(RangeError)
})

test('what a session asks its peer for holds the peer', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true })
  const a = await connect(server.address, { nodeId: 'a', plaintext: true, receiveBytesPerSecond: 4 * MB })
  onTestFinished(() => [a.destroy(), server.destroy()].forEach(() => undefined))
  const b: Session = (await server[Symbol.asyncIterator]().next()).value
  const bytes = drain(a)
  await until(() => b.stats().rateBytesPerSecond === 4 * MB)
  flood(b, 'x', 'bulk')
  const some = await during(bytes, 1000)
  expect(some.bytes).toBeLessThan((4 * MB * some.ms) / 1000 + SLACK_BYTES)
  a.setRate(Number.POSITIVE_INFINITY, 'receive')
  await until(() => sumOf(bytes) > 30 * MB)
})

test('all sessions of a listener share its rate, and none is left out', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true, rateBytesPerSecond: 12 * MB })
  const sessions: Session[] = []
  onTestFinished(() => {
    for (const session of sessions) session.destroy()
    server.destroy()
  })
  const counts: ReadonlyMap<string, number>[] = []
  const accepted = server[Symbol.asyncIterator]()
  for (const nodeId of ['a', 'c', 'd']) {
    const session = await connect(server.address, { nodeId, plaintext: true, streams: 4 })
    sessions.push(session)
    counts.push(drain(session))
    flood((await accepted.next()).value, nodeId, 'bulk')
  }
  await until(() => counts.every((count) => sumOf(count) > MB))
  const before = counts.map(sumOf)
  const startMs = performance.now()
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const got = counts.map((count, at) => sumOf(count) - (before[at] ?? 0))
  const total = got.reduce((sum, value) => sum + value, 0)
  expect(total).toBeLessThan((12 * MB * (performance.now() - startMs)) / 1000 + SLACK_BYTES)
  for (const one of got) expect(one).toBeGreaterThan(total / 6)
  server.setRate(Number.POSITIVE_INFINITY)
  await until(() => counts.every((count) => sumOf(count) > 30 * MB))
})

test('under a limit classes get their weights, and messages do not wait with them', async () => {
  const { a, b } = await pairThroughProxy({ streams: 4 })
  const bytes = drain(b)
  a.setRate(8 * MB)
  flood(a, 'bulk', 'bulk')
  flood(a, 'scavenger', 'scavenger')
  flood(a, 'migration', 'migration')
  await until(() => (bytes.get('scavenger') ?? 0) > 0)
  let heard = 0
  b.handle('m', async () => {
    heard += 1
    return new Uint8Array(0)
  })
  await a.request('m', new Uint8Array(1))
  expect(heard).toBe(1)
  await until(() => sumOf(bytes) > 16 * MB)
  const share = (name: string): number => (bytes.get(name) ?? 0) / sumOf(bytes)
  // 32 : 8 : 1, within what is read ahead and on its way.
  expect(share('migration')).toBeGreaterThan(0.65)
  expect(share('bulk')).toBeGreaterThan(0.1)
  expect(share('bulk')).toBeLessThan(0.3)
  expect(share('scavenger')).toBeLessThan(0.1)
})

test('an advisor’s rates cap classes, samples say so, and what waits is told', async () => {
  const demands: { readonly class: TrafficClass; readonly backlogBytes: number }[] = []
  const samples: LinkSample[] = []
  let rates: ReadonlyMap<TrafficClass, number> = new Map([['bulk', 2 * MB]])
  const plain = { plaintext: true, limits: {} } as const
  const node = await createTransport({ self: 'node', ...plain, listen: {}, directory: { lookup: () => [], async *changes() {} } })
  const client = await createTransport({
    self: 'client',
    ...plain,
    directory: { lookup: () => (node.address ? [node.address] : []), async *changes() {} },
    advisor: {
      observe: (sample) => samples.push(sample),
      demand: (_link, demand) => demands.push(demand),
      rates: () => rates,
    },
  })
  onTestFinished(async () => {
    await Promise.all([client.close(), node.close()])
  })
  let bytes = 0
  node.receiveObject('x', async (_from, object) => {
    for await (const piece of object.stream) bytes += piece.byteLength
  })
  const sent = client.sendObject('node', 'x', randomBytes(40 * MB), { class: 'bulk' })
  await until(() => demands.length > 0)
  expect(demands[0]).toMatchObject({ class: 'bulk' })
  expect(demands[0]?.backlogBytes).toBeGreaterThan(20 * MB)
  expect(bytes).toBeLessThan(20 * MB)
  if (socketBackend().kind === 'native') expect(samples.map((sample) => sample.limitedBy)).toContain('pacing')
  rates = new Map()
  await sent
  expect(bytes).toBe(40 * MB)
})

test('sessions that share a rate have it by the weights of what they send', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true, rateBytesPerSecond: 10 * MB })
  const sessions: Session[] = []
  onTestFinished(() => {
    for (const session of sessions) session.destroy()
    server.destroy()
  })
  const counts: ReadonlyMap<string, number>[] = []
  const accepted = server[Symbol.asyncIterator]()
  for (const [nodeId, name] of [
    ['a', 'migration'],
    ['c', 'bulk'],
    ['d', 'bulk'],
  ] as const) {
    const session = await connect(server.address, { nodeId, plaintext: true, streams: 2 })
    sessions.push(session)
    counts.push(drain(session))
    flood((await accepted.next()).value, name, name)
  }
  await until(() => counts.reduce((sum, count) => sum + sumOf(count), 0) > 20 * MB)
  const [migration = 0, ...bulk] = counts.map(sumOf)
  // 32 : 8 : 8, within what the sockets took before the others were there.
  for (const one of bulk) {
    expect(migration / one).toBeGreaterThan(2)
    expect(migration / one).toBeLessThan(6)
  }
})
