import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { isDwcpError } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { openIdentity } from '../src/index.ts'
import { createKey, keyPem } from '../src/keys.ts'
import { cluster, place } from './place.ts'

test('an identity is made once, and is the same ever after', async () => {
  const directory = join(place(), 'deep', 'identity')
  const first = await openIdentity(directory)
  expect(first.nodeId).toBe(`node-${first.keyId.slice(8, 20)}`)
  const second = await openIdentity(directory)
  expect([second.nodeId, second.keyId]).toEqual([first.nodeId, first.keyId])
  await expect(openIdentity(directory, { nodeId: 'other' })).rejects.toMatchObject({ code: 'ERR_SECURITY_EXISTS' })
  await expect(openIdentity(directory, { privateKey: keyPem(createKey()) })).rejects.toMatchObject({ code: 'ERR_SECURITY_EXISTS' })
})

test('of two that open it first at once, both have the same key', async () => {
  const directory = join(place(), 'identity')
  const both = await Promise.all([openIdentity(directory), openIdentity(directory), openIdentity(directory)])
  expect(new Set(both.map(({ keyId }) => keyId)).size).toBe(1)
})

test('a key that is given is taken, unless it is none', async () => {
  const key = createKey()
  const identity = await openIdentity(place(), { nodeId: 'a', privateKey: keyPem(key) })
  expect(identity.nodeId).toBe('a')
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  for (const privateKey of ['', 'a secret that is no key', ec]) {
    const refused = openIdentity(place(), { privateKey })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_SECURITY_KEY' })
    await refused.catch((error: Error) => expect(inspect(error)).not.toContain('a secret'))
  }
  await expect(openIdentity(place(), { nodeId: '../a' })).rejects.toMatchObject({ code: 'ERR_SECURITY_NAME' })
})

test.each([0o000, 0o022, 0o777])('whatever the umask (%o), the owner reads and writes its files and nobody else does', async (mask) => {
  const parent = place()
  const before = process.umask(mask)
  try {
    await openIdentity(join(parent, 'identity'))
  } finally {
    process.umask(before)
  }
  expect(statSync(join(parent, 'identity')).mode & 0o777).toBe(0o700)
  expect(statSync(join(parent, 'identity', 'identity')).mode & 0o777).toBe(0o600)
  expect(readdirSync(join(parent, 'identity'))).toEqual(['identity'])
})

test('files that others could have read or replaced are refused', async () => {
  const directory = place()
  await openIdentity(directory)
  const file = join(directory, 'identity')
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(file, mode)
    await expect(openIdentity(directory)).rejects.toMatchObject({ code: 'ERR_SECURITY_UNSAFE_FILE' })
  }
  chmodSync(file, 0o600)
  chmodSync(directory, 0o777)
  await expect(openIdentity(directory)).rejects.toMatchObject({ code: 'ERR_SECURITY_UNSAFE_FILE' })
  chmodSync(directory, 0o700)
  renameSync(file, join(directory, 'elsewhere'))
  symlinkSync(join(directory, 'elsewhere'), file)
  await expect(openIdentity(directory)).rejects.toMatchObject({ code: 'ERR_SECURITY_UNSAFE_FILE' })
  const linked = join(place(), 'link')
  symlinkSync(place(), linked)
  await expect(openIdentity(linked)).rejects.toMatchObject({ code: 'ERR_SECURITY_UNSAFE_FILE' })
  const folder = place()
  mkdirSync(join(folder, 'identity'), { mode: 0o700 })
  await expect(openIdentity(folder)).rejects.toMatchObject({ code: 'ERR_SECURITY_UNSAFE_FILE' })
})

test('a file cut short at any byte, or with any bit turned, is an error and never a new identity', async () => {
  const directory = place()
  await openIdentity(directory, { nodeId: 'a' })
  const file = join(directory, 'identity')
  const whole = readFileSync(file)
  for (let length = 0; length < whole.byteLength; length += 7) {
    truncateSync(file, length)
    await expect(openIdentity(directory)).rejects.toMatchObject({ code: 'ERR_SECURITY_CORRUPT' })
    writeFileSync(file, whole)
  }
  for (let place_ = 0; place_ < whole.byteLength; place_ += 5) {
    const altered = Buffer.from(whole)
    altered.writeUInt8(altered.readUInt8(place_) ^ (1 << (place_ % 8)), place_)
    writeFileSync(file, altered)
    await expect(openIdentity(directory)).rejects.toMatchObject({ code: 'ERR_SECURITY_CORRUPT' })
  }
  writeFileSync(file, whole)
  expect((await openIdentity(directory)).nodeId).toBe('a')
})

test('what prints, copies or serializes an identity or its credentials shows nothing of the key, nor does an error', async () => {
  const { join: joinCluster } = await cluster()
  const identity = await joinCluster('a')
  const credentials = identity.credentials()
  const secret = credentials.key.split('\n')[1]?.slice(8) ?? ''
  expect(secret.length).toBeGreaterThan(40)
  const shown = [identity, credentials, { ...credentials }, [identity.certificate()], { nested: { identity, credentials } }].flatMap(
    (value) => [
      inspect(value, { depth: 9, showHidden: true, getters: true }),
      inspect(value, { customInspect: false, depth: 9, showHidden: true }),
      JSON.stringify(value),
    ],
  )
  for (const text of shown) {
    expect(text).not.toContain('PRIVATE')
    expect(text).not.toContain(secret)
  }
  const error = await identity.install({ cluster: 'lab', certificate: 'x', authorities: 'y' }).catch((caught: unknown) => caught)
  expect(isDwcpError(error)).toBe(true)
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret)
})

test('a certificate is taken only for this name and key, in date, and from that authority', async () => {
  const { authority, clock, join: joinCluster } = await cluster()
  const identity = await openIdentity(place(), { nodeId: 'a', clock })
  expect(() => identity.credentials()).toThrow(expect.objectContaining({ code: 'ERR_SECURITY_MISSING' }))
  const authorities = authority.certificates().join('')
  const own = (await authority.issue(await identity.request())).certificate
  const others = (await joinCluster('b')).credentials().cert
  await expect(identity.install({ cluster: 'lab', certificate: others, authorities })).rejects.toMatchObject({
    code: 'ERR_SECURITY_CERTIFICATE',
  })
  await expect(identity.install({ cluster: 'lob', certificate: own, authorities })).rejects.toMatchObject({ code: 'ERR_SECURITY_CLUSTER' })
  const stranger = await cluster()
  await expect(
    identity.install({ cluster: 'lab', certificate: own, authorities: stranger.authority.certificates().join('') }),
  ).rejects.toMatchObject({ code: 'ERR_SECURITY_UNTRUSTED' })
  clock.advance(8 * 86_400_000)
  await expect(identity.install({ cluster: 'lab', certificate: own, authorities })).rejects.toMatchObject({ code: 'ERR_SECURITY_EXPIRED' })
  clock.advance(-9 * 86_400_000)
  await expect(identity.install({ cluster: 'lab', certificate: own, authorities })).rejects.toMatchObject({ code: 'ERR_SECURITY_EXPIRED' })
  clock.advance(86_400_000)
  await identity.install({ cluster: 'lab', certificate: own, authorities })
  const installed = identity.certificate()
  expect(installed?.renewAtMs).toBeLessThan((installed?.notAfterMs ?? 0) - 2 * 86_400_000)
})

test('the next certificate is told to whoever listens, also where another process installed it', async () => {
  const { authority, clock } = await cluster()
  const home = place()
  using identity = await openIdentity(home, { nodeId: 'a', clock })
  const rotations = identity.rotations()[Symbol.asyncIterator]()
  const next = rotations.next()
  const renewed = await authority.issue(await identity.request())
  const issued = { cluster: 'lab', certificate: renewed.certificate, authorities: authority.certificates().join('') }
  // What another process would do: it shares nothing but the files.
  await (await openIdentity(home, { clock })).install(issued)
  clock.advance(1000)
  expect((await next).value?.cert).toBe(renewed.certificate)
  expect(identity.credentials().cert).toBe(renewed.certificate)
  const waiting = rotations.next()
  await rotations.return?.()
  expect(await waiting).toEqual({ done: true, value: undefined })
  clock.advance(5000)
})

test('a signature is worth something for its purpose only', async () => {
  const { trust, join: joinCluster } = await cluster()
  const identity = await joinCluster('a')
  const message = Buffer.from('a vote')
  const item = { signer: 'a', domain: 'vote', message, signature: await identity.sign('vote', message) }
  const items = [
    item,
    { ...item, domain: 'veto' },
    { ...item, signer: 'b' },
    { ...item, signature: new Uint8Array(3) },
    { ...item, domain: 'a\0b' },
  ]
  expect(await trust.verify(items)).toEqual([true, false, false, false, false])
  await expect(identity.sign('a\0b', message)).rejects.toThrow(RangeError)
  await trust.revoke('a')
  expect(await trust.verify([item])).toEqual([false])
})
