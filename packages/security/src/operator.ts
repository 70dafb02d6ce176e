import { type Clock, type ClusterId, type KeyId, type NodeId, type TrustDomain } from '@dwcp/interface'
import { createAuthority, hasAuthority, openAuthority } from './authority.js'
import { readRequest } from './certificates.js'
import { securityError } from './errors.js'
import { type InstalledCertificate, openIdentity } from './identity.js'
import { installBundle } from './install.js'
import { isJoinRequest, readJoinRequest } from './invitation.js'
import { keyIdOf, rawPublicKey } from './keys.js'
import type { RecordOptions } from './record-file.js'
import { createTrustStore, hasTrustStore, type Member, openTrustStore } from './trust-store.js'

// What an operator does in the directory that holds the cluster's authority, its trust store and the identity of its own node.

interface OperatorOptions extends RecordOptions {
  readonly clock?: Clock
}

/** As what a node is admitted. With a token, what the invitation says counts. */
export interface EnrollOptions extends OperatorOptions {
  /** @defaultValue none */
  readonly roles?: readonly string[]
  /** @defaultValue 'trusted' */
  readonly domain?: TrustDomain
  /** Of its certificate. @defaultValue 7 days */
  readonly lifetimeMs?: number
  /** What a join request must be tied to, and nothing but a join request is taken with. @defaultValue nothing: it was carried by hand */
  readonly binding?: Uint8Array
}

/** A node that was admitted, and what it has to install. */
export interface Enrolled {
  readonly member: Member
  readonly notAfterMs: number
  readonly bundle: string
}

/**
 * Makes the authority and the trust store of a new cluster in `directory`, and the identity there its first member. Cut off
 * anywhere, it can be repeated.
 *
 * @throws `ERR_SECURITY_EXISTS` where that node has a certificate already; `ERR_SECURITY_CLUSTER`, `ERR_SECURITY_NAME`.
 * @public
 */
export async function foundCluster(
  directory: string,
  { cluster, nodeId, ...options }: OperatorOptions & { readonly cluster: ClusterId; readonly nodeId?: NodeId },
): Promise<InstalledCertificate> {
  using identity = await openIdentity(directory, { ...options, ...(nodeId === undefined ? {} : { nodeId }) })
  const former = identity.certificate()
  if (former !== undefined) throw securityError('ERR_SECURITY_EXISTS', `${directory} is a member of cluster "${former.cluster}" already`)
  const authority = hasAuthority(directory)
    ? await openAuthority(directory, options)
    : await createAuthority(directory, { ...options, cluster })
  if (authority.cluster !== cluster)
    throw securityError('ERR_SECURITY_CLUSTER', `${directory} has the authority of cluster "${authority.cluster}"`)
  if (!hasTrustStore(directory)) {
    using _made = await createTrustStore(directory, { ...options, cluster, authority: authority.certificates()[0] ?? '' })
  }
  return certifyOwn(directory, options)
}

/**
 * Admits and certifies a node by its certificate request (PEM), which is the operator's word, or by its join request, which
 * is a token's. The same node may ask again: for its next certificate, or since it did not hear.
 *
 * @throws `ERR_SECURITY_CERTIFICATE`, `ERR_SECURITY_NAME_TAKEN`, `ERR_SECURITY_REVOKED`, `ERR_SECURITY_EXPIRED`; `ERR_SECURITY_TOKEN`,
 * `ERR_SECURITY_TOKEN_USED`, `ERR_SECURITY_SIGNATURE`; `ERR_SECURITY_MISSING` where there is no authority.
 * @public
 */
export async function enroll(directory: string, text: string, options: EnrollOptions = {}): Promise<Enrolled> {
  const { roles = [], domain = 'trusted', lifetimeMs, binding, ...place } = options
  // What came over a connection is nobody's word but the token's.
  if (binding !== undefined && !isJoinRequest(text)) throw securityError('ERR_SECURITY_TOKEN', 'that was not signed with a join token')
  const authority = await openAuthority(directory, place)
  using trust = await openTrustStore(directory, place)
  const joined = isJoinRequest(text) ? await trust.admit(text, binding) : undefined
  const request = joined === undefined ? text : (await readJoinRequest(text, binding)).request
  const { nodeId, publicKey } = await readRequest(request)
  const former = trust.list().members.find(({ keyId }) => keyId === keyIdOf(publicKey))
  // A renewal leaves a member as it is, unless the operator says otherwise.
  const rights = joined ?? { roles: options.roles ?? former?.roles ?? roles, domain: options.domain ?? former?.domain ?? domain }
  const admission = await authority.admission({
    nodeId,
    publicKey: rawPublicKey(publicKey).toString('base64url'),
    roles: rights.roles,
    domain: rights.domain,
  })
  for (const refused of await trust.accept([admission])) throw refused
  const { certificate, notAfterMs } = await authority.issue(request, lifetimeMs === undefined ? {} : { lifetimeMs })
  const member = trust.list().members.find((one) => one.nodeId === nodeId)
  if (member === undefined) throw securityError('ERR_SECURITY_REVOKED', `"${nodeId}" was revoked meanwhile`)
  return { member, notAfterMs, bundle: authority.bundle(certificate, trust.statements()) }
}

/**
 * Who asks in a certificate request (PEM), which its own key has signed.
 *
 * @throws `ERR_SECURITY_CERTIFICATE`, `ERR_SECURITY_NAME`.
 * @public
 */
export async function requestedBy(request: string): Promise<{ readonly nodeId: NodeId; readonly keyId: KeyId }> {
  const { nodeId, publicKey } = await readRequest(request)
  return { nodeId, keyId: keyIdOf(publicKey) }
}

/**
 * Revokes a member, by name or key id: in this trust store at once, and, where the authority is, by a statement for all others.
 *
 * @returns the statements, for {@link NodeTrust.accept} of the others.
 * @throws `ERR_SECURITY_NOT_ADMITTED`
 * @public
 */
export async function revokeMember(directory: string, who: string, options: OperatorOptions = {}): Promise<readonly string[]> {
  using trust = await openTrustStore(directory, options)
  const isMeant = ({ nodeId, keyId }: { readonly nodeId: NodeId; readonly keyId: KeyId }): boolean => nodeId === who || keyId === who
  const { members, revoked } = trust.list()
  const member = members.find(isMeant)
  // Revoked before, and what follows was cut off: that is made up for.
  const found = member ?? revoked.find(isMeant)
  if (member !== undefined || found === undefined) await trust.revoke(who)
  if (found === undefined || !hasAuthority(directory)) return []
  const authority = await openAuthority(directory, options)
  if (!authority.issued().some(({ nodeId }) => nodeId === found.nodeId)) return []
  const statements = await authority.revoke({ nodeId: found.nodeId })
  await trust.accept(statements)
  return statements
}

/**
 * A new key for the cluster's authority, known in this trust store, and a certificate of it for the node here.
 *
 * @returns the statements by which other trust stores learn of it before their nodes' next bundle.
 * @throws `ERR_SECURITY_MISSING`
 * @public
 */
export async function rotateAuthority(directory: string, options: OperatorOptions = {}): Promise<readonly string[]> {
  const statements = await (await openAuthority(directory, options)).rotate()
  using trust = await openTrustStore(directory, options)
  await trust.accept(statements)
  await certifyOwn(directory, options)
  return statements
}

async function certifyOwn(directory: string, options: OperatorOptions): Promise<InstalledCertificate> {
  using identity = await openIdentity(directory, options)
  const { bundle } = await enroll(directory, await identity.request(), options)
  await installBundle(directory, bundle, options)
  const installed = identity.certificate()
  if (installed === undefined) throw securityError('ERR_SECURITY_MISSING', `${directory} lost its certificate as it was installed`)
  return installed
}
