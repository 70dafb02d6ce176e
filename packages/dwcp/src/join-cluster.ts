import { requestEnrollment } from '@dwcp/amst'
import { type Address, type Clock, type NodeId, systemClock } from '@dwcp/interface'
import { type Installation, installBundle, openIdentity, verifyInviter } from '@dwcp/security'

/** As whom to join. */
export interface JoinOptions {
  /** Of a new identity. @defaultValue made from its key */
  readonly nodeId?: NodeId
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

/**
 * Makes the identity in `directory`, or the one that is there, a member: asks a listener of the cluster with a one-time token. The token
 * is not sent: it signs the request, which is tied to this connection (RFC 9266). Cut off anywhere, the same node can repeat it.
 *
 * @throws `ERR_SECURITY_TOKEN`; `ERR_SECURITY_UNTRUSTED` where another than the one that the token names answers; what
 * `requestEnrollment` and {@link installBundle} throw: `ERR_AMST_REJECTED` where the token is not taken.
 * @public
 */
export async function joinCluster(
  directory: string,
  token: string,
  address: Address | string,
  { nodeId, signal, clock = systemClock }: JoinOptions = {},
): Promise<Installation> {
  using identity = await openIdentity(directory, { clock, ...(nodeId === undefined ? {} : { nodeId }) })
  const bundle = await requestEnrollment(address, {
    request: (chain, binding) => {
      verifyInviter(token, chain, clock.nowMs())
      return identity.joinRequest(token, binding)
    },
    ...(signal === undefined ? {} : { signal }),
  })
  return installBundle(directory, bundle, { token, clock })
}
