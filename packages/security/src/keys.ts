import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import type { KeyId, SigningDomain } from '@dwcp/interface'
import { securityError } from './errors.js'

const SEED_BYTES = 32
/** What stands before the seed in the PKCS#8 form of an Ed25519 key (RFC 8410, 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
/** And before the public key in its SPKI form (RFC 8410, 4). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex')
export const PUBLIC_KEY_BYTES = 32

/** An Ed25519 key; `util.inspect` and `JSON.stringify` show nothing of it. */
export const createKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey

/**
 * From PEM.
 * @throws `ERR_SECURITY_KEY` where it is no Ed25519 private key; the message holds nothing of it.
 */
export function readKey(pem: string): KeyObject {
  let key: KeyObject | undefined
  try {
    key = createPrivateKey(pem)
  } catch {
    // OpenSSL's error says no more than that it could not.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw securityError('ERR_SECURITY_KEY', 'that is no Ed25519 private key in PEM: make one with "openssl genpkey -algorithm ed25519"')
}

export const keyOfSeed = (seed: Uint8Array): KeyObject => {
  if (seed.byteLength !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes, not ${seed.byteLength}`)
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' })
}

export const keyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

export const publicKeyDer = (key: KeyObject): Buffer =>
  (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' })

/** The raw 32 bytes of an Ed25519 public key. */
export const rawPublicKey = (key: KeyObject): Buffer => publicKeyDer(key).subarray(SPKI_HEAD.byteLength)

export const publicKeyOf = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_HEAD, raw]), format: 'der', type: 'spki' })

/** SHA-256 of the SubjectPublicKeyInfo. */
export const keyIdOf = (key: KeyObject): KeyId => `sha-256:${createHash('sha256').update(publicKeyDer(key)).digest('hex')}`

/** Signs `message` for one purpose. In a thread of libuv's pool. */
export function signFor(domain: SigningDomain, message: Uint8Array, key: KeyObject): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    sign(null, inDomain(domain, message), key, (error, signature) => (error ? reject(error) : resolve(signature)))
  })
}

export function verifyFor(domain: SigningDomain, message: Uint8Array, key: KeyObject, signature: Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify(null, inDomain(domain, message), key, signature, (error, isGood) => (error ? reject(error) : resolve(isGood)))
  })
}

export const isDomain = (domain: SigningDomain): boolean => !domain.includes('\0')

/** No two domains and messages give the same bytes: the domain cannot hold what ends it. */
function inDomain(domain: SigningDomain, message: Uint8Array): Buffer {
  if (!isDomain(domain)) throw new RangeError('a signing domain holds no NUL')
  return Buffer.concat([Buffer.from(`dwcp-signature\0${domain}\0`), message])
}
