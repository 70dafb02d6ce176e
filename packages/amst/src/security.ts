import { createHash, X509Certificate } from 'node:crypto'
import { BlockList, isIP, type Socket } from 'node:net'
import { type DetailedPeerCertificate, type SecureContextOptions, TLSSocket } from 'node:tls'
import {
  type Clock,
  type CredentialSource,
  type KeyId,
  type NodeId,
  type PeerTrust,
  type Principal,
  systemClock,
  type TlsCredentials,
  type TrustDomain,
} from '@dwcp/interface'
import { amstError, asError } from './errors.js'

/** What protects a session. */
export type Security = 'tls1.3' | 'plaintext'

/** Who this end is and how it proves it: one of `tls` and `plaintext`. */
export interface SecurityOptions {
  /** This node's name; with `tls`, the subject's CN of its certificate. */
  readonly nodeId: NodeId
  /** Mutual TLS 1.3. An identity's are taken up as they are replaced; sessions go on. */
  readonly tls?: TlsCredentials | CredentialSource
  /**
   * Whom to let in of those whom the authorities vouch for: asked at each handshake, and sessions end once their peer is revoked.
   * It says the domain and roles too. @defaultValue everyone whom the authorities vouch for
   */
  readonly trust?: PeerTrust
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
  if (options.trust && (!options.tls || options.domainOf)) throw new TypeError('"trust" needs "tls", and excludes "domainOf"')
  if (options.tls) {
    if (options.plaintext) throw new TypeError('"tls" and "plaintext" exclude each other: give one')
    const names = namesIn(credentialsOf(options.tls).cert)
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

const credentialsOf = (tls: TlsCredentials | CredentialSource): TlsCredentials => ('credentials' in tls ? tls.credentials() : tls)

export const TLS_VERSIONS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const

/** With the credentials of this moment. */
export function tlsOptions(tls: TlsCredentials | CredentialSource): SecureContextOptions {
  const { key, cert, ca } = credentialsOf(tls)
  return { key, cert, ca, ...TLS_VERSIONS }
}

/**
 * Asks the trust store about the other end, before anything of it is read or anything is told to it.
 * @throws `ERR_AMST_UNTRUSTED`
 */
export function vouchFor(
  socket: Socket,
  { trust, clock = systemClock }: Pick<SecurityOptions, 'trust'> & { readonly clock?: Clock },
): Principal | undefined {
  if (trust === undefined || !(socket instanceof TLSSocket)) return undefined
  try {
    return trust.authenticate(
      chainOf(socket).map((certificate) => certificate.raw),
      clock.nowMs(),
    )
  } catch (cause) {
    // The peer is told the message: nothing of what is known here.
    throw amstError('ERR_AMST_UNTRUSTED', 'that node is not trusted here', { cause })
  }
}

/** Ends a session once its peer's key is revoked, or once nobody would say so any more. */
export function endWhenRevoked(
  session: { readonly peer: Principal; readonly closed: Promise<unknown>; destroy(reason?: Error): void },
  trust: PeerTrust | undefined,
): void {
  if (trust === undefined) return
  const { peer, closed } = session
  const changes = trust.changes()[Symbol.asyncIterator]()
  const follow = async (): Promise<void> => {
    for (let step = await changes.next(); !step.done; step = await changes.next()) {
      if (step.value.kind !== 'revoked' || step.value.keyId !== peer.keyId) continue
      return session.destroy(amstError('ERR_AMST_UNTRUSTED', `"${peer.nodeId}" was revoked`, { details: { peer: peer.nodeId } }))
    }
  }
  void closed.then(() => changes.return?.())
  follow().catch((error: unknown) => session.destroy(asError(error)))
}

const shown = new WeakMap<Socket, readonly X509Certificate[]>()

/** The other end's certificate and what vouches for it; none under plaintext. Kept, since Node tells the whole chain once only. */
export function chainOf(socket: Socket): readonly X509Certificate[] {
  const known = shown.get(socket)
  if (known !== undefined || !(socket instanceof TLSSocket)) return known ?? []
  // Where nothing is there, Node's types promise it all the same.
  const { raw, issuerCertificate: issuer }: Partial<DetailedPeerCertificate> = socket.getPeerCertificate(true)
  const chain = [raw, issuer?.raw].flatMap((der) => (der === undefined ? [] : new X509Certificate(der)))
  shown.set(socket, chain)
  return chain
}

/**
 * Who is at the other end: what the certificate says, or under plaintext what the peer claims.
 * @throws `ERR_AMST_IDENTITY` where the certificate says otherwise.
 */
export function identify(socket: Socket, claimed: NodeId, options: SecurityOptions & { readonly clock?: Clock }): Principal {
  const domain = options.domainOf?.(claimed) ?? 'untrusted'
  if (!(socket instanceof TLSSocket)) return { nodeId: claimed, roles: [], domain }
  const [certificate] = chainOf(socket)
  const names = certificate ? namesIn(certificate.toString()) : []
  if (!certificate || names.length !== 1 || names[0] !== claimed) {
    throw amstError('ERR_AMST_IDENTITY', `the peer claims to be "${claimed}" and its certificate names "${names.join('", "')}"`)
  }
  return vouchFor(socket, options) ?? { nodeId: claimed, keyId: keyIdOf(certificate), roles: [], domain }
}

/** Names the key of the other end; '' under plaintext. A stream joins only with the key of the first; its certificate may be a newer one. */
export function fingerprint(socket: Socket): string {
  if (!(socket instanceof TLSSocket)) return ''
  const [certificate] = chainOf(socket)
  return certificate ? keyIdOf(certificate) : 'none'
}

function keyIdOf({ publicKey }: X509Certificate): KeyId {
  return `sha-256:${createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')}`
}

const EXPORTER_LABEL = 'EXPORTER-dwcp-amst'
const EXPORTED_BYTES = 32

/** What only the two ends of this connection know (RFC 8446, 7.5), for the other streams of its session; none under plaintext. */
export function exportedKey(socket: Socket, sessionSecret: Uint8Array): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.exportKeyingMaterial(EXPORTED_BYTES, EXPORTER_LABEL, Buffer.from(sessionSecret)) : undefined
}

/** What binds a request to this TLS connection: "tls-exporter" of RFC 9266. */
export function channelBinding(socket: Socket): Uint8Array {
  if (socket instanceof TLSSocket) return socket.exportKeyingMaterial(EXPORTED_BYTES, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  throw new TypeError('a connection without TLS has nothing to bind to')
}

export function isLoopback(host: string): boolean {
  const family = isIP(host)
  return family === 0 ? host === 'localhost' : loopback.check(host, family === 6 ? 'ipv6' : 'ipv4')
}

function namesIn(pem: string): readonly string[] {
  const subject = new X509Certificate(pem).subject
  return subject.split('\n').flatMap((part) => (part.startsWith('CN=') ? [part.slice(3)] : []))
}
