import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls'
import { connect, listen, requestEnrollment, type Server } from '@dwcp/amst'
import { type Clock, systemClock } from '@dwcp/interface'
import { expect, onTestFinished, test } from 'vitest'
import { enroll, foundCluster, joinCluster, openIdentity, openTrustStore, rotateAuthority } from '../src/index.ts'

interface Operator {
  readonly home: string
  readonly server: Server
  invite(nodeId?: string): Promise<string>
  members(): Promise<readonly string[]>
}

async function place(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'dwcp-join-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  return root
}

/** A cluster whose operator's node lets others join where it listens. */
async function operator(cluster = 'lab'): Promise<Operator> {
  const home = join(await place(), 'op')
  await foundCluster(home, { cluster, nodeId: 'op' })
  const [identity, trust] = [await openIdentity(home), await openTrustStore(home)]
  const server = await listen({
    nodeId: 'op',
    tls: identity,
    trust,
    enroll: async (request, binding) => (await enroll(home, request, { binding })).bundle,
  })
  onTestFinished(async () => {
    await server.close()
    identity[Symbol.dispose]()
    trust[Symbol.dispose]()
  })
  return {
    home,
    server,
    invite: async (nodeId) => (await trust.invite({ lifetimeMs: 60_000, ...(nodeId === undefined ? {} : { nodeId }) })).token,
    members: async () =>
      trust
        .list()
        .members.map(({ nodeId }) => nodeId)
        .sort(),
  }
}

const later = (ms: number): Clock => ({ ...systemClock, nowMs: () => systemClock.nowMs() + ms })

test('who has a token joins, and opens a session with the certificate it got', async () => {
  const { server, invite, members } = await operator()
  const home = join(await place(), 'a')
  const token = await invite()
  expect(await joinCluster(home, token, server.address, { nodeId: 'a' })).toMatchObject({ nodeId: 'a', cluster: 'lab', refused: [] })
  expect(await members()).toEqual(['a', 'op'])
  // Once more, as if the answer had been lost.
  expect(await joinCluster(home, token, server.address)).toMatchObject({ nodeId: 'a' })
  using identity = await openIdentity(home)
  using trust = await openTrustStore(home)
  await using session = await connect(server.address, { nodeId: 'a', tls: identity, trust })
  expect(session.peer).toMatchObject({ nodeId: 'op', domain: 'trusted' })
})

test('after a rotation tokens of the new authority are good, and former ones are not shown to it', async () => {
  const { home, server, invite } = await operator()
  const former = await invite()
  await rotateAuthority(home)
  const token = await invite()
  // The server takes up its new certificate within a second.
  const joined = async () => (await joinCluster(join(home, '..', 'b'), token, server.address, { nodeId: 'b' })).nodeId
  await expect.poll(() => joined().catch(() => ''), { timeout: 10_000 }).toBe('b')
  const late = joinCluster(join(home, '..', 'c'), former, server.address, { nodeId: 'c' })
  await expect(late).rejects.toMatchObject({ code: 'ERR_SECURITY_UNTRUSTED' })
})

test('of two that race with one token one joins, and the other hears that it was used', async () => {
  const { server, invite, members } = await operator()
  const root = await place()
  const token = await invite()
  const outcomes = await Promise.allSettled(['a', 'b'].map((nodeId) => joinCluster(join(root, nodeId), token, server.address, { nodeId })))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
    reason: { code: 'ERR_AMST_REJECTED', details: { peerCode: 'ERR_SECURITY_TOKEN_USED' } },
  })
  expect(await members()).toHaveLength(2)
})

test.each([
  [
    'that was guessed',
    async ({ invite }: Operator) => `dwcp-join-1.${Buffer.concat([Buffer.alloc(32, 7), halfOf(await invite())]).toString('base64url')}`,
    'ERR_SECURITY_TOKEN',
  ],
  ['for another name', async ({ invite }: Operator) => invite('somebody'), 'ERR_SECURITY_TOKEN'],
])('a token %s is refused, and nobody is admitted', async (_, tokenOf, peerCode) => {
  const party = await operator()
  const refused = joinCluster(join(await place(), 'a'), await tokenOf(party), party.server.address, { nodeId: 'a' })
  await expect(refused).rejects.toMatchObject({ code: 'ERR_AMST_REJECTED', details: { peerCode } })
  expect(await party.members()).toEqual(['op'])
})

test('a token that has expired is refused', async () => {
  const home = join(await place(), 'op')
  await foundCluster(home, { cluster: 'lab', nodeId: 'op' })
  using identity = await openIdentity(home)
  using trust = await openTrustStore(home)
  const clock = later(61_000)
  await using server = await listen({
    nodeId: 'op',
    tls: identity,
    trust,
    enroll: async (request, binding) => (await enroll(home, request, { binding, clock })).bundle,
  })
  const { token } = await trust.invite({ lifetimeMs: 60_000 })
  await expect(joinCluster(join(home, '..', 'a'), token, server.address)).rejects.toMatchObject({
    details: { peerCode: 'ERR_SECURITY_TOKEN' },
  })
})

test('a token for another cluster is not shown to a listener of this one', async () => {
  const [here, there] = [await operator('here'), await operator('there')]
  const joined = joinCluster(join(await place(), 'a'), await there.invite(), here.server.address)
  await expect(joined).rejects.toMatchObject({ code: 'ERR_SECURITY_UNTRUSTED' })
})

test('over a connection a certificate request is worth nothing without a token', async () => {
  const { server, members } = await operator()
  using identity = await openIdentity(join(await place(), 'a'), { nodeId: 'a' })
  const asked = requestEnrollment(server.address, { request: () => identity.request() })
  await expect(asked).rejects.toMatchObject({ code: 'ERR_AMST_REJECTED', details: { peerCode: 'ERR_SECURITY_TOKEN' } })
  expect(await members()).toEqual(['op'])
})

test('a join request that was made for one connection is worth nothing on another', async () => {
  const { server, invite, members } = await operator()
  using identity = await openIdentity(join(await place(), 'a'), { nodeId: 'a' })
  const token = await invite()
  let seen = ''
  const first = requestEnrollment(server.address, {
    request: async (_, binding) => {
      seen = await identity.joinRequest(token, binding)
      throw new Error('cut off')
    },
  })
  await expect(first).rejects.toThrow('cut off')
  for (const replayed of [seen, await identity.joinRequest(token)]) {
    await expect(requestEnrollment(server.address, { request: async () => replayed })).rejects.toMatchObject({
      details: { peerCode: 'ERR_SECURITY_SIGNATURE' },
    })
  }
  expect(await members()).toEqual(['op'])
})

test('who is in the path and forwards is found out, with a certificate of its own and with one of a member', async () => {
  const { server, invite, members } = await operator()
  const root = await place()
  await joinCluster(join(root, 'm'), await invite(), server.address, { nodeId: 'm' })
  const stranger = join(root, 'stranger')
  await foundCluster(stranger, { cluster: 'lab', nodeId: 'op' })
  for (const [directory, expected] of [
    [stranger, { code: 'ERR_SECURITY_UNTRUSTED' }],
    [join(root, 'm'), { code: 'ERR_AMST_REJECTED', details: { peerCode: 'ERR_SECURITY_SIGNATURE' } }],
  ] as const) {
    using identity = await openIdentity(directory)
    const { key, cert, ca } = identity.credentials()
    const proxy = createServer({ key, cert, ca, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false })
    proxy.on('secureConnection', (near: TLSSocket) => {
      const far = connectTls({ host: '127.0.0.1', port: server.address.port, rejectUnauthorized: false })
      for (const end of [near, far]) end.on('error', () => undefined)
      near.pipe(far).pipe(near)
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    onTestFinished(() => void proxy.close())
    const address = proxy.address()
    if (address === null || typeof address === 'string') throw new TypeError('no address')
    const joined = joinCluster(join(root, 'a'), await invite(), { host: '127.0.0.1', port: address.port }, { nodeId: 'a' })
    await expect(joined).rejects.toMatchObject(expected)
  }
  expect(await members()).toEqual(['m', 'op'])
})

const halfOf = (token: string): Buffer => Buffer.from(token.slice('dwcp-join-1.'.length), 'base64url').subarray(32)
