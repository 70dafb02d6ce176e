import type { KeyObject, X509Certificate } from 'node:crypto'
import type { ClusterId, KeyId, NodeId, TrustDomain } from '@dwcp/interface'
import * as v from 'valibot'
import { isInDate } from './chain.js'
import { securityError } from './errors.js'
import { keyIdOf } from './keys.js'
import { isName } from './names.js'
import { readSignedText, type SignedKind, saysItIs, signText } from './signed-text.js'

type Schema<T> = v.GenericSchema<unknown, T>

export const Name: Schema<string> = v.pipe(v.string(), v.check(isName))
export const KeyIdText: Schema<KeyId> = v.pipe(v.string(), v.regex(/^sha-256:[0-9a-f]{64}$/))
export const Serial: Schema<string> = v.pipe(v.string(), v.regex(/^[0-9a-f]{1,40}$/))
export const Roles: Schema<string[]> = v.pipe(v.array(Name), v.maxLength(16))
export const Domain: Schema<TrustDomain> = v.picklist(['trusted', 'untrusted'])
/** The raw 32 bytes of an Ed25519 public key. */
export const PublicKeyText: Schema<string> = v.pipe(v.string(), v.regex(/^[\w-]{43}$/))

interface About {
  readonly cluster: ClusterId
  readonly nodeId: NodeId
}

/** What an operator's authority says, so that every trust store which knows that authority can act on it. */
export type Statement =
  | (About & { readonly kind: 'admit'; readonly publicKey: string; readonly roles: readonly string[]; readonly domain: TrustDomain })
  | (About & { readonly kind: 'revoke'; readonly keyId: KeyId })
  | (About & { readonly kind: 'revoke-certificate'; readonly keyId: KeyId; readonly serial: string })
  | { readonly kind: 'authority'; readonly cluster: ClusterId; readonly certificate: string }

const StatementSchema: Schema<Statement> = v.variant('kind', [
  v.strictObject({ kind: v.literal('admit'), cluster: Name, nodeId: Name, publicKey: PublicKeyText, roles: Roles, domain: Domain }),
  v.strictObject({ kind: v.literal('revoke'), cluster: Name, nodeId: Name, keyId: KeyIdText }),
  v.strictObject({ kind: v.literal('revoke-certificate'), cluster: Name, nodeId: Name, keyId: KeyIdText, serial: Serial }),
  v.strictObject({ kind: v.literal('authority'), cluster: Name, certificate: v.pipe(v.string(), v.maxLength(8192)) }),
])

const STATEMENT: SignedKind<Statement> = { typ: 'dwcp-statement', schema: StatementSchema }

/** Whether a text says that it is a statement; {@link NodeTrust.accept} finds out whether it is a good one. */
export const isStatement = (text: string): boolean => saysItIs(STATEMENT, text)

export const signStatement = (statement: Statement, key: KeyObject): string => signText(STATEMENT, statement, key, keyIdOf(key))

/** @throws `ERR_SECURITY_SIGNATURE`, `ERR_SECURITY_UNTRUSTED`, `ERR_SECURITY_CLUSTER`. */
export function readStatement(
  text: string,
  {
    cluster,
    authorities,
    nowMs,
  }: { readonly cluster: ClusterId; readonly authorities: readonly X509Certificate[]; readonly nowMs: number },
): Statement {
  const { kid, payload, isSignedBy } = readSignedText(STATEMENT, text)
  const authority = authorities.find(({ publicKey }) => keyIdOf(publicKey) === kid)
  if (authority === undefined) throw securityError('ERR_SECURITY_UNTRUSTED', `a statement is signed by ${kid}, which is no known authority`)
  if (!isInDate(authority, nowMs)) throw securityError('ERR_SECURITY_EXPIRED', 'a statement is signed by an authority that is out of date')
  if (!isSignedBy(authority.publicKey)) throw securityError('ERR_SECURITY_SIGNATURE', 'a statement was altered after it was signed')
  if (payload.cluster !== cluster)
    throw securityError('ERR_SECURITY_CLUSTER', `a statement is for cluster "${payload.cluster}", not "${cluster}"`)
  return payload
}
