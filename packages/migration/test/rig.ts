import { createMemoryDriver, createMemoryNetwork, type MemoryNetwork, type MemoryTransport, type MemoryWorkload } from '@dwcp/compliance'
import type { NodeId, Ownership, Workload, WorkloadDriver } from '@dwcp/interface'
import { decode, encode } from '@msgpack/msgpack'
import { createJournalOwnership, createMigrator, type MigrationLimits, type Migrator } from '../src/index.ts'
import { createPlainCodec } from './lab.ts'
import { createMemoryJournal, type Disk } from './memory-journal.ts'

export interface RigNode {
  readonly migrator: Migrator
  readonly ownership: Ownership & Disposable
  readonly transport: MemoryTransport
  readonly disk: Disk
  readonly workloads: Map<string, MemoryWorkload>
  run(name: string): Promise<MemoryWorkload>
}

export interface RigOptions {
  readonly limits?: Partial<MigrationLimits>
  readonly driver?: (plain: WorkloadDriver) => WorkloadDriver
  readonly onArrived?: () => Promise<void>
  readonly admit?: () => Promise<void>
  /** Of a former life. */
  readonly disk?: Disk
}

/** Whole nodes with disks in memory, and bare peers that say what they like. */
export interface Rig extends AsyncDisposable {
  readonly network: MemoryNetwork
  /** The names of what runs, once for each place where it does. */
  readonly running: readonly string[]
  node(id: NodeId, options?: RigOptions): RigNode
  peer(id: NodeId): RawPeer
}

export interface RawPeer {
  readonly transport: MemoryTransport
  /** Asks as a node would; resolves to the envelope of the answer. */
  ask(to: NodeId, channel: string, body: unknown): Promise<Record<string, unknown>>
}

export function openRig(): Rig {
  const network = createMemoryNetwork()
  const running: string[] = []
  const nodes: RigNode[] = []
  const onRunning = (name: string, runs: boolean): void => void (runs ? running.push(name) : running.splice(running.indexOf(name), 1))
  const isMemory = (workload: Workload): workload is MemoryWorkload => 'steps' in workload
  return {
    network,
    running,
    node(id, options = {}) {
      const transport = network.transport(id)
      const disk: Disk = options.disk ?? new Map()
      const journal = createMemoryJournal({ disk, onDisk: () => Promise.resolve(), onWritten: () => Promise.resolve() })
      const ownership = createJournalOwnership(id, { journal, transport, inquiryTimeoutMs: 300, transferTimeoutMs: 1_000 })
      const workloads = new Map<string, MemoryWorkload>()
      const driver = createMemoryDriver({ onRunning })
      const migrator = createMigrator({
        transport,
        codec: createPlainCodec(),
        ownership,
        drivers: [options.driver?.(driver) ?? driver],
        onArrived: async ({ workload }) => {
          await options.onArrived?.()
          if (isMemory(workload)) workloads.set(workload.id, workload)
        },
        ...(options.admit ? { admit: options.admit } : {}),
        limits: { prepareTimeoutMs: 1_000, idleTimeoutMs: 300, partingTimeoutMs: 50, ...options.limits },
      })
      const node: RigNode = {
        migrator,
        ownership,
        transport,
        disk,
        workloads,
        async run(name) {
          await ownership.activate(await ownership.create(name))
          const workload = driver.run(name, 8)
          workloads.set(name, workload)
          return workload
        },
      }
      nodes.push(node)
      return node
    },
    peer(name) {
      const transport = network.transport(name)
      const waiting = new Map<string, (envelope: Record<string, unknown>) => void>()
      const listening = new Set<string>()
      return {
        transport,
        ask(to, channel, body) {
          if (!listening.has(channel)) {
            listening.add(channel)
            transport.receive(channel, (_from, payload) => {
              const envelope = Object.fromEntries(Object.entries(decode(payload) ?? {}))
              waiting.get(`${envelope['id']}`)?.(envelope)
            })
          }
          const question = crypto.randomUUID()
          return new Promise((resolve) => {
            waiting.set(question, resolve)
            transport.send(to, channel, encode({ kind: 'ask', id: question, body }))
          })
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node.migrator.close()))
      for (const node of nodes) node.ownership[Symbol.dispose]()
      for (const node of nodes) await node.transport.close()
    },
  }
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
