import { once } from 'node:events'
import { connect, createServer, type TLSSocket } from 'node:tls'
import type { TlsCredentials } from '@dwcp/interface'
import { expect, onTestFinished, test } from 'vitest'
import { issueNode } from '../src/certificates.ts'
import { createTrustStore, openIdentity, openTrustStore } from '../src/index.ts'
import { createKey } from '../src/keys.ts'
import { chainOf, cluster, place } from './place.ts'

const DAY_MS = 86_400_000

test('a certificate that expired or is not valid yet is refused', async () => {
  const { trust, clock, join } = await cluster()
  const chain = chainOf((await join('a', { lifetimeMs: DAY_MS })).credentials())
  const nowMs = clock.nowMs()
  expect(trust.authenticate(chain, nowMs + DAY_MS - 2000).nodeId).toBe('a')
  for (const atMs of [nowMs + DAY_MS + 1000, nowMs - 3_600_000]) {
    expect(() => trust.authenticate(chain, atMs)).toThrow(expect.objectContaining({ code: 'ERR_SECURITY_EXPIRED' }))
  }
})

test('a certificate of another authority for the same name, key and cluster is refused', async () => {
  const { trust, clock, join } = await cluster()
  const other = await cluster()
  const a = await join('a')
  const { certificate } = await other.authority.issue(await a.request())
  expect(() => trust.authenticate(chainOf({ cert: certificate }), clock.nowMs())).toThrow(
    expect.objectContaining({ code: 'ERR_SECURITY_UNTRUSTED' }),
  )
})

test('an authority’s certificate, none at all, and a node that signs certificates are refused', async () => {
  const { authority, trust, clock, join } = await cluster()
  const a = await join('a')
  const nowMs = clock.nowMs()
  expect(() => trust.authenticate([], nowMs)).toThrow(expect.objectContaining({ code: 'ERR_SECURITY_CERTIFICATE' }))
  expect(() => trust.authenticate(chainOf({ cert: authority.certificates().join('') }), nowMs)).toThrow(
    expect.objectContaining({ code: 'ERR_SECURITY_CERTIFICATE' }),
  )
  const key = createKey()
  const { cert } = a.credentials()
  const forged = await issueNode({
    cluster: 'lab',
    nodeId: 'boss',
    publicKey: key,
    issuer: { key, certificate: cert },
    notBeforeMs: nowMs - 1000,
    notAfterMs: nowMs + DAY_MS,
  })
  expect(() => trust.authenticate([...chainOf({ cert: forged.certificate }), ...chainOf({ cert })], nowMs)).toThrow(
    expect.objectContaining({ code: 'ERR_SECURITY_UNTRUSTED' }),
  )
})

test('a certificate with any byte altered is refused', async () => {
  const { trust, clock, join } = await cluster()
  const [der = new Uint8Array()] = chainOf((await join('a')).credentials())
  for (let at = 0; at < der.byteLength; at += 1) {
    const altered = Uint8Array.from(der)
    altered[at] = (altered[at] ?? 0) ^ 1
    expect(() => trust.authenticate([altered], clock.nowMs())).toThrow(/certificate|authority|key|cluster|admitted/)
  }
  expect(() => trust.authenticate([new Uint8Array(20_000)], clock.nowMs())).toThrow(
    expect.objectContaining({ code: 'ERR_SECURITY_CERTIFICATE' }),
  )
})

test('a name that the authority certified for another key is not taken for the member of that name', async () => {
  const { authority, trust, clock, join } = await cluster()
  const a = await join('a')
  await trust.revoke('a')
  await authority.revoke({ nodeId: 'a' })
  const second = await join('a', { admitted: false })
  expect(second.keyId).not.toBe(a.keyId)
  expect(() => trust.authenticate(chainOf(second.credentials()), clock.nowMs())).toThrow(
    expect.objectContaining({ code: 'ERR_SECURITY_NOT_ADMITTED' }),
  )
})

test('no certificate is issued for a name that another key has, or for a request that was altered', async () => {
  const { authority, clock, join } = await cluster()
  await join('a')
  const impostor = await openIdentity(place(), { nodeId: 'a', clock })
  await expect(authority.issue(await impostor.request())).rejects.toMatchObject({ code: 'ERR_SECURITY_NAME_TAKEN' })
  const b = await openIdentity(place(), { nodeId: 'b', clock })
  const pem = await b.request()
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  for (let at = 0; at < der.byteLength; at += 5) {
    const altered = Buffer.from(der)
    altered.writeUInt8(altered.readUInt8(at) ^ 2, at)
    const text = `-----BEGIN CERTIFICATE REQUEST-----\n${altered.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    await expect(authority.issue(text)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SECURITY/) })
  }
  for (const text of ['', 'x', 'x'.repeat(9000), pem.slice(0, -60)]) {
    await expect(authority.issue(text)).rejects.toMatchObject({ code: 'ERR_SECURITY_CERTIFICATE' })
  }
  await expect(authority.issue(pem, { lifetimeMs: 1000 })).rejects.toThrow(RangeError)
  expect(authority.issued()).toHaveLength(1)
})

test('nodes meet over TLS 1.3, also across a rotation of the authority that one of them has not heard of', async () => {
  const { authority, trust, clock, join } = await cluster()
  const [old = ''] = authority.certificates()
  const a = await join('a')
  const before = trust.authorities()
  const statements = await authority.rotate()
  expect(authority.certificates()).toHaveLength(2)
  const b = await openIdentity(place(), { nodeId: 'b', clock })
  const issued = await authority.issue(await b.request())
  const admission = await authority.admission(issued)
  await b.install({ cluster: 'lab', certificate: issued.certificate, authorities: authority.certificates().join('') })
  // a knows the old authority only.
  const seen = await shake(a.credentials(), b.credentials())
  using olden = await createTrustStore(place(), { cluster: 'lab', authority: old, clock })
  expect(olden.authorities()).toEqual(before)
  await expect(olden.accept([admission])).rejects.toMatchObject({ code: 'ERR_SECURITY_UNTRUSTED' })
  await olden.accept([...statements, admission])
  expect(olden.authorities()).toHaveLength(2)
  expect(olden.authenticate(seen, clock.nowMs()).nodeId).toBe('b')
  // The cross certificate alone is enough for the old trust store, and no more than the old authority is needed.
  await trust.accept(statements)
  expect(trust.authenticate(chainOf(a.credentials()), clock.nowMs()).nodeId).toBe('a')
  clock.advance(5 * 367 * DAY_MS)
  await expect(authority.issue(await a.request())).rejects.toMatchObject({ code: 'ERR_SECURITY_EXPIRED' })
  expect(await authority.rotate()).toEqual([])
})

test('an authority lives on through the rotation of another process', async () => {
  const { authority, directory, clock } = await cluster()
  const { openAuthority } = await import('../src/index.ts')
  await (await openAuthority(directory, { clock })).rotate()
  expect(authority.certificates()).toHaveLength(2)
  using trust = await openTrustStore(directory, { clock })
  expect(trust.authorities()).toHaveLength(1)
})

/** One handshake with certificates asked for on both sides. @returns what the client saw. */
async function shake(client: TlsCredentials, server: TlsCredentials): Promise<readonly Uint8Array[]> {
  const listener = createServer({ key: server.key, cert: server.cert, ca: server.ca, requestCert: true, rejectUnauthorized: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => void listener.close())
  const bound = listener.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('no port')
  const met = once(listener, 'secureConnection')
  const { key, cert, ca } = client
  const socket = connect({ port: bound.port, key, cert, ca, minVersion: 'TLSv1.3', checkServerIdentity: () => undefined })
  await once(socket, 'secureConnect')
  const [other]: TLSSocket[] = await met
  expect([socket.authorized, other?.authorized, socket.getProtocol()]).toEqual([true, true, 'TLSv1.3'])
  const { raw, issuerCertificate } = socket.getPeerCertificate(true)
  socket.destroy()
  other?.destroy()
  return [raw, issuerCertificate.raw]
}
