import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type AmstTransport, connect, createTransport, type ListenOptions } from '@dwcp/amst'
import { type BaselineStore, createCodec, openDiskStore } from '@dwcp/hde'
import {
  type Address,
  type Clock,
  type CredentialSource,
  DwcpError,
  type LinkId,
  type Logger,
  type NetworkMode,
  type NodeId,
  type Ownership,
  type PeerTrust,
  silentLogger,
  systemClock,
  type TlsCredentials,
  type WorkloadId,
} from '@dwcp/interface'
import {
  createJournalOwnership,
  createMigrator,
  createWasmDriver,
  type MigrateOptions,
  type MigrationLimits,
  type MigrationReport,
  type Migrator,
  openJournal,
  type WasmDriver,
  type WasmDriverOptions,
  type WasmWorkload,
} from '@dwcp/migration'
import { type Broadcast, createBroadcast } from './broadcast.js'
import { usesV3 } from './flags.js'
import { type FlagsFile, type FlagsStatus, watchFlags } from './flags-file.js'
import { endFormerRun } from './former-run.js'
import { openKeptCopies } from './kept-copy.js'
import { createLastValueAdvisor } from './last-value-advisor.js'
import { createLinks, type LinkStatus, type Links } from './links.js'
import { keepMembership } from './membership.js'
import { createPeerList, formatAddress, type PeerList, parseAddress } from './peers.js'
import { openWorkloadPort, type WorkloadPort } from './workload-port.js'
import { type WorkloadStatus, WorkloadTable } from './workload-table.js'

/** Who a node is, where it keeps its journal, where it listens. */
export interface NodeOptions {
  /** This node's lasting name, the same after each restart. */
  readonly id: NodeId
  /** Holds the ownership journal, and baselines; one node each. Created where it is missing. */
  readonly dataDirectory: string
  /** @defaultValue 127.0.0.1 and any free port */
  readonly listen?: Pick<ListenOptions, 'host' | 'port' | 'addresses' | 'enroll'>
  /** Where peers listen, as `host:port`; others are met as they come. */
  readonly peers?: Readonly<Record<NodeId, Address | string>>
  /** Forces the class of every link instead of measuring it. @defaultValue 'auto' */
  readonly mode?: NetworkMode | 'auto'
  /** Path of the flags file (JSON), read again when it changes. */
  readonly flags?: string
  /** Mutual TLS 1.3; an identity (`openIdentity`) of this node's name takes up each new certificate. */
  readonly tls?: TlsCredentials | CredentialSource
  /** Whom to let in (`openTrustStore`); links end once their peer is revoked. @defaultValue everyone whom the authorities vouch for */
  readonly trust?: PeerTrust
  /**
   * The directory of this node's identity and trust store (@dwcp/security), to be kept up to date over its links: members and revocations
   * spread to the others, and its certificate is renewed by the peer that has the authority, which may be this one.
   * @defaultValue both are left to the operator
   */
  readonly membership?: string
  /** Both ends must say so; `true` for loopback only. */
  readonly plaintext?: boolean | 'trusted-network'
  /**
   * What decides how each batch of memory is packed: the time to the last byte that packing it one way or another is predicted to take
   * at the rate the link was last seen to give, or the profile of the link's class alone (docs/choice.md). @defaultValue 'learned'
   */
  readonly encodingChoice?: 'learned' | 'profile'
  /**
   * Baselines of other workloads that serve one that comes for the first time, 16 at most: machines made from one image have much in
   * common. Both ends must say so; not where workloads of strangers share a node (@dwcp/hde says why). @defaultValue 0
   */
  readonly siblingBaselines?: number
  /**
   * Bound of what is kept on disk, in `dataDirectory`, of workloads that were here: one that comes back, even after a restart, brings
   * only what has changed since. 0 keeps it in memory only. @defaultValue 4 GiB
   */
  readonly baselineStoreBytes?: number
  readonly wasm?: WasmDriverOptions
  readonly limits?: Partial<MigrationLimits>
  readonly clock?: Clock
  readonly logger?: Logger
}

/** Something of a node that has changed; ask the node for what it is now. */
export type NodeChange =
  | { readonly kind: 'workload'; readonly workload: WorkloadId }
  | { readonly kind: 'link'; readonly peer: NodeId }
  | { readonly kind: 'flags'; readonly status: FlagsStatus }

/** One node: runs workloads, moves them to other nodes and takes theirs in. */
export interface DwcpNode extends AsyncDisposable {
  readonly id: NodeId
  readonly address: Address
  /**
   * Runs a WebAssembly program that keeps docs/wasm-abi.md, under a name that no other workload has.
   * @throws `ERR_MIGRATION_UNSUPPORTED`, `ERR_OWNERSHIP_EPOCH`.
   */
  run(module: Uint8Array, options?: { readonly id?: WorkloadId; readonly seed?: number }): Promise<WorkloadStatus>
  /** The workload of that name, while it is on this node. */
  workload(id: WorkloadId): WasmWorkload | undefined
  /**
   * Moves a workload that runs here. `to` is a peer's name or address.
   * @throws `ERR_CORE_UNKNOWN_WORKLOAD`; otherwise as {@link Migrator.migrate}.
   */
  migrate(workload: WorkloadId, to: NodeId | Address, options?: MigrateOptions): Promise<MigrationReport>
  /** Ends a workload that is here; its name is free again. */
  end(workload: WorkloadId, reason?: string): Promise<void>
  workloads(): readonly WorkloadStatus[]
  links(): readonly LinkStatus[]
  flags(): FlagsStatus
  changes(options?: { readonly signal?: AbortSignal }): AsyncIterable<NodeChange>
  /** Ends what runs here. A workload that must go on is migrated before. */
  close(): Promise<void>
}

/** Parallel streams of a session: v1 always opened 16. */
const V1_STREAMS = 16
const DEFAULT_BASELINE_STORE_BYTES = 4 * 1024 ** 3
const ADDRESS_CHANNEL = 'address'
/** An encoded batch of 1 MiB of pages goes through as one chunk, so that nobody has to put it together again. */
const TRANSPORT_LIMITS = { chunkBytes: (5 << 20) / 4, initialWindowBytes: 5 << 20, objectWindowBytes: 16 << 20 }

/**
 * Starts a node: opens its journal, listens, settles what an earlier process of this node left. What only a peer knows of
 * that is asked until the peer is back.
 *
 * @example
 * ```ts
 * import { loadWorkload, startNode } from '@dwcp/core'
 * await using a = await startNode({ id: 'a', dataDirectory: '/tmp/dwcp-a', plaintext: true })
 * await using b = await startNode({ id: 'b', dataDirectory: '/tmp/dwcp-b', plaintext: true })
 * await a.run(await loadWorkload('hash-chain'), { id: 'chain' })
 * const report = await a.migrate('chain', b.address)
 * console.log(`paused for ${report.pausedMs.toFixed(1)} ms`)
 * ```
 * @throws `ERR_MIGRATION_JOURNAL_LOCKED`, `ERR_MIGRATION_JOURNAL_CORRUPT`, `ERR_CORE_FLAGS`, `ERR_AMST_PLAINTEXT_REFUSED`.
 */
export async function startNode(options: NodeOptions): Promise<DwcpNode> {
  const { clock = systemClock, logger = silentLogger, id } = options
  const owned: (Disposable | AsyncDisposable)[] = []
  const own = <T extends Disposable | AsyncDisposable>(thing: T): T => {
    owned.unshift(thing)
    return thing
  }
  try {
    await mkdir(options.dataDirectory, { recursive: true })
    const changes = createBroadcast<NodeChange>()
    const journal = own(await openJournal(join(options.dataDirectory, 'ownership')))
    const flagsChanged = (status: FlagsStatus): void => {
      links.steer()
      changes.send({ kind: 'flags', status })
    }
    const flags = own(await watchFlags(options.flags, flagsChanged, logger))
    const isV1 = (): boolean => !usesV3(flags.status.flags, 'transport', id)
    const peers = createPeerList(options.peers)
    const forced = options.mode === undefined || options.mode === 'auto' ? undefined : options.mode
    const links = own(createLinks({ forced, isV1, clock, logger, onChange: (peer) => changes.send({ kind: 'link', peer }) }))
    const advisor = createLastValueAdvisor(clock, (sample) => links.observe(sample))
    const security = {
      ...(options.tls ? { tls: options.tls } : {}),
      ...(options.trust ? { trust: options.trust } : {}),
      ...(options.plaintext === undefined ? {} : { plaintext: options.plaintext }),
    }
    const transport = own(
      await createTransport({
        self: id,
        directory: peers,
        listen: { host: '127.0.0.1', ...options.listen },
        streams: () => (isV1() ? V1_STREAMS : 'auto'),
        advisor,
        limits: TRANSPORT_LIMITS,
        clock,
        logger,
        ...security,
      }),
    )
    // Before anything else is waited for: a peer that calls at once says its address once.
    own(exchangeAddresses(transport, peers))
    if (options.membership !== undefined) own(await keepMembership({ directory: options.membership, transport, clock, logger }))
    const ownership = own(createJournalOwnership(id, { journal, transport, clock, logger }))
    const table = new WorkloadTable({
      self: id,
      journal,
      ownership,
      address: (node) => peers.lookup(node)[0],
      onChange: (workload) => changes.send({ kind: 'workload', workload }),
    })
    const formerRun = own(
      await endFormerRun({
        self: id,
        journal,
        ownership,
        clock,
        logger,
        onChange: (workload) => changes.send({ kind: 'workload', workload }),
      }),
    )
    const shareBytesPerSecond = (link: LinkId | undefined): number | undefined =>
      link === undefined ? undefined : advisor.forecast(link, { horizonMs: 1_000, class: 'migration' }).shareBytesPerSecond.p50
    const store = await openBaselines(options, logger)
    if (store !== undefined) own(store)
    const codec = own(
      createCodec({
        ...(store === undefined ? {} : { store }),
        profile: (link) => (usesV3(flags.status.flags, 'compression', id) ? links.mode(link ?? '') : 'v1'),
        ...(options.encodingChoice === 'profile' ? {} : { shareBytesPerSecond }),
        ...(options.siblingBaselines === undefined ? {} : { siblingBaselines: options.siblingBaselines }),
        logger,
      }),
    )
    const driver = createWasmDriver({ logger, ...options.wasm })
    const migrator = own(
      createMigrator({
        transport,
        codec,
        ownership,
        drivers: [driver],
        onArrived: async ({ workload }) => table.add(workload),
        advisor,
        clock,
        logger,
        ...(options.limits ? { limits: options.limits } : {}),
      }),
    )
    const port = own(
      openWorkloadPort({
        transport,
        find: (workload) => table.find(workload),
        whereabouts: (workload) => table.whereabouts(workload),
        arrival: (workload) => migrator.arrival(workload),
        toward: (workload) => migrator.destination(workload),
        address: (node) => peers.lookup(node)[0],
      }),
    )
    formerRun.settle(own(openKeptCopies(transport, (workload) => migrator.phase(workload) !== undefined)))
    links.follow(transport)
    // A session made to ask for the name would take the place of the one that is there.
    const met = (named: string): NodeId | undefined =>
      peers.nodes().find((node) => transport.sessionStats(node) && peers.lookup(node).some((known) => formatAddress(known) === named))
    const resolve = async (address: Address): Promise<NodeId> => met(formatAddress(address)) ?? nameOf(address, id, security)
    return new Node({ id, owned, changes, flags, links, peers, transport, ownership, table, driver, migrator, port, resolve })
  } catch (error) {
    for (const thing of owned) await dispose(thing)
    throw error
  }
}

/** Baselines save bytes: a node that cannot keep them runs without. */
async function openBaselines(
  { dataDirectory, baselineStoreBytes = DEFAULT_BASELINE_STORE_BYTES }: NodeOptions,
  logger: Logger,
): Promise<BaselineStore | undefined> {
  if (baselineStoreBytes === 0) return undefined
  try {
    return await openDiskStore(join(dataDirectory, 'baselines'), { bytes: baselineStoreBytes })
  } catch (error) {
    if (error instanceof RangeError) throw error
    logger.warn({ error }, 'no baselines are kept on disk')
    return undefined
  }
}

interface NodeParts {
  readonly id: NodeId
  readonly owned: readonly (Disposable | AsyncDisposable)[]
  readonly changes: Broadcast<NodeChange>
  readonly flags: FlagsFile
  readonly links: Links
  readonly peers: PeerList
  readonly transport: AmstTransport
  readonly ownership: Ownership
  readonly table: WorkloadTable
  readonly driver: WasmDriver
  readonly migrator: Migrator
  readonly port: WorkloadPort
  readonly resolve: (address: Address) => Promise<NodeId>
}

class Node implements DwcpNode {
  readonly #parts: NodeParts
  #closing: Promise<void> | undefined

  constructor(parts: NodeParts) {
    this.#parts = parts
  }

  get id(): NodeId {
    return this.#parts.id
  }

  get address(): Address {
    const { address } = this.#parts.transport
    if (address === undefined) throw new DwcpError('ERR_CORE_CLOSED', 'this node is closed')
    return address
  }

  async run(
    module: Uint8Array,
    { id = `w-${randomUUID()}`, seed }: { readonly id?: WorkloadId; readonly seed?: number } = {},
  ): Promise<WorkloadStatus> {
    const { driver, ownership, table } = this.#parts
    const workload = await driver.run({ id, module, ...(seed === undefined ? {} : { seed }) })
    try {
      const grant = await ownership.activate(await ownership.create(id))
      await workload.start(grant)
      table.add(workload)
      return table.status(id)
    } catch (error) {
      await workload.close()
      throw error
    }
  }

  workload(id: WorkloadId): WasmWorkload | undefined {
    return this.#parts.table.find(id)
  }

  async migrate(id: WorkloadId, to: NodeId | Address, options: MigrateOptions = {}): Promise<MigrationReport> {
    const { migrator, table, peers, resolve, port, changes } = this.#parts
    const workload = this.#here(id)
    let target: NodeId
    if (typeof to === 'string' && peers.lookup(to).length > 0) target = to
    else {
      const address = typeof to === 'string' ? parseAddress(to) : to
      target = await resolve(address)
      peers.set(target, address)
    }
    let phase = ''
    const onProgress: MigrateOptions['onProgress'] = (progress) => {
      options.onProgress?.(progress)
      if (progress.phase === phase) return
      phase = progress.phase
      table.setPhase(id, progress.phase)
      if (progress.phase === 'done') port.moved(id)
      changes.send({ kind: 'workload', workload: id })
    }
    const migration = migrator.migrate(workload, target, { ...options, onProgress })
    // The caller may give up waiting before it is known where the workload is; the table learns it all the same.
    void migrator.settled(id).then(() => {
      table.settle(id)
      port.moved(id)
    })
    return migration
  }

  async end(id: WorkloadId, reason = 'ended by its operator'): Promise<void> {
    const workload = this.#here(id)
    await this.#parts.table.end(id, reason)
    await workload.close()
  }

  workloads(): readonly WorkloadStatus[] {
    return this.#parts.table.statuses()
  }

  links(): readonly LinkStatus[] {
    return this.#parts.links.status()
  }

  flags(): FlagsStatus {
    return this.#parts.flags.status
  }

  changes(options?: { readonly signal?: AbortSignal }): AsyncIterable<NodeChange> {
    return this.#parts.changes.listen(options)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { migrator, table, owned, changes } = this.#parts
    await migrator.close()
    await table.close()
    for (const thing of owned) await dispose(thing)
    changes.close()
  }

  #here(id: WorkloadId): WasmWorkload {
    const workload = this.#parts.table.find(id)
    if (workload !== undefined) return workload
    const there = this.#parts.table.whereabouts(id)
    const hint = there === undefined ? `it runs ${this.#parts.table.names().join(', ') || 'none'}` : `it is on ${there.owner}`
    throw new DwcpError('ERR_CORE_UNKNOWN_WORKLOAD', `there is no workload ${id} on node ${this.id}: ${hint}`, {
      details: { workload: id },
    })
  }
}

async function dispose(thing: Disposable | AsyncDisposable): Promise<void> {
  if (Symbol.asyncDispose in thing) await thing[Symbol.asyncDispose]()
  else thing[Symbol.dispose]()
}

/** Tells each peer where this node listens, so that it can be dialled back; what the configuration says of a peer wins. */
function exchangeAddresses(transport: AmstTransport, peers: PeerList): AsyncDisposable {
  const configured = new Set(peers.nodes())
  const closing = new AbortController()
  const receiver = transport.receive(ADDRESS_CHANNEL, (from, payload) => {
    if (configured.has(from.nodeId) || payload.length > 300) return
    try {
      peers.set(from.nodeId, parseAddress(new TextDecoder().decode(payload)))
    } catch {
      // A peer that names no address cannot be dialled; nothing else changes.
    }
  })
  const follow = async (): Promise<void> => {
    for await (const change of transport.peers({ signal: closing.signal })) {
      const { address } = transport
      if (change.kind === 'up' && address !== undefined)
        transport.send(change.peer.nodeId, ADDRESS_CHANNEL, new TextEncoder().encode(formatAddress(address)))
    }
  }
  const following = follow().catch(() => undefined)
  return {
    async [Symbol.asyncDispose]() {
      receiver[Symbol.dispose]()
      closing.abort()
      await following
    },
  }
}

async function nameOf(address: Address, self: NodeId, security: Pick<NodeOptions, 'tls' | 'trust' | 'plaintext'>): Promise<NodeId> {
  await using session = await connect(address, { nodeId: self, streams: 1, ...security })
  return session.peer.nodeId
}
