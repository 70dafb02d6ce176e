import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { allowanceOf } from '../src/connect.ts'
import { readGreeting } from '../src/greeting.ts'
import { encodeHello } from '../src/hello.ts'
import { connect, type ListenOptions, listen, type Server, type Session } from '../src/index.ts'
import { DEFAULT_LIMITS } from '../src/limits.ts'
import { createAuthority } from './certificates.ts'

const authority = await createAuthority()
const tls = { a: await authority.credentials('a'), b: await authority.credentials('b'), c: await authority.credentials('c') }

async function serve(options: Partial<ListenOptions>): Promise<Server> {
  const server = await listen({ nodeId: 'b', ...options })
  onTestFinished(() => server.destroy())
  return server
}

async function acceptedBy(server: Server): Promise<Session> {
  return (await server[Symbol.asyncIterator]().next()).value
}

test('TLS proves both names and keys, and trust is what is configured', async () => {
  const server = await serve({ tls: tls.b, domainOf: (node) => (node === 'a' ? 'trusted' : 'untrusted') })
  const a = await connect(server.address, { nodeId: 'a', tls: tls.a, expect: 'b' })
  const b = await acceptedBy(server)
  expect(a.peer).toMatchObject({ nodeId: 'b', keyId: expect.stringMatching(/^sha-256:[0-9a-f]{64}$/), domain: 'untrusted' })
  expect(b.peer).toMatchObject({ nodeId: 'a', domain: 'trusted' })
  expect(a.stats().security).toBe('tls1.3')
  await a.close()
})

test('a plaintext peer only claims its name', async () => {
  const server = await serve({ plaintext: true })
  const a = await connect(server.address, { nodeId: 'a', plaintext: true })
  expect((await acceptedBy(server)).peer).toEqual({ nodeId: 'a', roles: [], domain: 'untrusted' })
  await a.close()
})

test('plaintext is refused without configuration, and off loopback without a plain word for it', async () => {
  await expect(listen({ nodeId: 'b' })).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
  await expect(listen({ nodeId: 'b', host: '0.0.0.0', plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
  await expect(connect('192.0.2.1:1', { nodeId: 'a', plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_PLAINTEXT_REFUSED' })
  await expect(listen({ nodeId: 'b', tls: tls.b, plaintext: true })).rejects.toThrow(TypeError)
  const server = await serve({ host: '0.0.0.0', plaintext: 'trusted-network' })
  await (await connect({ host: '127.0.0.1', port: server.address.port }, { nodeId: 'a', plaintext: true })).close()
})

test('TLS and plaintext never meet, and both callers hear why', async () => {
  const secure = await serve({ tls: tls.b })
  await expect(connect(secure.address, { nodeId: 'a', plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_SECURITY_MISMATCH' })
  const plain = await serve({ plaintext: true })
  await expect(connect(plain.address, { nodeId: 'a', tls: tls.a })).rejects.toMatchObject({ code: 'ERR_AMST_SECURITY_MISMATCH' })
})

test('a certificate of another authority is refused, in either direction', async () => {
  const stranger = await (await createAuthority()).credentials('a')
  const server = await serve({ tls: tls.b })
  await expect(connect(server.address, { nodeId: 'a', tls: stranger })).rejects.toMatchObject({ code: 'ERR_AMST_TLS' })
  await expect(connect(server.address, { nodeId: 'a', tls: { ...stranger, ca: authority.pem } })).rejects.toMatchObject({
    code: 'ERR_AMST_TLS',
  })
})

test('a name that is not in the certificate is refused', async () => {
  const server = await serve({ tls: tls.b })
  await expect(connect(server.address, { nodeId: 'x', tls: tls.a })).rejects.toMatchObject({ code: 'ERR_AMST_IDENTITY' })
  await expect(connect(server.address, { nodeId: 'a', tls: tls.a, expect: 'c' })).rejects.toMatchObject({ code: 'ERR_AMST_IDENTITY' })
  const { socket, say } = await call(server, tls.a)
  expect(await say({ ...open, node: 'c' })).toMatchObject({ kind: 'refuse', code: 'ERR_AMST_IDENTITY' })
  socket.destroy()
})

test('a stream joins only with the session’s secret and the certificate of its first stream', async () => {
  const server = await serve({ tls: tls.b })
  const first = await call(server, tls.a)
  const accepted = await first.say(open)
  if (accepted.kind !== 'accept') throw new TypeError(`the listener said ${accepted.kind}`)
  const join = { kind: 'join', index: 1, secret: accepted.secret } as const
  for (const [credentials, hello, answer] of [
    [tls.c, join, { kind: 'refuse', code: 'ERR_AMST_REFUSED' }],
    [tls.a, { ...join, secret: new Uint8Array(16) }, { kind: 'refuse', code: 'ERR_AMST_REFUSED' }],
    [tls.a, { ...join, index: 64 }, { kind: 'refuse', code: 'ERR_AMST_LIMIT' }],
    [tls.a, join, { kind: 'joined' }],
  ] as const) {
    const { socket, say } = await call(server, credentials)
    expect(await say(hello)).toMatchObject(answer)
    socket.destroy()
  }
  first.socket.destroy()
})

test('the listener’s owner and its limits decide who comes in', async () => {
  const picky = await serve({ plaintext: true, accept: (peer) => peer.nodeId !== 'a' })
  await expect(connect(picky.address, { nodeId: 'a', plaintext: true })).rejects.toMatchObject({
    code: 'ERR_AMST_REFUSED',
    message: expect.stringContaining('"a"'),
  })
  const small = await serve({ plaintext: true, limits: { sessions: 1 } })
  const only = await connect(small.address, { nodeId: 'a', plaintext: true })
  await expect(connect(small.address, { nodeId: 'c', plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_LIMIT', retryable: true })
  await only.close()
})

test('a dial ends with the caller’s signal, its deadline, or the network’s refusal', async () => {
  const server = await serve({ plaintext: true })
  const reason = new Error('not any more')
  await expect(connect(server.address, { nodeId: 'a', plaintext: true, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const closed = server.address
  await server.close()
  await expect(connect(closed, { nodeId: 'a', plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_UNREACHABLE', retryable: true })
  await expect(connect('nowhere', { nodeId: 'a', plaintext: true })).rejects.toThrow(RangeError)
  const { createServer } = await import('node:net')
  const mute = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  onTestFinished(() => void mute.close())
  const bound = mute.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('no port')
  await expect(connect({ host: '127.0.0.1', port: bound.port }, { nodeId: 'a', plaintext: true, timeoutMs: 50 })).rejects.toMatchObject({
    code: 'ERR_AMST_TIMEOUT',
  })
})

const open = {
  kind: 'open',
  node: 'a',
  instance: new Uint8Array(16),
  streams: 4,
  allowance: allowanceOf(DEFAULT_LIMITS),
  previous: new Uint8Array(8),
  versions: [1, 1],
} as const

/** A caller that says what it likes. */
async function call(server: Server, credentials: { key: string; cert: string; ca: string }) {
  const socket = connectTls({ ...server.address, ...credentials, checkServerIdentity: () => undefined })
  await once(socket, 'secureConnect')
  return {
    socket,
    say: async (hello: Parameters<typeof encodeHello>[0]) => {
      socket.write(encodeHello(hello))
      return (await readGreeting(socket)).hello
    },
  }
}
