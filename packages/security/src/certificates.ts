import { createPublicKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto'
import type { ClusterId, NodeId } from '@dwcp/interface'
import type * as X509 from '@peculiar/x509'
import { securityError } from './errors.js'
import { publicKeyDer } from './keys.js'
import { checkName, clusterUri, nodeUri } from './names.js'

/** From when to when, in milliseconds since the Unix epoch. */
export interface Validity {
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** An authority that signs: its name is in every certificate that it issues. */
export interface Issuer {
  readonly key: KeyObject
  /** PEM. */
  readonly certificate: string
}

const ED25519 = { name: 'Ed25519' } as const
const SERIAL_BYTES = 16
const REQUEST_CHARACTERS_MAX = 8192

/** Loaded when first used: whoever only connects with a certificate issues none. */
async function load(): Promise<typeof X509> {
  // It looks for metadata that this one keeps.
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

/** A PKCS #10 request (RFC 2986) in PEM: a name, a public key, and the proof that the asking one has the private key. */
export async function createRequest(nodeId: NodeId, key: KeyObject): Promise<string> {
  const x509 = await load()
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: named(nodeId), keys: { privateKey: await signer(key), publicKey: await verifier(key) }, signingAlgorithm: ED25519 },
    webcrypto,
  )
  return `${request.toString('pem')}\n`
}

/** @throws `ERR_SECURITY_CERTIFICATE` where it is none, or not signed by the key that it names; `ERR_SECURITY_NAME`. */
export async function readRequest(pem: string): Promise<{ readonly nodeId: NodeId; readonly publicKey: KeyObject }> {
  if (pem.length > REQUEST_CHARACTERS_MAX) throw notRequest(`its ${pem.length} characters are past ${REQUEST_CHARACTERS_MAX}`)
  const { Pkcs10CertificateRequest } = await load()
  try {
    const request = new Pkcs10CertificateRequest(pem)
    const publicKey = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' })
    const names = request.subjectName.getField('CN')
    const [nodeId] = names
    if (publicKey.asymmetricKeyType !== 'ed25519') throw notRequest('its key is not of Ed25519')
    if (nodeId === undefined || names.length !== 1) throw notRequest('it names nobody, or more than one')
    if (!(await request.verify(webcrypto))) throw notRequest('it is not signed by the key in it')
    return { nodeId: checkName(nodeId, 'the name in the request'), publicKey }
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_SECURITY')) throw error
    throw notRequest('it is cut short or altered', error)
  }
}

/** A certificate for an authority: by itself, or by `issuer` so that who knows only that one accepts what this one issues. */
export async function issueAuthority(
  order: { readonly cluster: ClusterId; readonly generation: number; readonly key: KeyObject; readonly issuer?: Issuer } & Validity,
): Promise<string> {
  const x509 = await load()
  const { cluster, generation, key, issuer } = order
  const name: X509.JsonName = [{ O: [cluster] }, { CN: [`authority ${generation}`] }]
  const publicKey = await verifier(key)
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...frame(order),
      subject: name,
      issuer: issuer === undefined ? name : new x509.X509Certificate(issuer.certificate).subject,
      publicKey,
      signingKey: await signer(issuer?.key ?? key),
      extensions: [
        // One below it at most: the next authority, until everyone knows that one.
        new x509.BasicConstraintsExtension(true, issuer === undefined ? 1 : 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: clusterUri(cluster) }]),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  return pemOf(certificate)
}

/** A certificate for a node. */
export async function issueNode(
  order: { readonly cluster: ClusterId; readonly nodeId: NodeId; readonly publicKey: KeyObject; readonly issuer: Issuer } & Validity,
): Promise<{ readonly certificate: string; readonly serial: string }> {
  const x509 = await load()
  const { cluster, nodeId, publicKey, issuer } = order
  const authority = new x509.X509Certificate(issuer.certificate)
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...frame(order),
      subject: named(nodeId),
      issuer: authority.subject,
      publicKey: await verifier(publicKey),
      signingKey: await signer(issuer.key),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: nodeUri(cluster, nodeId) }]),
        await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  return { certificate: pemOf(certificate), serial: certificate.serialNumber }
}

/** A certificate that a node signs itself. */
export async function issueAlone(order: { readonly nodeId: NodeId; readonly key: KeyObject } & Validity): Promise<string> {
  const x509 = await load()
  const { nodeId, key } = order
  const name = named(nodeId)
  const certificate = await x509.X509CertificateGenerator.create(
    { ...frame(order), subject: name, issuer: name, publicKey: await verifier(key), signingKey: await signer(key) },
    webcrypto,
  )
  return pemOf(certificate)
}

function frame({ notBeforeMs, notAfterMs }: Validity): {
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly signingAlgorithm: typeof ED25519
} {
  const serial = randomBytes(SERIAL_BYTES)
  // Positive and of one length (RFC 5280, 4.1.2.2): the first bit is clear, the second set.
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0)
  return {
    serialNumber: serial.toString('hex'),
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    signingAlgorithm: ED25519,
  }
}

const named = (nodeId: NodeId): X509.JsonName => [{ CN: [nodeId] }]

const signer = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ED25519, false, ['sign'])

const verifier = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('spki', publicKeyDer(key), ED25519, true, ['verify'])

const pemOf = (certificate: X509.X509Certificate): string => `${certificate.toString('pem')}\n`

const notRequest = (why: string, cause?: unknown): Error =>
  securityError('ERR_SECURITY_CERTIFICATE', `that is no certificate request that can be used: ${why}`, { cause })
