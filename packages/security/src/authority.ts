import type { KeyObject } from 'node:crypto'
import { type Clock, type ClusterId, type KeyId, type NodeId, systemClock, type TrustDomain } from '@dwcp/interface'
import * as v from 'valibot'
import { writeBundle } from './bundle.js'
import { type Issuer, issueAuthority, issueNode, readRequest } from './certificates.js'
import { readAuthority } from './chain.js'
import { securityError } from './errors.js'
import { createKey, keyIdOf, keyPem, publicKeyOf, rawPublicKey, readKey } from './keys.js'
import { checkName } from './names.js'
import {
  openRecordDirectory,
  type RecordDirectory,
  type RecordKind,
  type RecordOptions,
  readRecord,
  revisionOf,
  withLock,
  writeRecord,
} from './record-file.js'
import { KeyIdText, Name, Serial, signStatement } from './statements.js'

/** What an authority runs on. */
export interface AuthorityOptions extends RecordOptions {
  readonly clock?: Clock
}

/** A certificate as the authority remembers it. */
export interface IssuedCertificate {
  readonly nodeId: NodeId
  readonly keyId: KeyId
  readonly serial: string
  readonly notAfterMs: number
  /** Of the key: none of its certificates holds, and it gets no other. */
  readonly revoked?: { readonly atMs: number; readonly scope: 'certificate' | 'key' }
}

/** A certificate just made, for whoever asked. */
export interface NewCertificate extends IssuedCertificate {
  /** Of the node, raw, base64url: what {@link Authority.admission} takes. */
  readonly publicKey: string
  /** PEM, with what leads to the authority's predecessor. */
  readonly certificate: string
}

/** A small certificate authority for one cluster, kept in the file `authority` of a directory. Its keys never leave that file. */
export interface Authority {
  readonly cluster: ClusterId
  /** PEM, newest first. */
  certificates(): readonly string[]
  issued(): readonly IssuedCertificate[]
  /**
   * Certifies the key in a request (PEM), for `lifetimeMs` (1 minute to 1 year, and never past its own; @defaultValue 7 days).
   * @throws `ERR_SECURITY_CERTIFICATE`, `ERR_SECURITY_NAME`, `ERR_SECURITY_NAME_TAKEN` where another key has that name, `ERR_SECURITY_REVOKED`,
   * `ERR_SECURITY_EXPIRED` where the authority itself is out of date, `ERR_SECURITY_LIMIT`, RangeError.
   */
  issue(request: string, options?: { readonly lifetimeMs?: number }): Promise<NewCertificate>
  /** The operator's signature that admits a node: a statement for {@link NodeTrust.accept}. */
  admission(node: {
    readonly nodeId: NodeId
    readonly publicKey: string
    readonly roles?: readonly string[]
    readonly domain?: TrustDomain
  }): Promise<string>
  /**
   * Revokes a node (all its keys) or one certificate.
   * @returns the statements that tell trust stores.
   * @throws `ERR_SECURITY_NOT_ADMITTED` where nothing of that name was issued.
   */
  revoke(what: { readonly nodeId: NodeId } | { readonly serial: string }): Promise<readonly string[]>
  /** What a node installs. */
  bundle(certificate: string, statements: readonly string[]): string
  /**
   * A new key and certificate for the authority. Certificates of the old one hold until they expire, and what the new one
   * issues is accepted by who knows only the old one. Leave a certificate's lifetime between two rotations.
   * @returns the statements by which trust stores learn of the new one.
   */
  rotate(): Promise<readonly string[]>
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const NODE_DAYS = 7
const NODE_MAX_MS = 366 * DAY_MS
const AUTHORITY_DAYS = 5 * 366
/** Clocks of nodes may be that much behind. */
const BACKDATE_MS = 5 * MINUTE_MS
const ISSUED_MAX = 20_000
const GENERATIONS_MAX = 8

const Text = v.pipe(v.string(), v.maxLength(50_000))
interface Generation {
  readonly generation: number
  readonly privateKey: string
  readonly certificate: string
  /** Of this one, by the one before. */
  readonly cross?: string
  /** In which this one and the one before vouch for each other. */
  readonly statements: readonly string[]
}

/** Generations newest first. */
interface AuthorityState {
  readonly cluster: ClusterId
  readonly generations: readonly Generation[]
  readonly issued: readonly IssuedCertificate[]
}

const GenerationSchema: v.GenericSchema<unknown, Generation> = v.strictObject({
  generation: v.pipe(v.number(), v.integer(), v.minValue(1)),
  privateKey: Text,
  certificate: Text,
  cross: v.exactOptional(Text),
  statements: v.array(Text),
})
const IssuedSchema: v.GenericSchema<unknown, IssuedCertificate> = v.strictObject({
  nodeId: Name,
  keyId: KeyIdText,
  serial: Serial,
  notAfterMs: v.number(),
  revoked: v.exactOptional(v.strictObject({ atMs: v.number(), scope: v.picklist(['certificate', 'key']) })),
})
const AuthoritySchema: v.GenericSchema<unknown, AuthorityState> = v.strictObject({
  cluster: Name,
  generations: v.pipe(v.array(GenerationSchema), v.minLength(1), v.maxLength(GENERATIONS_MAX)),
  issued: v.pipe(v.array(IssuedSchema), v.maxLength(ISSUED_MAX)),
})

const AUTHORITY_RECORD: RecordKind<AuthorityState> = { name: 'authority', schema: AuthoritySchema }

/**
 * Makes the authority of a new cluster.
 * @throws `ERR_SECURITY_EXISTS`, `ERR_SECURITY_NAME`, `ERR_SECURITY_UNSAFE_FILE`.
 * @public
 */
export async function createAuthority(
  directory: string,
  { cluster, ...options }: AuthorityOptions & { readonly cluster: ClusterId },
): Promise<Authority> {
  checkName(cluster, 'the cluster')
  const { clock = systemClock } = options
  const place = await openRecordDirectory(directory, options)
  await withLock(place, async () => {
    if (revisionOf(directory, AUTHORITY_RECORD) !== '') throw securityError('ERR_SECURITY_EXISTS', `${directory} has an authority: open it`)
    const key = createKey()
    const certificate = await issueAuthority({ cluster, generation: 1, key, ...authorityValidity(clock) })
    const first = { generation: 1, privateKey: keyPem(key), certificate, statements: [] }
    await writeRecord(directory, AUTHORITY_RECORD, { cluster, generations: [first], issued: [] }, place.disk)
  })
  return openAuthority(directory, options)
}

/**
 * Opens the authority in `directory`.
 * @throws `ERR_SECURITY_MISSING`, `ERR_SECURITY_CORRUPT`, `ERR_SECURITY_UNSAFE_FILE`.
 * @public
 */
export async function openAuthority(directory: string, options: AuthorityOptions = {}): Promise<Authority> {
  return new DirectoryAuthority(await openRecordDirectory(directory, options), options)
}

/** Whether there is one to open. */
export const hasAuthority = (directory: string): boolean => revisionOf(directory, AUTHORITY_RECORD) !== ''

/** Holds no key: each call reads the file, so that a rotation by another process counts at once. */
class DirectoryAuthority implements Authority {
  readonly cluster: ClusterId
  readonly #place: RecordDirectory
  readonly #clock: Clock

  constructor(place: RecordDirectory, { clock = systemClock }: AuthorityOptions) {
    this.#place = place
    this.#clock = clock
    this.cluster = this.#read().cluster
  }

  certificates(): readonly string[] {
    return this.#current(this.#read()).map(({ certificate }) => certificate)
  }

  issued(): readonly IssuedCertificate[] {
    return this.#read().issued
  }

  async issue(request: string, { lifetimeMs = NODE_DAYS * DAY_MS }: { readonly lifetimeMs?: number } = {}): Promise<NewCertificate> {
    if (!(lifetimeMs >= MINUTE_MS && lifetimeMs <= NODE_MAX_MS))
      throw new RangeError(`a certificate lives a minute to a year, not ${lifetimeMs} ms`)
    const { nodeId, publicKey } = await readRequest(request)
    const keyId = keyIdOf(publicKey)
    return this.#update(async (state) => {
      const nowMs = this.#clock.nowMs()
      checkHolder(state, { nodeId, keyId }, nowMs)
      const [newest] = state.generations
      const authority = newest && readAuthority(newest.certificate, state.cluster)
      const untilMs = authority ? Date.parse(authority.validTo) : 0
      if (newest === undefined || nowMs >= untilMs)
        throw securityError('ERR_SECURITY_EXPIRED', 'the authority itself is out of date: rotate it by "dwcp trust rotate"')
      // To the second, as certificates have it.
      const notAfterMs = Math.floor(Math.min(nowMs + lifetimeMs, untilMs) / 1000) * 1000
      const order = { cluster: state.cluster, nodeId, publicKey, issuer: issuerOf(newest), notBeforeMs: nowMs - BACKDATE_MS, notAfterMs }
      const { certificate, serial } = await issueNode(order)
      const entry: IssuedCertificate = { nodeId, keyId, serial, notAfterMs }
      const chain = certificate + (newest.cross ?? '')
      const issued = [...withRoom(state.issued, nowMs), entry]
      return [
        { ...state, issued },
        { ...entry, publicKey: rawPublicKey(publicKey).toString('base64url'), certificate: chain },
      ]
    })
  }

  async admission(node: Parameters<Authority['admission']>[0]): Promise<string> {
    const { nodeId, publicKey, roles = [], domain = 'trusted' } = node
    const { cluster, generations } = this.#read()
    for (const role of roles) checkName(role, 'the role')
    checkHolder(this.#read(), { nodeId, keyId: keyIdOf(publicKeyOf(Buffer.from(publicKey, 'base64url'))) }, this.#clock.nowMs())
    return signStatement(
      { kind: 'admit', cluster, nodeId: checkName(nodeId, 'the node'), publicKey, roles: [...roles], domain },
      keyOf(generations[0]),
    )
  }

  revoke(what: { readonly nodeId: NodeId } | { readonly serial: string }): Promise<readonly string[]> {
    return this.#update(async (state) => {
      const isMeant = (entry: IssuedCertificate): boolean =>
        'serial' in what ? entry.serial === what.serial.toLowerCase() : entry.nodeId === what.nodeId
      const meant = state.issued.filter(isMeant)
      if (meant.length === 0)
        throw securityError('ERR_SECURITY_NOT_ADMITTED', `this authority has issued nothing for ${JSON.stringify(what)}`)
      const revoked = { atMs: this.#clock.nowMs(), scope: 'serial' in what ? ('certificate' as const) : ('key' as const) }
      const issued = state.issued.map((entry) => (isMeant(entry) && entry.revoked?.scope !== 'key' ? { ...entry, revoked } : entry))
      const key = keyOf(state.generations[0])
      const { cluster } = state
      if ('serial' in what) {
        const one = meant.map(({ nodeId, keyId, serial }) =>
          signStatement({ kind: 'revoke-certificate', cluster, nodeId, keyId, serial }, key),
        )
        return [{ ...state, issued }, one]
      }
      const keyIds = [...new Set(meant.map(({ keyId }) => keyId))]
      return [{ ...state, issued }, keyIds.map((keyId) => signStatement({ kind: 'revoke', cluster, nodeId: what.nodeId, keyId }, key))]
    })
  }

  bundle(certificate: string, statements: readonly string[]): string {
    const state = this.#read()
    const current = this.#current(state)
    const succession = current.flatMap((generation) => generation.statements)
    const authorities = current.map((generation) => generation.certificate).join('')
    return writeBundle({ cluster: state.cluster, certificate, authorities, statements: [...succession, ...statements] })
  }

  rotate(): Promise<readonly string[]> {
    return this.#update(async (state) => {
      const { cluster } = state
      const current = this.#current(state)
      const [former] = current
      const key = createKey()
      const order = { cluster, generation: (state.generations[0]?.generation ?? 0) + 1, key }
      const validity = authorityValidity(this.#clock)
      const certificate = await issueAuthority({ ...order, ...validity })
      const next: Generation = { generation: order.generation, privateKey: keyPem(key), certificate, statements: [] }
      if (former === undefined) return [{ ...state, generations: [next] }, []]
      const untilMs = Date.parse(readAuthority(former.certificate, cluster).validTo)
      const shorter = { ...validity, notAfterMs: Math.min(validity.notAfterMs, untilMs) }
      const cross = await issueAuthority({ ...order, ...shorter, issuer: issuerOf(former) })
      const statements = [
        signStatement({ kind: 'authority', cluster, certificate }, keyOf(former)),
        signStatement({ kind: 'authority', cluster, certificate: former.certificate }, key),
      ]
      return [{ ...state, generations: [{ ...next, cross, statements }, ...current].slice(0, GENERATIONS_MAX) }, statements]
    })
  }

  #current({ cluster, generations }: AuthorityState): readonly Generation[] {
    const nowMs = this.#clock.nowMs()
    return generations.filter(({ certificate }) => Date.parse(readAuthority(certificate, cluster).validTo) > nowMs)
  }

  #read(): AuthorityState {
    const { directory } = this.#place
    const state = readRecord(directory, AUTHORITY_RECORD)
    if (state === undefined) throw securityError('ERR_SECURITY_MISSING', `${directory} has no authority: make one with "dwcp trust init"`)
    return state
  }

  /** What is handed out is remembered before. */
  #update<T>(change: (state: AuthorityState) => Promise<readonly [AuthorityState, T]>): Promise<T> {
    return withLock(this.#place, async () => {
      const [next, result] = await change(this.#read())
      await writeRecord(this.#place.directory, AUTHORITY_RECORD, next, this.#place.disk)
      return result
    })
  }
}

function checkHolder(state: AuthorityState, { nodeId, keyId }: { readonly nodeId: NodeId; readonly keyId: KeyId }, nowMs: number): void {
  if (state.issued.some((one) => one.keyId === keyId && one.revoked?.scope === 'key'))
    throw securityError('ERR_SECURITY_REVOKED', `the key of "${nodeId}" was revoked: make a new identity in another directory`)
  const other = state.issued.find((one) => {
    return one.nodeId === nodeId && one.keyId !== keyId && one.revoked === undefined && one.notAfterMs > nowMs
  })
  if (other !== undefined)
    throw securityError('ERR_SECURITY_NAME_TAKEN', `"${nodeId}" has a certificate for ${other.keyId}: revoke it first`)
}

/** Forgets the oldest that no longer matter: out of date. */
function withRoom(issued: AuthorityState['issued'], nowMs: number): AuthorityState['issued'] {
  if (issued.length < ISSUED_MAX) return issued
  const live = issued.filter(({ notAfterMs, revoked }) => notAfterMs > nowMs || revoked !== undefined)
  if (live.length < ISSUED_MAX) return live
  throw securityError('ERR_SECURITY_LIMIT', `${ISSUED_MAX} certificates are in force: that is the most`)
}

function authorityValidity(clock: Clock): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  const nowMs = clock.nowMs()
  return { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + AUTHORITY_DAYS * DAY_MS }
}

function keyOf(generation: Generation | undefined): KeyObject {
  if (generation === undefined) throw securityError('ERR_SECURITY_CORRUPT', 'the authority has no key')
  return readKey(generation.privateKey)
}

const issuerOf = (generation: Generation): Issuer => ({ key: keyOf(generation), certificate: generation.certificate })
