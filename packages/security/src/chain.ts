import { X509Certificate } from 'node:crypto'
import type { ClusterId, KeyId, NodeId } from '@dwcp/interface'
import { type SecurityError, securityError } from './errors.js'
import { keyIdOf } from './keys.js'
import { clusterUri, isName, nodeUri } from './names.js'

/** What a chain of certificates proves: who has that key, for a while. Not that it is admitted. */
export interface ProvenNode {
  readonly nodeId: NodeId
  readonly keyId: KeyId
  /** Hexadecimal, lower case. */
  readonly serial: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** Whose word counts, where and when. */
export interface ChainRules {
  readonly cluster: ClusterId
  readonly authorities: readonly X509Certificate[]
  readonly nowMs: number
}

const CERTIFICATE_BYTES_MAX = 16_384
/** The node's, and that of an authority which the other end does not know yet. */
const CHAIN_MAX = 2
const PEM_CHARACTERS_MAX = 200_000
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * Follows a chain from a node's certificate (DER, leaf first; what comes after the second is not looked at) to an authority.
 * @throws `ERR_SECURITY_CERTIFICATE`, `ERR_SECURITY_EXPIRED`, `ERR_SECURITY_UNTRUSTED`, `ERR_SECURITY_CLUSTER`, `ERR_SECURITY_KEY`.
 */
export function verifyChain(chain: readonly Uint8Array[], { cluster, authorities, nowMs }: ChainRules): ProvenNode {
  const certificates = chain.slice(0, CHAIN_MAX).map(readDer)
  const [leaf, intermediate] = certificates
  if (leaf === undefined) throw securityError('ERR_SECURITY_CERTIFICATE', 'no certificate was shown')
  if (leaf.ca) throw securityError('ERR_SECURITY_CERTIFICATE', "an authority's certificate was shown in place of a node's")
  const vouches = (above: X509Certificate): boolean => leaf.checkIssued(above) && leaf.verify(above.publicKey)
  let issuer = authorities.find(vouches)
  if (issuer === undefined && intermediate?.ca && vouches(intermediate)) {
    issuer = authorities.find((one) => intermediate.checkIssued(one) && intermediate.verify(one.publicKey))
    checkDates(intermediate, nowMs, 'an authority')
  }
  if (issuer === undefined) throw untrusted(leaf)
  checkDates(issuer, nowMs, 'an authority')
  const nodeId = nodeIn(leaf, cluster)
  const { notBeforeMs, notAfterMs } = checkDates(leaf, nowMs, `"${nodeId}"`)
  if (leaf.publicKey.asymmetricKeyType !== 'ed25519') throw securityError('ERR_SECURITY_KEY', `the key of "${nodeId}" is not of Ed25519`)
  return { nodeId, keyId: keyIdOf(leaf.publicKey), serial: leaf.serialNumber.toLowerCase(), notBeforeMs, notAfterMs }
}

/** @throws `ERR_SECURITY_CERTIFICATE` where it is no authority's; `ERR_SECURITY_CLUSTER` where it is that of another cluster. */
export function readAuthority(pem: string, cluster: ClusterId): X509Certificate {
  const certificate = read(pem)
  if (!certificate.ca || certificate.publicKey.asymmetricKeyType !== 'ed25519' || !certificate.verify(certificate.publicKey)) {
    throw securityError('ERR_SECURITY_CERTIFICATE', 'that is no certificate of an authority that signed itself')
  }
  if (certificate.subjectAltName !== `URI:${clusterUri(cluster)}`) throw otherCluster('the authority', cluster)
  return certificate
}

/**
 * For who knows an authority by its key only: whether the first certificate is a node's, in date, and of the second, which has that key.
 * @throws `ERR_SECURITY_UNTRUSTED`, `ERR_SECURITY_EXPIRED`, `ERR_SECURITY_CERTIFICATE`.
 */
export function verifyIssuedBy(authority: KeyId, chain: readonly Uint8Array[], nowMs: number): void {
  const [leaf, issuer] = chain.slice(0, CHAIN_MAX).map(readDer)
  if (leaf === undefined) throw securityError('ERR_SECURITY_CERTIFICATE', 'no certificate was shown')
  if (!issuer?.ca || leaf.ca || keyIdOf(issuer.publicKey) !== authority || !leaf.checkIssued(issuer) || !leaf.verify(issuer.publicKey))
    throw securityError('ERR_SECURITY_UNTRUSTED', 'the other end has no certificate of the authority that the token names')
  checkDates(issuer, nowMs, 'an authority')
  checkDates(leaf, nowMs, 'the other end')
}

/** The certificates in a PEM text, in its order. */
export function splitPem(pem: string): readonly string[] {
  if (pem.length > PEM_CHARACTERS_MAX) throw securityError('ERR_SECURITY_CERTIFICATE', `PEM of ${pem.length} characters is too long`)
  return [...pem.matchAll(PEM_CERTIFICATE)].map(([text]) => `${text}\n`)
}

export const derOf = (pem: string): Uint8Array => read(pem).raw

export const isInDate = (certificate: X509Certificate, nowMs: number): boolean =>
  nowMs >= Date.parse(certificate.validFrom) && nowMs <= Date.parse(certificate.validTo)

function readDer(der: Uint8Array): X509Certificate {
  if (der.byteLength > CERTIFICATE_BYTES_MAX)
    throw securityError('ERR_SECURITY_CERTIFICATE', `a certificate of ${der.byteLength} bytes is past ${CERTIFICATE_BYTES_MAX}`)
  return read(der)
}

function read(certificate: string | Uint8Array): X509Certificate {
  try {
    return new X509Certificate(certificate)
  } catch (cause) {
    throw securityError('ERR_SECURITY_CERTIFICATE', 'a certificate is cut short or altered', { cause })
  }
}

/** One name, twice: the CN that TLS shows, and the URI that says which cluster's. */
function nodeIn(leaf: X509Certificate, cluster: ClusterId): NodeId {
  const names = leaf.subject?.split('\n') ?? []
  const nodeId = names[0]?.slice('CN='.length) ?? ''
  if (names.length !== 1 || names[0] !== `CN=${nodeId}` || !isName(nodeId))
    throw securityError('ERR_SECURITY_CERTIFICATE', `a certificate names ${JSON.stringify(names.join(', ').slice(0, 200))} and no node`)
  if (leaf.subjectAltName === `URI:${nodeUri(cluster, nodeId)}`) return nodeId
  throw otherCluster(`the certificate of "${nodeId}"`, cluster)
}

function checkDates(certificate: X509Certificate, nowMs: number, whose: string): { notBeforeMs: number; notAfterMs: number } {
  const [notBeforeMs, notAfterMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  if (nowMs >= notBeforeMs && nowMs <= notAfterMs) return { notBeforeMs, notAfterMs }
  const when = nowMs > notAfterMs ? `expired on ${certificate.validTo}` : `is not valid before ${certificate.validFrom}`
  throw securityError('ERR_SECURITY_EXPIRED', `the certificate of ${whose} ${when}, and now is ${new Date(nowMs).toISOString()}`)
}

const untrusted = ({ issuer }: X509Certificate): SecurityError =>
  securityError(
    'ERR_SECURITY_UNTRUSTED',
    `no known authority vouches for the certificate: its issuer is ${JSON.stringify(issuer?.slice(0, 200))}`,
  )

const otherCluster = (what: string, cluster: ClusterId): SecurityError =>
  securityError('ERR_SECURITY_CLUSTER', `${what} is not for cluster "${cluster}"`)
