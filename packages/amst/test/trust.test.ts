import { X509Certificate } from 'node:crypto'
import type { CredentialSource, PeerTrust, Principal, TlsCredentials, TrustChange } from '@dwcp/interface'
import { expect, onTestFinished, test } from 'vitest'
import { AsyncQueue } from '../src/async-queue.ts'
import { connect, createTransport, type ListenOptions, listen, type Server } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { until } from './pair.ts'

const authority = await createAuthority()
const tls = { a: await authority.credentials('a'), b: await authority.credentials('b') }

/** A trust store in memory: everyone who is in `members`. */
class Members implements PeerTrust {
  readonly members = new Set<string>()
  readonly #feeds = new Set<AsyncQueue<TrustChange>>()
  asked = 0

  constructor(...names: string[]) {
    for (const name of names) this.members.add(name)
  }

  get listeners(): number {
    return this.#feeds.size
  }

  authenticate([leaf = new Uint8Array()]: readonly Uint8Array[]): Principal {
    this.asked += 1
    const nodeId = new X509Certificate(leaf).subject.slice('CN='.length)
    if (!this.members.has(nodeId)) throw new Error(`${nodeId} is no member, and that is a secret`)
    return { nodeId, keyId: `key of ${nodeId}`, roles: ['worker'], domain: 'trusted' }
  }

  changes(): AsyncIterable<TrustChange> {
    return {
      [Symbol.asyncIterator]: () => {
        const feed = new AsyncQueue<TrustChange>()
        this.#feeds.add(feed)
        const values = feed[Symbol.asyncIterator]()
        return {
          next: () => values.next(),
          return: () => {
            this.#feeds.delete(feed)
            feed.end()
            return Promise.resolve({ done: true, value: undefined })
          },
        }
      },
    }
  }

  revoke(nodeId: string): void {
    this.members.delete(nodeId)
    for (const feed of this.#feeds) feed.push({ kind: 'revoked', nodeId, keyId: `key of ${nodeId}` })
  }
}

/** Credentials that a test replaces. */
class Rotating implements CredentialSource {
  #now: TlsCredentials
  readonly #feed = new AsyncQueue<TlsCredentials>()

  constructor(first: TlsCredentials) {
    this.#now = first
  }

  credentials(): TlsCredentials {
    return this.#now
  }

  rotations(): AsyncIterable<TlsCredentials> {
    return this.#feed
  }

  rotate(next: TlsCredentials): void {
    this.#now = next
    this.#feed.push(next)
  }
}

async function serve(options: Partial<ListenOptions>): Promise<Server> {
  const server = await listen({ nodeId: 'b', tls: tls.b, ...options })
  onTestFinished(() => server.destroy())
  return server
}

test('who is not trusted is refused in either direction, with a certificate as good, and hears no reason', async () => {
  const nobody = new Members()
  const server = await serve({ trust: nobody })
  const refused = connect(server.address, { nodeId: 'a', tls: tls.a })
  await expect(refused).rejects.toMatchObject({ code: 'ERR_AMST_UNTRUSTED', message: expect.not.stringContaining('secret') })
  const open = await serve({})
  const alone = connect(open.address, { nodeId: 'a', tls: tls.a, trust: nobody })
  await expect(alone).rejects.toMatchObject({
    code: 'ERR_AMST_UNTRUSTED',
    cause: expect.objectContaining({ message: expect.stringContaining('b is no member') }),
  })
})

test('the trust store says domain, roles and key; names still have to fit', async () => {
  const server = await serve({ trust: new Members('a') })
  const session = await connect(server.address, { nodeId: 'a', tls: tls.a, trust: new Members('b') })
  const accepted = (await server[Symbol.asyncIterator]().next()).value
  expect(accepted.peer).toEqual({ nodeId: 'a', keyId: 'key of a', roles: ['worker'], domain: 'trusted' })
  expect(session.peer).toEqual({ nodeId: 'b', keyId: 'key of b', roles: ['worker'], domain: 'trusted' })
  await expect(connect(server.address, { nodeId: 'x', tls: tls.a, trust: new Members('b') })).rejects.toMatchObject({
    code: 'ERR_AMST_IDENTITY',
  })
  await session.close()
})

test('a session ends the moment its peer is revoked, at either end; others go on, and nobody listens for those that are over', async () => {
  const c = await authority.credentials('c')
  const trust = new Members('a', 'c')
  const mine = new Members('b')
  const server = await serve({ trust })
  const first = await connect(server.address, { nodeId: 'a', tls: tls.a, trust: mine })
  const other = await connect(server.address, { nodeId: 'c', tls: c })
  const [accepted, still] = [(await server[Symbol.asyncIterator]().next()).value, (await server[Symbol.asyncIterator]().next()).value]
  expect(trust.listeners).toBe(2)
  trust.revoke('a')
  expect(await accepted.closed).toMatchObject({ code: 'ERR_AMST_UNTRUSTED' })
  expect(await first.closed).toBeInstanceOf(Error)
  await until(() => trust.listeners === 1 && mine.listeners === 0)
  still.handle('echo', async (payload: Uint8Array) => payload)
  expect([...(await other.request('echo', Uint8Array.of(1)))]).toEqual([1])
  await expect(connect(server.address, { nodeId: 'a', tls: tls.a })).rejects.toMatchObject({ code: 'ERR_AMST_UNTRUSTED' })

  const second = await connect(server.address, { nodeId: 'c', tls: c, trust: mine })
  mine.revoke('b')
  expect(await second.closed).toMatchObject({ code: 'ERR_AMST_UNTRUSTED' })
  await other.close()
})

test('a session ends where nobody would tell of a revocation any more', async () => {
  const broken: PeerTrust = {
    authenticate: (chain) => new Members('a').authenticate(chain),
    changes: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('the store is gone')) }) }),
  }
  const server = await serve({ trust: broken })
  await connect(server.address, { nodeId: 'a', tls: tls.a }).catch(() => undefined)
  expect(await (await server[Symbol.asyncIterator]().next()).value.closed).toMatchObject({ message: 'the store is gone' })
})

test('certificates are replaced under open sessions: those go on, and the next are made with the new one', async () => {
  const theirs = new Rotating(tls.b)
  const own = new Rotating(tls.a)
  const server = await serve({ tls: theirs })
  const session = await connect(server.address, { nodeId: 'a', tls: own, streams: 2 })
  const accepted = (await server[Symbol.asyncIterator]().next()).value
  accepted.handle('echo', async (payload: Uint8Array) => payload)
  await until(() => session.stats().streams.length === 2)
  const before = session.peer.keyId
  const newer = await authority.credentials('b')
  theirs.rotate(newer)
  own.rotate(await authority.credentials('a'))
  expect([...(await session.request('echo', Uint8Array.of(7)))]).toEqual([7])
  const next = await connect(server.address, { nodeId: 'a', tls: own })
  expect(next.peer.keyId).not.toBe(before)
  expect(session.stats().streamsLost).toBe(0)
  await Promise.all([session.close(), next.close()])
})

test('a transport lets in and ends by its trust store', async () => {
  const directory = { lookup: () => [], changes: async function* () {} }
  const trust = new Members('a')
  await using b = await createTransport({ self: 'b', directory, listen: {}, tls: tls.b, trust })
  const address = b.address
  if (address === undefined) throw new TypeError('no address')
  await using a = await createTransport({
    self: 'a',
    directory: { lookup: () => [address], changes: async function* () {} },
    tls: tls.a,
    trust: new Members('b'),
    redialMs: 1,
  })
  const ups: string[] = []
  const watch = (async () => {
    for await (const { kind } of b.peers()) if (ups.push(kind) === 2) return
  })()
  a.send('b', 'x', Uint8Array.of(1))
  await until(() => ups.length === 1)
  trust.revoke('a')
  await watch
  expect(ups).toEqual(['up', 'down'])
})

test('a trust store needs TLS, and says the domain alone', async () => {
  await expect(listen({ nodeId: 'b', plaintext: true, trust: new Members() })).rejects.toThrow(TypeError)
  await expect(listen({ nodeId: 'b', tls: tls.b, trust: new Members(), domainOf: () => 'trusted' })).rejects.toThrow(TypeError)
})
