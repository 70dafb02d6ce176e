import type { X509Certificate } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { ClusterId, KeyId, NodeId, TrustChange, TrustDomain } from '@dwcp/interface'
import * as v from 'valibot'
import { readAuthority } from './chain.js'
import { type SecurityError, securityError } from './errors.js'
import { keyIdOf, publicKeyOf } from './keys.js'
import type { RecordKind } from './record-file.js'
import { Domain, KeyIdText, Name, PublicKeyText, Roles, Serial, type Statement } from './statements.js'

const MEMBERS_MAX = 10_000
const REVOKED_MAX = 20_000
const INVITATIONS_MAX = 1000
const AUTHORITIES_MAX = 8
/** Each authority vouches for the one before and the one after. */
const VOUCHERS_MAX = 2 * AUTHORITIES_MAX

const TimeMs = v.pipe(v.number(), v.integer(), v.minValue(0))
const Text = v.pipe(v.string(), v.maxLength(50_000))

/** A node that is admitted. */
export interface MemberEntry {
  readonly nodeId: NodeId
  readonly keyId: KeyId
  /** Raw, base64url. */
  readonly publicKey: string
  readonly roles: readonly string[]
  readonly domain: TrustDomain
  readonly admittedAtMs: number
  /** As an authority signed it. */
  readonly statement?: string
}

interface RevokedEntry {
  readonly nodeId: NodeId
  readonly keyId: KeyId
  /** Absent: everything with that key. */
  readonly serial?: string
  readonly revokedAtMs: number
  readonly statement?: string
}

interface InvitationEntry {
  /** Of the token, raw, base64url. */
  readonly publicKey: string
  readonly nodeId?: NodeId
  readonly roles: readonly string[]
  readonly domain: TrustDomain
  readonly expiresAtMs: number
  readonly usedBy?: KeyId
}

/** What the file of a trust store says. Functions here make the next state of it and touch nothing else. */
export interface TrustState {
  readonly cluster: ClusterId
  /** PEM, newest first. */
  readonly authorities: readonly string[]
  /** Statements by which authorities vouch for one another, the last obeyed last. */
  readonly vouchers?: readonly string[]
  readonly members: readonly MemberEntry[]
  readonly revoked: readonly RevokedEntry[]
  readonly invitations: readonly InvitationEntry[]
}

const MemberSchema: v.GenericSchema<unknown, MemberEntry> = v.strictObject({
  nodeId: Name,
  keyId: KeyIdText,
  publicKey: PublicKeyText,
  roles: Roles,
  domain: Domain,
  admittedAtMs: TimeMs,
  statement: v.exactOptional(Text),
})
const RevokedSchema: v.GenericSchema<unknown, RevokedEntry> = v.strictObject({
  nodeId: Name,
  keyId: KeyIdText,
  serial: v.exactOptional(Serial),
  revokedAtMs: TimeMs,
  statement: v.exactOptional(Text),
})
const InvitationSchema: v.GenericSchema<unknown, InvitationEntry> = v.strictObject({
  publicKey: PublicKeyText,
  nodeId: v.exactOptional(Name),
  roles: Roles,
  domain: Domain,
  expiresAtMs: TimeMs,
  usedBy: v.exactOptional(KeyIdText),
})
const TrustSchema: v.GenericSchema<unknown, TrustState> = v.strictObject({
  cluster: Name,
  authorities: v.pipe(v.array(v.pipe(v.string(), v.maxLength(8192))), v.minLength(1), v.maxLength(AUTHORITIES_MAX)),
  vouchers: v.exactOptional(v.pipe(v.array(Text), v.maxLength(VOUCHERS_MAX))),
  members: v.pipe(v.array(MemberSchema), v.maxLength(MEMBERS_MAX)),
  revoked: v.pipe(v.array(RevokedSchema), v.maxLength(REVOKED_MAX)),
  invitations: v.pipe(v.array(InvitationSchema), v.maxLength(INVITATIONS_MAX)),
})

export const TRUST_RECORD: RecordKind<TrustState> = { name: 'trust', schema: TrustSchema }

/** @throws `ERR_SECURITY_REVOKED`, `ERR_SECURITY_NAME_TAKEN`, `ERR_SECURITY_LIMIT`. */
function admit(state: TrustState, entry: MemberEntry): TrustState {
  if (isRevoked(state, entry.keyId))
    throw securityError('ERR_SECURITY_REVOKED', `the key of "${entry.nodeId}" was revoked here, for good: admit it with a new key`)
  const holder = state.members.find(({ nodeId, keyId }) => nodeId === entry.nodeId || keyId === entry.keyId)
  if (holder === undefined) {
    checkRoom(state.members, MEMBERS_MAX, 'members')
    return { ...state, members: [...state.members, entry] }
  }
  if (holder.nodeId !== entry.nodeId || holder.keyId !== entry.keyId) {
    const text = `"${entry.nodeId}" cannot be admitted: "${holder.nodeId}" is a member with ${holder.keyId}: revoke that one first`
    throw securityError('ERR_SECURITY_NAME_TAKEN', text)
  }
  const merged = { ...entry, admittedAtMs: holder.admittedAtMs }
  if (isDeepStrictEqual(merged, holder)) return state
  return { ...state, members: state.members.map((member) => (member === holder ? merged : member)) }
}

/** Of a node by its name or key id. @throws `ERR_SECURITY_NOT_ADMITTED`, `ERR_SECURITY_LIMIT`. */
export function revoke(state: TrustState, who: string, nowMs: number): TrustState {
  const found = state.members.find(({ nodeId, keyId }) => nodeId === who || keyId === who)
  if (found === undefined) throw securityError('ERR_SECURITY_NOT_ADMITTED', `"${who}" is no member: "dwcp trust list" shows who is`)
  return revokeKey(state, { nodeId: found.nodeId, keyId: found.keyId, revokedAtMs: nowMs })
}

/** @throws `ERR_SECURITY_TOKEN`, `ERR_SECURITY_TOKEN_USED` and those of {@link admit}. */
export function useInvitation(
  state: TrustState,
  order: {
    readonly invitation: string
    readonly nodeId: NodeId
    readonly publicKey: string
    readonly keyId: KeyId
    readonly nowMs: number
  },
): TrustState {
  const { invitation, nodeId, publicKey, keyId, nowMs } = order
  const found = state.invitations.find((one) => one.publicKey === invitation)
  if (found === undefined)
    throw securityError('ERR_SECURITY_TOKEN', 'the join token is not known here, or was withdrawn: ask for a new one')
  if (found.usedBy !== undefined && found.usedBy !== keyId)
    throw securityError('ERR_SECURITY_TOKEN_USED', 'the join token has been used by another node: if that was none of yours, revoke it')
  // The same node asks again for what it did not hear: it is in, unless it was revoked since.
  if (found.usedBy === keyId && state.members.some((member) => member.keyId === keyId && member.nodeId === nodeId)) return state
  if (nowMs >= found.expiresAtMs) throw securityError('ERR_SECURITY_TOKEN', 'the join token has expired: ask for a new one')
  if (found.nodeId !== undefined && found.nodeId !== nodeId)
    throw securityError('ERR_SECURITY_TOKEN', `the join token is for "${found.nodeId}", not for "${nodeId}"`)
  const { roles, domain } = found
  const admitted = admit(state, { nodeId, keyId, publicKey, roles, domain, admittedAtMs: nowMs })
  return { ...admitted, invitations: admitted.invitations.map((one) => (one === found ? { ...one, usedBy: keyId } : one)) }
}

/** What has expired is forgotten. @throws `ERR_SECURITY_LIMIT` */
export function invite(state: TrustState, invitation: InvitationEntry, nowMs: number): TrustState {
  const invitations = state.invitations.filter(({ expiresAtMs }) => expiresAtMs > nowMs)
  checkRoom(invitations, INVITATIONS_MAX, 'invitations')
  return { ...state, invitations: [...invitations, invitation] }
}

/** @throws as {@link admit}; `ERR_SECURITY_CERTIFICATE`, `ERR_SECURITY_CLUSTER`. */
export function obey(state: TrustState, statement: Statement, text: string, nowMs: number): TrustState {
  const { nodeId, keyId } = { nodeId: '', keyId: '', ...statement }
  switch (statement.kind) {
    case 'admit': {
      const { publicKey, roles, domain } = statement
      const id = keyIdOf(publicKeyOf(Buffer.from(publicKey, 'base64url')))
      return admit(state, { nodeId, keyId: id, publicKey, roles, domain, admittedAtMs: nowMs, statement: text })
    }
    case 'revoke':
      return revokeKey(state, { nodeId, keyId, revokedAtMs: nowMs, statement: text })
    case 'revoke-certificate':
      return revokeKey(state, { nodeId, keyId, serial: statement.serial, revokedAtMs: nowMs, statement: text })
    case 'authority':
      return addAuthority(state, statement.certificate, text, nowMs)
  }
}

/** Newest first, of one second the last that was added; those that are out of date go. */
function addAuthority(state: TrustState, certificate: string, text: string, nowMs: number): TrustState {
  if (state.vouchers?.includes(text)) return state
  const added = readAuthority(certificate, state.cluster)
  const former = state.authorities.map((pem) => readAuthority(pem, state.cluster))
  const known = former.some(({ fingerprint256 }) => fingerprint256 === added.fingerprint256) ? former : [added, ...former]
  const current = known.filter(({ validTo }) => Date.parse(validTo) > nowMs)
  checkRoom(current, AUTHORITIES_MAX + 1, 'authorities')
  const newestFirst = current.toSorted((a, b) => startOf(b) - startOf(a))
  const vouchers = [...(state.vouchers ?? []), text].slice(-VOUCHERS_MAX)
  return { ...state, authorities: newestFirst.map((one) => one.toString()), vouchers }
}

const startOf = (certificate: X509Certificate): number => Date.parse(certificate.validFrom)

function revokeKey(state: TrustState, entry: RevokedEntry): TrustState {
  const former = state.revoked.find(({ keyId, serial }) => keyId === entry.keyId && serial === entry.serial)
  const merged = former === undefined ? entry : { ...entry, revokedAtMs: former.revokedAtMs }
  if (former !== undefined && isDeepStrictEqual(merged, former)) return state
  const others = state.revoked.filter((one) => one !== former)
  checkRoom(others, REVOKED_MAX, 'revocations')
  const members = entry.serial === undefined ? state.members.filter(({ keyId }) => keyId !== entry.keyId) : state.members
  return { ...state, members, revoked: [...others, merged] }
}

const isRevoked = (state: TrustState, keyId: KeyId): boolean =>
  state.revoked.some((entry) => entry.keyId === keyId && entry.serial === undefined)

/** What a reader of the former state has to hear. */
export function changesBetween(before: TrustState, after: TrustState): readonly TrustChange[] {
  const changes: TrustChange[] = []
  const known = new Set(before.revoked.map(({ keyId, serial }) => `${keyId} ${serial}`))
  for (const { nodeId, keyId, serial } of after.revoked) {
    if (!known.has(`${keyId} ${serial}`)) changes.push({ kind: 'revoked', nodeId, keyId })
  }
  const members = new Map(before.members.map((member) => [member.keyId, member]))
  for (const { nodeId, keyId, roles } of after.members) {
    const former = members.get(keyId)
    if (former === undefined) changes.push({ kind: 'admitted', nodeId, keyId })
    else if (former.roles.join(' ') !== roles.join(' ')) changes.push({ kind: 'role', nodeId, roles })
  }
  // Taken out by hand or by a file put back: no member any more, whatever the reason.
  const left = new Set([...after.members, ...after.revoked].map(({ keyId }) => keyId))
  for (const { nodeId, keyId } of before.members) if (!left.has(keyId)) changes.push({ kind: 'revoked', nodeId, keyId })
  return changes
}

function checkRoom(list: readonly unknown[], most: number, what: string): void {
  if (list.length >= most) throw securityError('ERR_SECURITY_LIMIT', `there are ${list.length} ${what}, and ${most} is the most`)
}

/** Whether one statement of several was not obeyed because of what is known here, and not because it is forged. */
export const isConflict = (error: unknown): error is SecurityError =>
  error instanceof Error && 'code' in error && (error.code === 'ERR_SECURITY_REVOKED' || error.code === 'ERR_SECURITY_NAME_TAKEN')
