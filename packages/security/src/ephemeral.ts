import type { NodeId } from '@dwcp/interface'
import { issueAlone } from './certificates.js'
import { createKey, keyPem } from './keys.js'
import { checkName } from './names.js'

const LIFETIME_MS = 7 * 86_400_000
/** Clocks of two machines differ. */
const SKEW_MS = 86_400_000

/**
 * A key and a certificate that no authority knows, in PEM.
 *
 * @public
 */
export interface EphemeralCredentials {
  readonly key: string
  readonly cert: string
}

/**
 * A fresh Ed25519 key with a certificate of its own signature, never on disk and good for a week: for two ends that hand each other their
 * certificates over a channel that both trust already, and take them as each other's only authority (`ca`).
 *
 * @throws `ERR_SECURITY_NAME`
 * @public
 */
export async function createEphemeralCredentials(nodeId: NodeId): Promise<EphemeralCredentials> {
  const key = createKey()
  const nowMs = Date.now()
  const cert = await issueAlone({
    nodeId: checkName(nodeId, 'the name'),
    key,
    notBeforeMs: nowMs - SKEW_MS,
    notAfterMs: nowMs + LIFETIME_MS,
  })
  return { key: keyPem(key), cert }
}
