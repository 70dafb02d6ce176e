import { execFile } from 'node:child_process'
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect, promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createTrustStore, installBundle, isJoinRequest, openIdentity, openTrustStore } from '../src/index.ts'
import { bundled } from './bundled.ts'
import { chainOf, cluster, place } from './place.ts'

test('a member is authenticated with what it was admitted as, and whoever is not admitted is refused with a certificate as good', async () => {
  const { authority, trust, clock, join: joinCluster } = await cluster()
  const a = await joinCluster('a', { admitted: false })
  const chain = chainOf(a.credentials())
  expect(() => trust.authenticate(chain, clock.nowMs())).toThrow(expect.objectContaining({ code: 'ERR_SECURITY_NOT_ADMITTED' }))
  const issued = await authority.issue(await a.request())
  await trust.accept([await authority.admission({ ...issued, roles: ['worker'] })])
  expect(trust.authenticate(chain, clock.nowMs())).toEqual({ nodeId: 'a', keyId: a.keyId, roles: ['worker'], domain: 'trusted' })
  expect(trust.list().members).toMatchObject([{ nodeId: 'a', keyId: a.keyId }])
})

test('a revoked node is refused at once, tells who listens, and its key never comes back', async () => {
  const { authority, trust, clock, directory, join: joinCluster } = await cluster()
  const a = await joinCluster('a')
  const admission = trust.statements()
  const changes = trust.changes()[Symbol.asyncIterator]()
  const change = changes.next()
  // By another process.
  using elsewhere = await openTrustStore(directory, { clock })
  await elsewhere.revoke('a')
  expect(() => trust.authenticate(chainOf(a.credentials()), clock.nowMs())).toThrow(
    expect.objectContaining({ code: 'ERR_SECURITY_REVOKED' }),
  )
  expect((await change).value).toEqual({ kind: 'revoked', nodeId: 'a', keyId: a.keyId })
  expect(await trust.accept(admission)).toMatchObject([{ code: 'ERR_SECURITY_REVOKED' }])
  expect(trust.list().members).toEqual([])
  await expect(trust.revoke('a')).rejects.toMatchObject({ code: 'ERR_SECURITY_NOT_ADMITTED' })
  await authority.revoke({ nodeId: 'a' })
  await expect(authority.issue(await a.request())).rejects.toMatchObject({ code: 'ERR_SECURITY_REVOKED' })
  await expect(authority.admission({ ...a, publicKey: publicKeyIn(admission[0]) })).rejects.toMatchObject({ code: 'ERR_SECURITY_REVOKED' })
  const anew = await joinCluster('a')
  expect(trust.authenticate(chainOf(anew.credentials()), clock.nowMs()).keyId).toBe(anew.keyId)
})

test('a change by another process is told within the poll, without anybody asking', async () => {
  const { trust, clock, directory, join: joinCluster } = await cluster()
  const { keyId } = await joinCluster('a')
  const change = trust.changes()[Symbol.asyncIterator]().next()
  using elsewhere = await openTrustStore(directory, { clock })
  await elsewhere.revoke(keyId)
  clock.advance(200)
  expect((await change).value).toMatchObject({ kind: 'revoked', nodeId: 'a' })
})

test('a token admits once, within its time, and no other name or key in its place', async () => {
  const { trust, clock, directory } = await cluster()
  const { token } = await trust.invite({ roles: ['edge'], lifetimeMs: 60_000 })
  expect(readFileSync(join(directory, 'trust'), 'utf8')).not.toContain(token.slice(12, 40))
  const a = await openIdentity(place(), { nodeId: 'a', clock })
  const request = await a.joinRequest(token)
  expect([isJoinRequest(request), isJoinRequest(token), isJoinRequest(await a.request())]).toEqual([true, false, false])
  expect(await trust.admit(request)).toMatchObject({ nodeId: 'a', keyId: a.keyId, roles: ['edge'], domain: 'untrusted' })
  // The answer was lost: the same node hears it again.
  expect(await trust.admit(request)).toMatchObject({ nodeId: 'a' })
  const b = await openIdentity(place(), { nodeId: 'b', clock })
  await expect(trust.admit(await b.joinRequest(token))).rejects.toMatchObject({ code: 'ERR_SECURITY_TOKEN_USED' })
  await trust.revoke('a')
  await expect(trust.admit(request)).rejects.toMatchObject({ code: 'ERR_SECURITY_REVOKED' })

  const late = await trust.invite({ lifetimeMs: 1000 })
  const forC = await trust.invite({ nodeId: 'c' })
  clock.advance(1000)
  await expect(trust.admit(await b.joinRequest(late.token))).rejects.toMatchObject({ code: 'ERR_SECURITY_TOKEN', message: /expired/ })
  await expect(trust.admit(await b.joinRequest(forC.token))).rejects.toMatchObject({ code: 'ERR_SECURITY_TOKEN', message: /"c"/ })
  const other = await cluster()
  const foreign = await other.trust.invite()
  await expect(trust.admit(await b.joinRequest(foreign.token))).rejects.toMatchObject({ code: 'ERR_SECURITY_TOKEN' })
  await expect(b.joinRequest(`${late.token.slice(0, -1)}!`)).rejects.toMatchObject({ code: 'ERR_SECURITY_TOKEN' })
  await expect(trust.invite({ lifetimeMs: 999 })).rejects.toThrow(RangeError)
  await expect(trust.invite({ lifetimeMs: 86_400_001 })).rejects.toThrow(RangeError)
})

test('a token cannot take over the name of a member', async () => {
  const { trust, clock, join: joinCluster } = await cluster()
  await joinCluster('a')
  const { token } = await trust.invite()
  const impostor = await openIdentity(place(), { nodeId: 'a', clock })
  await expect(trust.admit(await impostor.joinRequest(token))).rejects.toMatchObject({ code: 'ERR_SECURITY_NAME_TAKEN' })
  // And the token is still good for somebody else.
  const b = await openIdentity(place(), { nodeId: 'b', clock })
  expect(await trust.admit(await b.joinRequest(token))).toMatchObject({ nodeId: 'b' })
})

test('a join request that was altered, or made for another connection, is refused and uses nothing up', async () => {
  const { trust, clock } = await cluster()
  const { token } = await trust.invite()
  const a = await openIdentity(place(), { nodeId: 'a', clock })
  const binding = Buffer.from('keying material of one connection')
  const bound = await a.joinRequest(token, binding)
  await expect(trust.admit(bound)).rejects.toMatchObject({ code: 'ERR_SECURITY_SIGNATURE' })
  await expect(trust.admit(bound, Buffer.from('keying material of the other one?'))).rejects.toMatchObject({
    code: 'ERR_SECURITY_SIGNATURE',
  })
  const [head, body = '', signature] = bound.split('.')
  const other = await openIdentity(place(), { nodeId: 'a', clock })
  const payload = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), request: await other.request() }
  const swapped = [head, Buffer.from(JSON.stringify(payload)).toString('base64url'), signature].join('.')
  await expect(trust.admit(swapped, binding)).rejects.toMatchObject({ code: 'ERR_SECURITY_SIGNATURE' })
  for (const text of ['', 'a.b.c', token, bound.slice(1), bound.slice(0, -1), 'x'.repeat(100_000)]) {
    await expect(trust.admit(text, binding)).rejects.toMatchObject({ code: 'ERR_SECURITY_SIGNATURE' })
  }
  expect(await trust.admit(bound, binding)).toMatchObject({ keyId: a.keyId })
})

test('of two processes that bring one token at once, one is in', async () => {
  const { trust, directory } = await cluster()
  const child = await bundled('test/child.ts')
  const { token } = await trust.invite()
  const requests = await Promise.all(['p', 'q', 'r'].map(async (nodeId) => (await openIdentity(place(), { nodeId })).joinRequest(token)))
  const run = promisify(execFile)
  const answers = await Promise.all(requests.map((request) => run(process.execPath, [child, directory, request])))
  const said = answers.map(({ stdout }) => stdout).sort()
  expect(said.slice(0, 2)).toEqual(['ERR_SECURITY_TOKEN_USED', 'ERR_SECURITY_TOKEN_USED'])
  expect(trust.list().members.map(({ nodeId }) => nodeId)).toEqual([said[2]])
})

test('of several joiners with one token at once, one is in and the other hears why', async () => {
  const { trust, clock, directory } = await cluster()
  for (let round = 0; round < 4; round += 1) {
    const { token } = await trust.invite()
    const joiners = await Promise.all(['x', 'y', 'z'].map((name) => openIdentity(place(), { nodeId: `${name}${round}`, clock })))
    const stores = await Promise.all(joiners.map(() => openTrustStore(directory, { clock })))
    const results = await Promise.allSettled(joiners.map(async (joiner, at) => stores[at]?.admit(await joiner.joinRequest(token))))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ERR_SECURITY_TOKEN_USED' })
  }
  expect(trust.list().members).toHaveLength(4)
})

test('a statement that was altered, is of another cluster or of no known authority admits nobody, nor does anything that came with it', async () => {
  const { authority, trust, clock } = await cluster()
  const other = await cluster()
  const a = await openIdentity(place(), { nodeId: 'a', clock })
  const issued = await authority.issue(await a.request())
  const good = await authority.admission(issued)
  const [head, body = '', signature] = good.split('.')
  const payload = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), roles: ['admin'] }
  const altered = [head, Buffer.from(JSON.stringify(payload)).toString('base64url'), signature].join('.')
  await expect(trust.accept([good, altered])).rejects.toMatchObject({ code: 'ERR_SECURITY_SIGNATURE' })
  const foreign = await other.authority.admission({ ...issued, nodeId: 'b' })
  await expect(trust.accept([good, foreign])).rejects.toMatchObject({ code: 'ERR_SECURITY_UNTRUSTED' })
  const { token } = await trust.invite()
  await expect(trust.accept([await a.joinRequest(token)])).rejects.toMatchObject({ code: 'ERR_SECURITY_SIGNATURE' })
  expect(trust.list().members).toEqual([])
  expect(await trust.accept([good])).toEqual([])
  expect(trust.list().members).toHaveLength(1)
})

test('one certificate can be revoked, and the key goes on with another', async () => {
  const { authority, trust, clock, join: joinCluster } = await cluster()
  const a = await joinCluster('a')
  const lost = a.certificate()
  await trust.accept(await authority.revoke({ serial: lost?.serial ?? '' }))
  expect(() => trust.authenticate(chainOf(a.credentials()), clock.nowMs())).toThrow(
    expect.objectContaining({ code: 'ERR_SECURITY_REVOKED' }),
  )
  const { certificate } = await authority.issue(await a.request())
  expect(trust.authenticate(chainOf({ cert: certificate }), clock.nowMs()).nodeId).toBe('a')
  expect(trust.list().revoked).toMatchObject([{ nodeId: 'a', serial: lost?.serial }])
})

test('a store that is cut short, altered, gone or put in another’s place trusts nobody', async () => {
  const { trust, clock, directory, join: joinCluster } = await cluster()
  const chain = chainOf((await joinCluster('a')).credentials())
  const file = join(directory, 'trust')
  const whole = readFileSync(file)
  const refusals = { code: 'ERR_SECURITY_CORRUPT' }
  for (let length = 0; length < whole.byteLength; length += 97) {
    truncateSync(file, length)
    expect(() => trust.authenticate(chain, clock.nowMs())).toThrow(expect.objectContaining(refusals))
    await expect(openTrustStore(directory)).rejects.toMatchObject(refusals)
    await expect(trust.revoke('a')).rejects.toMatchObject(refusals)
    writeFileSync(file, whole)
  }
  for (let at = 0; at < whole.byteLength; at += 61) {
    const altered = Buffer.from(whole)
    altered.writeUInt8(altered.readUInt8(at) ^ (1 << (at % 8)), at)
    writeFileSync(file, altered)
    expect(() => trust.authenticate(chain, clock.nowMs())).toThrow(expect.objectContaining(refusals))
  }
  writeFileSync(file, readFileSync(join(directory, 'authority')))
  expect(() => trust.authenticate(chain, clock.nowMs())).toThrow(expect.objectContaining(refusals))
  rmSync(file)
  expect(() => trust.authenticate(chain, clock.nowMs())).toThrow(expect.objectContaining({ code: 'ERR_SECURITY_MISSING' }))
  await expect(openTrustStore(directory)).rejects.toMatchObject({ code: 'ERR_SECURITY_MISSING' })
  writeFileSync(file, whole, { mode: 0o600 })
  expect(trust.authenticate(chain, clock.nowMs()).nodeId).toBe('a')
})

test('a bundle brings certificate, trust and members; the first is believed only from whom its token names', async () => {
  const { authority, trust, clock, join: joinCluster } = await cluster()
  await joinCluster('a')
  const { token } = await trust.invite()
  const home = place()
  const b = await openIdentity(home, { nodeId: 'b', clock })
  await trust.admit(await b.joinRequest(token))
  const bundle = authority.bundle((await authority.issue(await b.request())).certificate, trust.statements())
  const other = await cluster()
  const lure = other.authority.bundle((await other.authority.issue(await b.request())).certificate, [])
  await expect(installBundle(home, lure, { token, clock })).rejects.toMatchObject({ code: 'ERR_SECURITY_UNTRUSTED' })
  expect(await installBundle(home, bundle, { token, clock })).toMatchObject({ nodeId: 'b', cluster: 'lab', refused: [] })
  using mine = await openTrustStore(home, { clock })
  expect(mine.list().members).toMatchObject([{ nodeId: 'a' }])
  await expect(installBundle(home, lure, { clock })).rejects.toMatchObject({ code: 'ERR_SECURITY_UNTRUSTED' })
  for (const text of ['', '{}', bundle.slice(0, -9), bundle.replace('dwcp-bundle-1', 'dwcp-bundle-2')]) {
    await expect(installBundle(home, text, { clock })).rejects.toMatchObject({ code: 'ERR_SECURITY_CERTIFICATE' })
  }
})

test('neither a store nor an invitation that is printed shows its token', async () => {
  const { trust, authority } = await cluster()
  const { token } = await trust.invite()
  for (const value of [trust, authority, trust.list()])
    expect(inspect(value, { depth: 9, showHidden: true }) + JSON.stringify(value)).not.toContain(token.slice(12, 55))
  for (const value of [trust, authority]) expect(inspect(value, { depth: 9, showHidden: true })).not.toContain('PRIVATE')
})

test('a store is made once, for a cluster with a good name', async () => {
  const { authority, directory } = await cluster()
  const [pem = ''] = authority.certificates()
  await expect(createTrustStore(directory, { cluster: 'lab', authority: pem })).rejects.toMatchObject({ code: 'ERR_SECURITY_EXISTS' })
  await expect(createTrustStore(place(), { cluster: 'lob', authority: pem })).rejects.toMatchObject({ code: 'ERR_SECURITY_CLUSTER' })
  await expect(createTrustStore(place(), { cluster: 'a/b', authority: pem })).rejects.toMatchObject({ code: 'ERR_SECURITY_NAME' })
})

function publicKeyIn(statement = ''): string {
  return JSON.parse(Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString()).publicKey
}
