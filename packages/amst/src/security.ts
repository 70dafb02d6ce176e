import { createHash, X509Certificate } from 'node:crypto'
import { BlockList, isIP, type Socket } from 'node:net'
import { type SecureContextOptions, TLSSocket } from 'node:tls'
import type { NodeId, Principal, TlsCredentials, TrustDomain } from '@dwcp/interface'
import { amstError } from './errors.js'

/** What protects a session. */
export type Security = 'tls1.3' | 'plaintext'

/** Who this end is and how it proves it: one of `tls` and `plaintext`. */
export interface SecurityOptions {
  /** This node's name; with `tls`, the subject's CN of its certificate. */
  readonly nodeId: NodeId
  /** Mutual TLS 1.3. */
  readonly tls?: TlsCredentials
  /**
   * No TLS: peers only claim their names. `true` holds for loopback addresses; `'trusted-network'` says that everyone
   * who can reach or read this network is trusted. Both ends must say so: it is never negotiated.
   */
  readonly plaintext?: boolean | 'trusted-network'
  /** Trust is configured. @defaultValue everyone is 'untrusted' */
  readonly domainOf?: (node: NodeId) => TrustDomain
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** @throws `ERR_AMST_PLAINTEXT_REFUSED`, `ERR_AMST_IDENTITY`; TypeError for both kinds at once. */
export function securityFor(options: SecurityOptions, host: string): Security {
  if (options.tls) {
    if (options.plaintext) throw new TypeError('"tls" and "plaintext" exclude each other: give one')
    const names = namesIn(options.tls.cert)
    if (names.length !== 1 || names[0] !== options.nodeId) {
      throw amstError(
        'ERR_AMST_IDENTITY',
        `the certificate names "${names.join('", "')}" and nodeId is "${options.nodeId}": they must be equal`,
      )
    }
    return 'tls1.3'
  }
  if (options.plaintext === 'trusted-network' || (options.plaintext === true && isLoopback(host))) return 'plaintext'
  throw amstError(
    'ERR_AMST_PLAINTEXT_REFUSED',
    options.plaintext
      ? `plaintext: true holds for loopback only and "${host}" is not: give "tls", or plaintext: 'trusted-network' where everyone who can reach this network is trusted`
      : 'no "tls" was given: give { key, cert, ca }, or plaintext: true for loopback',
  )
}

export const tlsOptions = (tls: TlsCredentials): SecureContextOptions => ({
  key: tls.key,
  cert: tls.cert,
  ca: tls.ca,
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
})

/**
 * Who is at the other end: what the certificate says, or under plaintext what the peer claims.
 * @throws `ERR_AMST_IDENTITY` where the certificate says otherwise.
 */
export function identify(socket: Socket, claimed: NodeId, options: SecurityOptions): Principal {
  const domain = options.domainOf?.(claimed) ?? 'untrusted'
  if (!(socket instanceof TLSSocket)) return { nodeId: claimed, roles: [], domain }
  const certificate = socket.getPeerX509Certificate()
  const names = certificate ? namesIn(certificate.toString()) : []
  if (!certificate || names.length !== 1 || names[0] !== claimed) {
    throw amstError('ERR_AMST_IDENTITY', `the peer claims to be "${claimed}" and its certificate names "${names.join('", "')}"`)
  }
  const publicKey = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return { nodeId: claimed, keyId: `sha-256:${createHash('sha256').update(publicKey).digest('hex')}`, roles: [], domain }
}

/** Names the certificate of the other end; '' under plaintext. A stream joins only with the certificate of the first. */
export const fingerprint = (socket: Socket): string =>
  socket instanceof TLSSocket ? (socket.getPeerX509Certificate()?.fingerprint256 ?? 'none') : ''

const EXPORTER_LABEL = 'EXPORTER-dwcp-amst'
const EXPORTED_BYTES = 32

/** What only the two ends of this connection know (RFC 8446, 7.5), for the other streams of its session; none under plaintext. */
export function exportedKey(socket: Socket, sessionSecret: Uint8Array): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.exportKeyingMaterial(EXPORTED_BYTES, EXPORTER_LABEL, Buffer.from(sessionSecret)) : undefined
}

export function isLoopback(host: string): boolean {
  const family = isIP(host)
  return family === 0 ? host === 'localhost' : loopback.check(host, family === 6 ? 'ipv6' : 'ipv4')
}

function namesIn(pem: string): readonly string[] {
  const subject = new X509Certificate(pem).subject
  return subject.split('\n').flatMap((part) => (part.startsWith('CN=') ? [part.slice(3)] : []))
}
