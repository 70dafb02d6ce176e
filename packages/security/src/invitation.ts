import { type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import type { KeyId, NodeId } from '@dwcp/interface'
import * as v from 'valibot'
import { createRequest, readRequest } from './certificates.js'
import { verifyIssuedBy } from './chain.js'
import { securityError } from './errors.js'
import { keyOfSeed, PUBLIC_KEY_BYTES, publicKeyOf, rawPublicKey } from './keys.js'
import { readSignedText, type SignedKind, saysItIs, signText } from './signed-text.js'

/** What a one-time token holds: a seed that never leaves the joiner, and whom to believe. */
export interface Token {
  readonly key: KeyObject
  /** SHA-256 of the key of the authority that invites. */
  readonly authority: KeyId
}

const PREFIX = 'dwcp-join-1.'
const SEED_BYTES = 32
const DIGEST_BYTES = 32
const TOKEN = /^dwcp-join-1\.([\w-]{86})$/

const JoinSchema = v.strictObject({
  request: v.pipe(v.string(), v.maxLength(8192)),
  /** What ties it to one connection; absent where it is carried by hand. */
  binding: v.optional(v.pipe(v.string(), v.regex(/^[\w-]{1,128}$/))),
})
const JOIN: SignedKind<v.InferOutput<typeof JoinSchema>> = { typ: 'dwcp-join', schema: JoinSchema }

/** A token is shown once; who invites keeps the public half of it. */
export function createToken(authority: KeyId): { readonly token: string; readonly publicKey: string } {
  const seed = randomBytes(SEED_BYTES)
  const digest = Buffer.from(authority.slice('sha-256:'.length), 'hex')
  return { token: PREFIX + Buffer.concat([seed, digest]).toString('base64url'), publicKey: textOf(keyOfSeed(seed)) }
}

/** @throws `ERR_SECURITY_TOKEN`; the message holds nothing of the token. */
export function readToken(text: string): Token {
  const bytes = Buffer.from(TOKEN.exec(text.trim())?.[1] ?? '', 'base64url')
  if (bytes.byteLength !== SEED_BYTES + DIGEST_BYTES)
    throw securityError('ERR_SECURITY_TOKEN', 'that is no join token: copy all of what "dwcp trust invite" printed')
  return { key: keyOfSeed(bytes.subarray(0, SEED_BYTES)), authority: `sha-256:${bytes.subarray(SEED_BYTES).toString('hex')}` }
}

/**
 * Asks to be admitted: the node's certificate request, signed with the key of the token. Whoever reads it on its way
 * learns no secret, and can put no other key in its place.
 */
export async function createJoinRequest(
  node: { readonly nodeId: NodeId; readonly key: KeyObject },
  token: string,
  binding?: Uint8Array,
): Promise<string> {
  const { key } = readToken(token)
  const request = await createRequest(node.nodeId, node.key)
  const payload = binding === undefined ? { request } : { request, binding: Buffer.from(binding).toString('base64url') }
  return signText(JOIN, payload, key, textOf(key))
}

/** A join request whose signature holds, for a token that the trust store has yet to find. */
export interface JoinRequest {
  readonly nodeId: NodeId
  readonly publicKey: KeyObject
  /** PEM. */
  readonly request: string
  /** Of the token. */
  readonly invitation: string
}

/** Whether a text says that it is a join request; {@link NodeTrust.admit} finds out whether it is a good one. */
export const isJoinRequest = (text: string): boolean => saysItIs(JOIN, text)

/** @throws `ERR_SECURITY_SIGNATURE`, `ERR_SECURITY_CERTIFICATE`. */
export async function readJoinRequest(text: string, binding?: Uint8Array): Promise<JoinRequest> {
  const { kid, payload, isSignedBy } = readSignedText(JOIN, text)
  const raw = Buffer.from(kid, 'base64url')
  if (raw.byteLength !== PUBLIC_KEY_BYTES || !isSignedBy(publicKeyOf(raw)))
    throw securityError('ERR_SECURITY_SIGNATURE', 'the join request was altered, or not made with the token that it names')
  const bound = Buffer.from(payload.binding ?? '', 'base64url')
  const expected = Buffer.from(binding ?? [])
  if (bound.byteLength !== expected.byteLength || !timingSafeEqual(bound, expected))
    throw securityError('ERR_SECURITY_SIGNATURE', 'the join request was made for another connection')
  const { nodeId, publicKey } = await readRequest(payload.request)
  return { nodeId, publicKey, request: payload.request, invitation: raw.toString('base64url') }
}

/**
 * Whether the one at the other end of a connection has a certificate (DER, its own first, then its issuer's) of the authority that
 * the token names: what to look at before asking it anything.
 *
 * @throws `ERR_SECURITY_UNTRUSTED`, `ERR_SECURITY_EXPIRED`, `ERR_SECURITY_TOKEN`, `ERR_SECURITY_CERTIFICATE`.
 * @public
 */
export function verifyInviter(token: string, chain: readonly Uint8Array[], nowMs: number): void {
  verifyIssuedBy(readToken(token).authority, chain, nowMs)
}

const textOf = (key: KeyObject): string => rawPublicKey(key).toString('base64url')
