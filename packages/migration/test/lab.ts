import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryDriver, createMemoryNetwork, type MemoryTransport, type MemoryWorkload } from '@dwcp/compliance'
import type { Digest, EncoderStats, NodeId, Ownership, StateChunk, StateCodec, Workload } from '@dwcp/interface'
import { decode, encode } from '@msgpack/msgpack'
import { createJournalOwnership, createMigrator, type Journal, type MigrationLimits, type Migrator, openJournal } from '../src/index.ts'

export interface LabNode {
  readonly id: NodeId
  readonly migrator: Migrator
  readonly ownership: Ownership & Disposable
  readonly transport: MemoryTransport
  readonly journal: Journal
  /** Running or paused here. */
  readonly workloads: Map<string, MemoryWorkload>
}

export interface Lab {
  node(id: NodeId): LabNode
  cut(x: NodeId, y: NodeId): void
  heal(x: NodeId, y: NodeId): void
  /** Memory is gone at once, the journal stays; then a new process opens it. */
  kill(id: NodeId): Promise<void>
  start(id: NodeId): Promise<LabNode>
  /** Creates and activates a workload that runs on `id`. */
  run(id: NodeId, workload: string, pages?: number): Promise<MemoryWorkload>
  /** Where a workload runs now, over all nodes alive. */
  running(workload: string): readonly NodeId[]
  close(): Promise<void>
}

export interface LabOptions {
  readonly limits?: Partial<MigrationLimits>
  readonly codec?: (node: NodeId) => StateCodec
  readonly stepsPerChunk?: number
  readonly admit?: (workload: string) => Promise<void>
}

/** Nodes with journals on disk, joined in memory. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const root = await mkdtemp(join(tmpdir(), 'dwcp-migration-'))
  const network = createMemoryNetwork()
  const nodes = new Map<NodeId, LabNode>()
  const isMemory = (workload: Workload): workload is MemoryWorkload => 'steps' in workload
  const node = (id: NodeId): LabNode => {
    const found = nodes.get(id)
    if (found === undefined) throw new RangeError(`no node ${id}`)
    return found
  }
  const start = async (id: NodeId): Promise<LabNode> => {
    const transport = network.transport(id)
    const journal = await openJournal(join(root, id))
    const ownership = createJournalOwnership(id, { journal, transport, inquiryTimeoutMs: 200, transferTimeoutMs: 2_000 })
    const workloads = new Map<string, MemoryWorkload>()
    const migrator = createMigrator({
      transport,
      codec: options.codec?.(id) ?? createPlainCodec(),
      ownership,
      drivers: [createMemoryDriver({ stepsPerChunk: options.stepsPerChunk ?? 3 })],
      onArrived: async ({ workload }) => {
        if (isMemory(workload)) workloads.set(workload.id, workload)
      },
      ...(options.admit ? { admit: options.admit } : {}),
      limits: { prepareTimeoutMs: 1_000, idleTimeoutMs: 1_000, ...options.limits },
    })
    const started: LabNode = { id, migrator, ownership, transport, journal, workloads }
    nodes.set(id, started)
    return started
  }
  const kill = async (id: NodeId): Promise<void> => {
    const dying = node(id)
    nodes.delete(id)
    await dying.transport.close()
    const closed = dying.migrator.close()
    await dying.journal.close()
    dying.ownership[Symbol.dispose]()
    await closed
  }
  for (const id of ['a', 'b']) await start(id)
  return {
    node,
    cut: network.cut,
    heal: network.heal,
    kill,
    start,
    async run(id, name, pages = 64) {
      const { ownership, workloads } = node(id)
      await ownership.activate(await ownership.create(name))
      const workload = createMemoryDriver({ stepsPerChunk: options.stepsPerChunk ?? 3 }).run(name, pages)
      workloads.set(name, workload)
      return workload
    },
    running: (workload) => [...nodes.values()].filter((each) => each.workloads.get(workload)?.running).map((each) => each.id),
    async close() {
      for (const id of [...nodes.keys()]) await kill(id)
      await rm(root, { recursive: true })
    },
  }
}

/** Chunks as they are: what a codec must do at the least. */
export function createPlainCodec(): StateCodec {
  return {
    baselines: () => [],
    encoder() {
      let rawBytes = 0
      let wireBytes = 0
      return {
        async encode(chunk) {
          const plain = chunk.kind === 'pages' ? { ...chunk, pages: [...chunk.pages] } : chunk
          const frame = encode(plain)
          if (chunk.kind === 'pages') rawBytes += chunk.bytes.length
          wireBytes += frame.length
          return [frame]
        },
        stats: (): EncoderStats => ({
          rawBytes,
          wireBytes,
          pages: { zero: 0, unchanged: 0, duplicate: 0, delta: 0, full: 0 },
          payloadBytes: { raw: rawBytes, lz4: 0, zstd: 0, delta: 0 },
        }),
        close: () => undefined,
      }
    },
    decoder: () => ({
      decode: async (frame) => [chunkOf(decode(frame))],
      close: () => undefined,
    }),
  }
}

function chunkOf(value: unknown): StateChunk {
  const fields = new Map(Object.entries(value ?? {}))
  const kind = fields.get('kind')
  const bytes = new Uint8Array(fields.get('bytes') ?? [])
  if (kind === 'pages') return { kind, region: fields.get('region'), pages: Uint32Array.from(fields.get('pages')), bytes }
  if (kind === 'opaque') return { kind, bytes }
  if (kind === 'round')
    return { kind, remainingBytes: fields.get('remainingBytes'), dirtyBytesPerSecond: fields.get('dirtyBytesPerSecond') }
  if (kind === 'stopped') return { kind }
  const digest: Digest = fields.get('digest')
  return { kind: 'final', digest }
}
