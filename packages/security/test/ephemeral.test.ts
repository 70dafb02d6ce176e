import { createPrivateKey, X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { createEphemeralCredentials } from '../src/index.ts'

test('a fresh key each time, in a certificate that it signs itself, for now and a week', async () => {
  const [one, other] = [await createEphemeralCredentials('a'), await createEphemeralCredentials('a')]
  expect(one.key).not.toBe(other.key)
  expect(createPrivateKey(one.key).asymmetricKeyType).toBe('ed25519')
  const certificate = new X509Certificate(one.cert)
  expect(certificate.subject).toBe('CN=a')
  expect(certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey)).toBe(true)
  expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now())
  expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now() + 6 * 86_400_000)
  await expect(createEphemeralCredentials('../a')).rejects.toMatchObject({ code: 'ERR_SECURITY_NAME' })
})
