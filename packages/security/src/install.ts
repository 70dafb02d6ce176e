import { type Clock, systemClock } from '@dwcp/interface'
import { readBundle } from './bundle.js'
import { readAuthority, splitPem } from './chain.js'
import { type SecurityError, securityError } from './errors.js'
import { openIdentity } from './identity.js'
import { readToken } from './invitation.js'
import { keyIdOf } from './keys.js'
import type { RecordOptions } from './record-file.js'
import { createTrustStore, hasTrustStore, openTrustStore } from './trust-store.js'

/** What an installed bundle has changed. */
export interface Installation {
  readonly nodeId: string
  readonly cluster: string
  readonly notAfterMs: number
  /** Statements that contradict what is known here, and were left out. */
  readonly refused: readonly SecurityError[]
}

/**
 * Installs what an authority has made for the identity in `directory`, with the trust store beside it. The first bundle is
 * believed, where a `token` came with it only if it is from the authority that the token names; a later one is held against what
 * is trusted here already. Cut off anywhere, it can be repeated.
 *
 * @throws `ERR_SECURITY_UNTRUSTED`, `ERR_SECURITY_CLUSTER` and what {@link NodeIdentity.install} and {@link NodeTrust.accept} throw.
 * @public
 */
export async function installBundle(
  directory: string,
  text: string,
  options: RecordOptions & { readonly token?: string; readonly clock?: Clock } = {},
): Promise<Installation> {
  const { cluster, certificate, authorities, statements } = readBundle(text)
  const clock = options.clock ?? systemClock
  const common = { clock, ...(options.disk === undefined ? {} : { disk: options.disk }) }
  using identity = await openIdentity(directory, common)
  const shown = splitPem(authorities)
  const named = options.token === undefined ? undefined : readToken(options.token).authority
  const authority = named === undefined ? shown[0] : shown.find((pem) => keyIdOf(readAuthority(pem, cluster).publicKey) === named)
  if (authority === undefined) throw securityError('ERR_SECURITY_UNTRUSTED', 'the bundle is not from the authority that the token names')
  using trust = hasTrustStore(directory)
    ? await openTrustStore(directory, common)
    : await createTrustStore(directory, { ...common, cluster, authority })
  if (trust.cluster !== cluster)
    throw securityError('ERR_SECURITY_CLUSTER', `the bundle is for cluster "${cluster}", and ${directory} is of "${trust.cluster}"`)
  const refused = await trust.accept(statements)
  await identity.install({ cluster, certificate, authorities: trust.authorities().join('') })
  return { nodeId: identity.nodeId, cluster, notAfterMs: identity.certificate()?.notAfterMs ?? 0, refused }
}
