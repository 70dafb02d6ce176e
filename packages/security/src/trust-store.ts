import { type KeyObject, X509Certificate } from 'node:crypto'
import {
  type Clock,
  type ClusterId,
  isDwcpError,
  type KeyId,
  type Logger,
  type NodeId,
  type Principal,
  type SignedItem,
  silentLogger,
  systemClock,
  type TrustChange,
  type TrustDomain,
  type TrustStore,
} from '@dwcp/interface'
import { readAuthority, verifyChain } from './chain.js'
import { type SecurityError, securityError } from './errors.js'
import { Feeds } from './feeds.js'
import { createToken, readJoinRequest } from './invitation.js'
import { isDomain, keyIdOf, publicKeyOf, rawPublicKey, verifyFor } from './keys.js'
import { checkName } from './names.js'
import {
  openRecordDirectory,
  type RecordDirectory,
  type RecordOptions,
  readRecord,
  revisionOf,
  withLock,
  writeRecord,
} from './record-file.js'
import { readStatement, type Statement } from './statements.js'
import {
  changesBetween,
  invite,
  isConflict,
  type MemberEntry,
  obey,
  revoke,
  TRUST_RECORD,
  type TrustState,
  useInvitation,
} from './trust-state.js'

/** What a trust store runs on. */
export interface TrustOptions extends RecordOptions {
  readonly clock?: Clock
  /** @defaultValue silent */
  readonly logger?: Logger
}

/** A node that is admitted here. */
export interface Member {
  readonly nodeId: NodeId
  readonly keyId: KeyId
  readonly roles: readonly string[]
  readonly domain: TrustDomain
  readonly admittedAtMs: number
}

/** Everything that a trust store knows; nothing of it is secret. */
export interface TrustList {
  readonly members: readonly Member[]
  /** A `serial`: that certificate only. */
  readonly revoked: readonly { readonly nodeId: NodeId; readonly keyId: KeyId; readonly serial?: string; readonly revokedAtMs: number }[]
  readonly invitations: readonly { readonly nodeId?: NodeId; readonly expiresAtMs: number; readonly usedBy?: KeyId }[]
}

/** What whoever brings the token will be. */
export interface InviteOptions {
  /** Only a node of this name. @defaultValue any name that is free */
  readonly nodeId?: NodeId
  /** @defaultValue none */
  readonly roles?: readonly string[]
  /** @defaultValue 'untrusted' */
  readonly domain?: TrustDomain
  /** 1 s to 24 h. @defaultValue 10 minutes */
  readonly lifetimeMs?: number
}

/** A one-time token: whoever has it may join once. Show it to the one it is for, and to nobody else. */
export interface Invitation {
  readonly token: string
  readonly expiresAtMs: number
}

/** Who is admitted, kept in the file `trust` of a directory that other processes may change at the same time. */
export interface NodeTrust extends Pick<TrustStore, 'cluster' | 'authenticate' | 'verify' | 'changes'>, Disposable {
  /** PEM of the authorities whose certificates are accepted, newest first. */
  authorities(): readonly string[]
  list(): TrustList
  /** @throws `ERR_SECURITY_LIMIT`, `ERR_SECURITY_LOCKED`, RangeError. */
  invite(options?: InviteOptions): Promise<Invitation>
  /**
   * Admits who signed with an unused token; the token is used then. Asked again by the same node, it says the same.
   * @param binding - What the join request must be tied to, such as the keying material of its connection.
   * @throws `ERR_SECURITY_TOKEN`, `ERR_SECURITY_TOKEN_USED`, `ERR_SECURITY_SIGNATURE`, `ERR_SECURITY_NAME_TAKEN`, `ERR_SECURITY_REVOKED`.
   */
  admit(joinRequest: string, binding?: Uint8Array): Promise<Member>
  /**
   * Does what an authority has signed: all of it in one step, or, where one of it is forged or foreign, nothing.
   * @returns what was left out since it contradicts what is known here: a key that is revoked, a name that is taken.
   * @throws `ERR_SECURITY_SIGNATURE`, `ERR_SECURITY_UNTRUSTED`, `ERR_SECURITY_EXPIRED`, `ERR_SECURITY_CLUSTER`.
   */
  accept(statements: readonly string[]): Promise<readonly SecurityError[]>
  /** What authorities have signed of this, revocations first, for another trust store's {@link accept}: members, and newer authorities. */
  statements(): readonly string[]
  /**
   * Ends a member, by name or key id, for good: that key is never admitted again.
   * @throws `ERR_SECURITY_NOT_ADMITTED`
   */
  revoke(who: string): Promise<void>
}

/** How late a change by another process is noticed where nobody asks in between. */
const POLL_MS = 200
const MINUTE_MS = 60_000
const INVITATION_MINUTES = 10
const INVITATION_MAX_MS = 24 * 60 * MINUTE_MS
const BATCH = 64

/**
 * Makes the trust store of a cluster, which trusts one authority (PEM) and has no members.
 * @throws `ERR_SECURITY_EXISTS`, `ERR_SECURITY_NAME`, `ERR_SECURITY_CERTIFICATE`, `ERR_SECURITY_CLUSTER`, `ERR_SECURITY_UNSAFE_FILE`.
 * @public
 */
export async function createTrustStore(
  directory: string,
  { cluster, authority, ...options }: TrustOptions & { readonly cluster: ClusterId; readonly authority: string },
): Promise<NodeTrust> {
  checkName(cluster, 'the cluster')
  const authorities = [readAuthority(authority, cluster).toString()]
  const place = await openRecordDirectory(directory, options)
  await withLock(place, async () => {
    if (revisionOf(directory, TRUST_RECORD) !== '') throw securityError('ERR_SECURITY_EXISTS', `${directory} has a trust store: open it`)
    await writeRecord(directory, TRUST_RECORD, { cluster, authorities, members: [], revoked: [], invitations: [] }, place.disk)
  })
  return openTrustStore(directory, options)
}

/**
 * Opens the trust store in `directory`.
 *
 * @example
 * ```ts
 * import { openTrustStore } from '@dwcp/security'
 * using trust = await openTrustStore('/var/lib/dwcp')
 * for (const { nodeId, domain } of trust.list().members) console.log(nodeId, domain)
 * ```
 * @throws `ERR_SECURITY_MISSING`, `ERR_SECURITY_CORRUPT`, `ERR_SECURITY_UNSAFE_FILE`.
 * @public
 */
export async function openTrustStore(directory: string, options: TrustOptions = {}): Promise<NodeTrust> {
  return new DirectoryTrust(await openRecordDirectory(directory, options), options)
}

/** A state, and what is looked up in it. */
interface Known {
  readonly revision: string
  readonly state: TrustState
  readonly authorities: readonly X509Certificate[]
  readonly members: ReadonlyMap<KeyId, MemberEntry>
  readonly keys: ReadonlyMap<NodeId, KeyObject>
  /** Key ids, and key ids with the serial of one certificate. */
  readonly revoked: ReadonlySet<string>
}

class DirectoryTrust implements NodeTrust {
  readonly #place: RecordDirectory
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #feeds: Feeds<TrustChange>
  #known: Known
  #complaint = ''

  constructor(place: RecordDirectory, { clock = systemClock, logger = silentLogger }: TrustOptions) {
    this.#place = place
    this.#clock = clock
    this.#logger = logger
    this.#known = this.#read()
    this.#feeds = new Feeds(clock, POLL_MS, () => this.#poll())
  }

  get cluster(): ClusterId {
    return this.#known.state.cluster
  }

  authorities(): readonly string[] {
    return this.#refresh().state.authorities
  }

  authenticate(chain: readonly Uint8Array[], nowMs: number): Principal {
    const { state, authorities, members, revoked } = this.#refresh()
    const { nodeId, keyId, serial } = verifyChain(chain, { cluster: state.cluster, authorities, nowMs })
    if (revoked.has(keyId) || revoked.has(`${keyId} ${serial}`))
      throw securityError('ERR_SECURITY_REVOKED', `"${nodeId}" was revoked`, { details: { nodeId, keyId, serial } })
    const member = members.get(keyId)
    if (member?.nodeId !== nodeId) throw notAdmitted(nodeId, keyId)
    return { nodeId, keyId, roles: member.roles, domain: member.domain }
  }

  async verify(items: readonly SignedItem[]): Promise<readonly boolean[]> {
    const { keys } = this.#refresh()
    const results: boolean[] = []
    for (let first = 0; first < items.length; first += BATCH) {
      const batch = items.slice(first, first + BATCH).map(async ({ signer, domain, message, signature }) => {
        const key = keys.get(signer)
        return key !== undefined && isDomain(domain) && (await verifyFor(domain, message, key, signature))
      })
      results.push(...(await Promise.all(batch)))
    }
    return results
  }

  changes(): AsyncIterable<TrustChange> {
    return this.#feeds.listen()
  }

  list(): TrustList {
    const { members, revoked, invitations } = this.#refresh().state
    return {
      members: members.map(memberOf),
      revoked: revoked.map(({ nodeId, keyId, serial, revokedAtMs }) => {
        return { nodeId, keyId, ...(serial === undefined ? {} : { serial }), revokedAtMs }
      }),
      invitations: invitations.map(({ nodeId, expiresAtMs, usedBy }) => {
        return { ...(nodeId === undefined ? {} : { nodeId }), expiresAtMs, ...(usedBy === undefined ? {} : { usedBy }) }
      }),
    }
  }

  async invite({
    nodeId,
    roles = [],
    domain = 'untrusted',
    lifetimeMs = INVITATION_MINUTES * MINUTE_MS,
  }: InviteOptions = {}): Promise<Invitation> {
    if (!(lifetimeMs >= 1000 && lifetimeMs <= INVITATION_MAX_MS)) throw new RangeError(`a token lives 1 s to 24 h, not ${lifetimeMs} ms`)
    if (nodeId !== undefined) checkName(nodeId, 'the node')
    for (const role of roles) checkName(role, 'the role')
    return this.#update(async (state) => {
      const [newest] = this.#known.authorities
      if (newest === undefined) throw securityError('ERR_SECURITY_UNTRUSTED', 'this trust store knows no authority')
      const nowMs = this.#clock.nowMs()
      const expiresAtMs = nowMs + lifetimeMs
      const { token, publicKey } = createToken(keyIdOf(newest.publicKey))
      const entry = { publicKey, roles: [...roles], domain, expiresAtMs, ...(nodeId === undefined ? {} : { nodeId }) }
      return [invite(state, entry, nowMs), { token, expiresAtMs }]
    })
  }

  async admit(joinRequest: string, binding?: Uint8Array): Promise<Member> {
    const { nodeId, publicKey, invitation } = await readJoinRequest(joinRequest, binding)
    const keyId = keyIdOf(publicKey)
    const order = { invitation, nodeId, keyId, publicKey: rawPublicKey(publicKey).toString('base64url') }
    return this.#update(async (state) => {
      const next = useInvitation(state, { ...order, nowMs: this.#clock.nowMs() })
      const member = next.members.find((one) => one.keyId === keyId)
      if (member === undefined) throw notAdmitted(nodeId, keyId)
      return [next, memberOf(member)]
    })
  }

  accept(statements: readonly string[]): Promise<readonly SecurityError[]> {
    const nowMs = this.#clock.nowMs()
    return this.#update(async (state) => {
      const left: SecurityError[] = []
      let next = state
      let { authorities } = this.#known
      const known = new Set(this.statements())
      // Nothing to do for these, so that hearing them again costs nobody a verification.
      let pending = statements.filter((text) => !known.has(text))
      // Authorities vouch for each other in both directions: which one is known, and so what can be read first, differs.
      // Ends: a round of which nothing can be read throws.
      while (pending.length > 0) {
        const later: string[] = []
        for (const [index, text] of pending.entries()) {
          let statement: Statement
          try {
            statement = readStatement(text, { cluster: state.cluster, authorities, nowMs })
          } catch (error) {
            if (!isDwcpError(error, 'ERR_SECURITY_UNTRUSTED')) throw error
            if (index === pending.length - 1 && later.length === index) throw error
            later.push(text)
            continue
          }
          try {
            next = obey(next, statement, text, nowMs)
          } catch (error) {
            if (!isConflict(error)) throw error
            left.push(error)
          }
          if (statement.kind === 'authority') authorities = next.authorities.map((pem) => new X509Certificate(pem))
        }
        pending = later
      }
      return [next, left]
    })
  }

  statements(): readonly string[] {
    const { revoked, vouchers = [], members } = this.#refresh().state
    const signed = (entries: readonly { readonly statement?: string }[]): readonly string[] =>
      entries.flatMap(({ statement }) => statement ?? [])
    return [...signed(revoked), ...vouchers, ...signed(members)]
  }

  revoke(who: string): Promise<void> {
    return this.#update(async (state) => [revoke(state, who, this.#clock.nowMs()), undefined])
  }

  [Symbol.dispose](): void {
    this.#feeds.close()
  }

  /** One change of the file, seen by every process after it. */
  #update<T>(change: (state: TrustState) => Promise<readonly [TrustState, T]>): Promise<T> {
    return withLock(this.#place, async () => {
      const { state } = this.#refresh()
      const [next, result] = await change(state)
      if (next !== state) await writeRecord(this.#place.directory, TRUST_RECORD, next, this.#place.disk)
      this.#refresh()
      return result
    })
  }

  /** What the file says now; nothing older is ever trusted. */
  #refresh(): Known {
    const before = this.#known
    if (revisionOf(this.#place.directory, TRUST_RECORD) === before.revision) return before
    this.#known = this.#read()
    for (const change of changesBetween(before.state, this.#known.state))
      this.#feeds.send(`${change.kind} ${'keyId' in change ? change.keyId : change.nodeId}`, change)
    return this.#known
  }

  #read(): Known {
    const { directory } = this.#place
    // Before the reading: a change in between is read again, and none is missed.
    const revision = revisionOf(directory, TRUST_RECORD)
    const state = readRecord(directory, TRUST_RECORD)
    if (state === undefined) throw securityError('ERR_SECURITY_MISSING', `${directory} has no trust store: make one with "dwcp trust init"`)
    return {
      revision,
      state,
      authorities: state.authorities.map((pem) => readAuthority(pem, state.cluster)),
      members: new Map(state.members.map((member) => [member.keyId, member])),
      revoked: new Set(state.revoked.map(({ keyId, serial }) => (serial === undefined ? keyId : `${keyId} ${serial}`))),
      keys: new Map(state.members.map(({ nodeId, publicKey }) => [nodeId, publicKeyOf(Buffer.from(publicKey, 'base64url'))])),
    }
  }

  #poll(): void {
    try {
      this.#refresh()
      this.#complaint = ''
    } catch (error) {
      // Who asks is refused until the file is good again; sessions that are open go on.
      const complaint = error instanceof Error ? error.message : String(error)
      if (complaint !== this.#complaint) this.#logger.error({ error }, 'the trust store cannot be read: nobody is let in')
      this.#complaint = complaint
    }
  }
}

const memberOf = ({ nodeId, keyId, roles, domain, admittedAtMs }: MemberEntry): Member => ({ nodeId, keyId, roles, domain, admittedAtMs })

const notAdmitted = (nodeId: NodeId, keyId: KeyId): SecurityError =>
  securityError(
    'ERR_SECURITY_NOT_ADMITTED',
    `"${nodeId}" is not admitted here with that key: admit it by "dwcp trust add" or an invitation`,
    {
      details: { nodeId, keyId },
    },
  )

/** Whether there is one to open. */
export const hasTrustStore = (directory: string): boolean => revisionOf(directory, TRUST_RECORD) !== ''
