import { type KeyObject, X509Certificate } from 'node:crypto'
import { inspect } from 'node:util'
import { type Clock, type Identity, type KeyId, type NodeId, type SigningDomain, systemClock, type TlsCredentials } from '@dwcp/interface'
import * as v from 'valibot'
import { createRequest } from './certificates.js'
import { derOf, readAuthority, splitPem, verifyChain } from './chain.js'
import { securityError } from './errors.js'
import { Feeds } from './feeds.js'
import { createJoinRequest } from './invitation.js'
import { createKey, keyIdOf, keyPem, readKey, signFor } from './keys.js'
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
import { Name } from './statements.js'

/** What an identity is made from, the first time. */
export interface IdentityOptions extends RecordOptions {
  /** @defaultValue the name it has; for a new one, `node-` and 12 digits of its key id */
  readonly nodeId?: NodeId
  /** PEM of an Ed25519 key, for a new identity. @defaultValue one is made */
  readonly privateKey?: string
  readonly clock?: Clock
}

/** A certificate that is installed. */
export interface InstalledCertificate {
  readonly cluster: string
  /** PEM, the node's first. */
  readonly certificate: string
  /** PEM. */
  readonly authorities: string
  readonly serial: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** When to ask for the next one: a third of its life is left. */
  readonly renewAtMs: number
}

/** A node's key, in the file `identity` of a directory, and its certificate in the file `certificate`. Nothing that prints it shows the key. */
export interface NodeIdentity extends Identity, Disposable {
  /** @throws `ERR_SECURITY_MISSING` where no certificate is installed. */
  credentials(): TlsCredentials
  /** The next credentials each time a certificate is installed, by this process or another. */
  rotations(): AsyncIterable<TlsCredentials>
  /** A PKCS #10 request (PEM) for an authority; also for the next certificate of the same key. */
  request(): Promise<string>
  /** @throws `ERR_SECURITY_TOKEN` */
  joinRequest(token: string, binding?: Uint8Array): Promise<string>
  /** Undefined while there is none. It may be out of date. */
  certificate(): InstalledCertificate | undefined
  /**
   * Puts a certificate in place for this key; sessions that are open go on.
   * @throws `ERR_SECURITY_CERTIFICATE`, `ERR_SECURITY_EXPIRED`, `ERR_SECURITY_UNTRUSTED`, `ERR_SECURITY_CLUSTER`, `ERR_SECURITY_NAME`, `ERR_SECURITY_KEY`.
   */
  install(issued: { readonly cluster: string; readonly certificate: string; readonly authorities: string }): Promise<void>
}

const Pem = v.pipe(v.string(), v.maxLength(200_000))
const IDENTITY_RECORD: RecordKind<{ readonly nodeId: NodeId; readonly privateKey: string }> = {
  name: 'identity',
  schema: v.strictObject({ nodeId: Name, privateKey: Pem }),
}
const CERTIFICATE_RECORD: RecordKind<{ readonly cluster: string; readonly certificate: string; readonly authorities: string }> = {
  name: 'certificate',
  schema: v.strictObject({ cluster: Name, certificate: Pem, authorities: Pem }),
}

/** How late a certificate that another process has installed is taken up. */
const POLL_MS = 1000
const NAME_DIGITS = 12

/**
 * Opens the identity in `directory`; the first time, makes it.
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openIdentity } from '@dwcp/security'
 * using identity = await openIdentity(join(await mkdtemp(join(tmpdir(), 'node-')), 'identity'), { nodeId: 'a' })
 * console.log(identity.nodeId, identity.keyId, await identity.request())
 * ```
 * @throws `ERR_SECURITY_CORRUPT`, `ERR_SECURITY_UNSAFE_FILE`, `ERR_SECURITY_KEY`; `ERR_SECURITY_EXISTS` where one of another name or key is there.
 * @public
 */
export async function openIdentity(directory: string, options: IdentityOptions = {}): Promise<NodeIdentity> {
  const given = options.privateKey === undefined ? undefined : readKey(options.privateKey)
  const place = await openRecordDirectory(directory, options)
  const record = readRecord(directory, IDENTITY_RECORD) ?? (await withLock(place, () => createIdentity(place, options.nodeId, given)))
  const key = readKey(record.privateKey)
  if (options.nodeId !== undefined && options.nodeId !== record.nodeId)
    throw securityError('ERR_SECURITY_EXISTS', `${directory} has the identity of "${record.nodeId}", not of "${options.nodeId}"`)
  if (given !== undefined && keyIdOf(given) !== keyIdOf(key))
    throw securityError('ERR_SECURITY_EXISTS', `${directory} has an identity with another key`)
  return new DirectoryIdentity(place, { nodeId: record.nodeId, key, clock: options.clock ?? systemClock })
}

async function createIdentity(
  { directory, disk }: RecordDirectory,
  nodeId: NodeId | undefined,
  given: KeyObject | undefined,
): Promise<{ readonly nodeId: NodeId; readonly privateKey: string }> {
  // Another process may have been faster.
  const there = readRecord(directory, IDENTITY_RECORD)
  if (there !== undefined) return there
  const key = given ?? createKey()
  const name = nodeId ?? `node-${keyIdOf(key).slice('sha-256:'.length).slice(0, NAME_DIGITS)}`
  const record = { nodeId: checkName(name, 'the node'), privateKey: keyPem(key) }
  await writeRecord(directory, IDENTITY_RECORD, record, disk)
  return record
}

/** Whether there is one to open. */
export const hasIdentity = (directory: string): boolean => revisionOf(directory, IDENTITY_RECORD) !== ''

class DirectoryIdentity implements NodeIdentity {
  readonly nodeId: NodeId
  readonly keyId: KeyId
  readonly #place: RecordDirectory
  readonly #key: KeyObject
  readonly #clock: Clock
  readonly #feeds: Feeds<TlsCredentials>
  #revision = ''
  #installed: InstalledCertificate | undefined

  constructor(place: RecordDirectory, { nodeId, key, clock }: { readonly nodeId: NodeId; readonly key: KeyObject; readonly clock: Clock }) {
    this.nodeId = nodeId
    this.keyId = keyIdOf(key)
    this.#place = place
    this.#key = key
    this.#clock = clock
    this.#feeds = new Feeds(clock, POLL_MS, () => this.#poll())
    this.certificate()
  }

  sign(domain: SigningDomain, message: Uint8Array): Promise<Uint8Array> {
    return signFor(domain, message, this.#key)
  }

  credentials(): TlsCredentials {
    const installed = this.certificate()
    if (installed !== undefined) return new HiddenKey(this.#key, installed)
    const text = `"${this.nodeId}" has no certificate: take one from an authority by "dwcp identity request" and "dwcp identity install"`
    throw securityError('ERR_SECURITY_MISSING', text)
  }

  rotations(): AsyncIterable<TlsCredentials> {
    return this.#feeds.listen()
  }

  request(): Promise<string> {
    return createRequest(this.nodeId, this.#key)
  }

  joinRequest(token: string, binding?: Uint8Array): Promise<string> {
    return createJoinRequest({ nodeId: this.nodeId, key: this.#key }, token, binding)
  }

  certificate(): InstalledCertificate | undefined {
    const { directory } = this.#place
    const revision = revisionOf(directory, CERTIFICATE_RECORD)
    if (revision === this.#revision) return this.#installed
    const record = readRecord(directory, CERTIFICATE_RECORD)
    const installed = record && { ...record, ...describe(record.certificate) }
    const isNews = installed !== undefined && this.#installed?.serial !== installed.serial
    this.#installed = installed
    this.#revision = revision
    if (isNews) this.#feeds.send('', new HiddenKey(this.#key, installed))
    return installed
  }

  async install({ cluster, certificate, authorities }: Parameters<NodeIdentity['install']>[0]): Promise<void> {
    const roots = splitPem(authorities).map((pem) => readAuthority(pem, cluster))
    const chain = splitPem(certificate).map(derOf)
    const { nodeId, keyId } = verifyChain(chain, { cluster, authorities: roots, nowMs: this.#clock.nowMs() })
    if (nodeId !== this.nodeId || keyId !== this.keyId)
      throw securityError(
        'ERR_SECURITY_CERTIFICATE',
        `the certificate is for "${nodeId}" with ${keyId}, and this is "${this.nodeId}" with ${this.keyId}`,
      )
    const place = this.#place
    await withLock(place, () => writeRecord(place.directory, CERTIFICATE_RECORD, { cluster, certificate, authorities }, place.disk))
    this.certificate()
  }

  [Symbol.dispose](): void {
    this.#feeds.close()
  }

  #poll(): void {
    try {
      this.certificate()
    } catch {
      // Half of a change made by hand, or gone: what is in use goes on, and who asks is told.
    }
  }
}

/** Has `key` for TLS, where nothing that copies, prints or serializes it looks. */
class HiddenKey implements TlsCredentials {
  readonly cert: string
  readonly ca: string
  readonly #key: KeyObject

  constructor(key: KeyObject, { certificate, authorities }: InstalledCertificate) {
    this.#key = key
    this.cert = certificate
    this.ca = authorities
  }

  get key(): string {
    return keyPem(this.#key)
  }

  // With `getters: true` inspect would call them.
  [inspect.custom](): object {
    return { cert: this.cert, ca: this.ca }
  }
}

function describe(pem: string): Pick<InstalledCertificate, 'serial' | 'notBeforeMs' | 'notAfterMs' | 'renewAtMs'> {
  const certificate = new X509Certificate(pem)
  const notBeforeMs = Date.parse(certificate.validFrom)
  const notAfterMs = Date.parse(certificate.validTo)
  const renewAtMs = notAfterMs - Math.floor((notAfterMs - notBeforeMs) / 3)
  return { serial: certificate.serialNumber.toLowerCase(), notBeforeMs, notAfterMs, renewAtMs }
}
