import { type Address, type NodeId, type Ownership, type Workload, type WorkloadId } from '@dwcp/interface'
import type { Journal, MigrationPhase, OwnershipRecord, WasmWorkload } from '@dwcp/migration'
import type { Whereabouts } from './workload-port.js'

/**
 * - `running`: here. - `leaving`: here, a migration is under way. - `settling`: offered to another node that cannot be
 *   asked whether it took it; nothing runs until it can. - `moved`: on `owner`, as far as is known here. - `ended`:
 *   finished, closed, failed or lost with its process; `reason` says which. - `waiting`: given to this node, which was
 *   restarted before it began to run it; the source takes it back, or says that it no longer can.
 */
export type WorkloadState = 'running' | 'leaving' | 'settling' | 'moved' | 'ended' | 'waiting'

/** Where one workload is, as far as this node knows. */
export interface WorkloadStatus {
  readonly id: WorkloadId
  readonly state: WorkloadState
  readonly epoch: number
  readonly owner?: NodeId
  readonly address?: Address
  readonly reason?: string
  readonly phase?: MigrationPhase
}

interface Entry {
  readonly workload: WasmWorkload
  phase: MigrationPhase | undefined
}

/** What runs here, and what the journal knows of the rest. */
export class WorkloadTable {
  readonly #parts: {
    readonly self: NodeId
    readonly journal: Journal
    readonly ownership: Ownership
    readonly address: (node: NodeId) => Address | undefined
    readonly onChange: (workload: WorkloadId) => void
  }
  readonly #here = new Map<WorkloadId, Entry>()
  readonly #freeing = new Set<Promise<void>>()

  constructor(parts: {
    readonly self: NodeId
    readonly journal: Journal
    readonly ownership: Ownership
    readonly address: (node: NodeId) => Address | undefined
    readonly onChange: (workload: WorkloadId) => void
  }) {
    this.#parts = parts
  }

  add(workload: Workload): void {
    if (!isWasmWorkload(workload)) throw new TypeError(`${workload.id} is not a workload of a driver that this node has`)
    this.#here.set(workload.id, { workload, phase: undefined })
    void workload.finished.then(async (end) => {
      if (this.#here.get(workload.id)?.workload !== workload) return
      if (end.kind === 'finished') return
      this.#here.delete(workload.id)
      if (end.kind === 'failed') await this.#write(workload.id, `failed: ${end.error.message}`)
      this.#parts.onChange(workload.id)
    })
    this.#parts.onChange(workload.id)
  }

  find(id: WorkloadId): WasmWorkload | undefined {
    return this.#here.get(id)?.workload
  }

  setPhase(id: WorkloadId, phase: MigrationPhase): void {
    const entry = this.#here.get(id)
    if (entry !== undefined) entry.phase = phase
  }

  /** A migration of `id` is over; the journal says with what result. */
  settle(id: WorkloadId): void {
    const entry = this.#here.get(id)
    if (entry === undefined) return
    entry.phase = undefined
    if (this.#parts.journal.get(id)?.state !== 'held') {
      this.#here.delete(id)
      // Where this node closes before the other one has said that it runs there, a paused copy is left.
      const freed = entry.workload.close().finally(() => this.#freeing.delete(freed))
      this.#freeing.add(freed)
    }
    this.#parts.onChange(id)
  }

  async end(id: WorkloadId, reason: string): Promise<void> {
    const entry = this.#here.get(id)
    if (entry === undefined) return
    await this.#write(id, reason)
    this.#here.delete(id)
    this.#parts.onChange(id)
  }

  whereabouts(id: WorkloadId): Whereabouts | undefined {
    const record = this.#parts.journal.get(id)
    if (record?.state !== 'moved') return undefined
    const address = this.#parts.address(record.owner)
    return { owner: record.owner, epoch: record.epoch, ...(address === undefined ? {} : { address }) }
  }

  names(): readonly WorkloadId[] {
    return [...this.#here.keys()]
  }

  status(id: WorkloadId): WorkloadStatus {
    const record = this.#parts.journal.get(id)
    if (record === undefined) throw new RangeError(`nothing is known of ${id}`)
    return this.#describe(record)
  }

  statuses(): readonly WorkloadStatus[] {
    return this.#parts.journal
      .records()
      .filter((record) => record.state !== 'none')
      .map((record) => this.#describe(record))
  }

  async close(): Promise<void> {
    for (const [id, { workload }] of [...this.#here]) {
      this.#here.delete(id)
      await this.#write(id, 'ended with its node')
      await workload.close()
    }
    await Promise.all(this.#freeing)
  }

  #describe(record: OwnershipRecord): WorkloadStatus {
    const { workload: id, epoch } = record
    const entry = this.#here.get(id)
    const phase = entry?.phase
    if (record.state === 'ended') return { id, state: 'ended', epoch, reason: record.reason }
    if (record.state === 'moved') {
      const address = this.#parts.address(record.owner)
      return {
        id,
        state: phase === undefined ? 'moved' : 'leaving',
        epoch,
        owner: record.owner,
        ...(address === undefined ? {} : { address }),
        ...(phase === undefined ? {} : { phase }),
      }
    }
    if (entry === undefined) return { id, state: record.state === 'offered' ? 'settling' : 'waiting', epoch, owner: this.#parts.self }
    return {
      id,
      state: phase === 'settling' ? 'settling' : phase === undefined ? 'running' : 'leaving',
      epoch,
      owner: this.#parts.self,
      ...(phase === undefined ? {} : { phase }),
    }
  }

  /** Where the journal says that this node owns it, it ends; what was offered or has moved is no longer this node's to end. */
  async #write(id: WorkloadId, reason: string): Promise<void> {
    const { journal, ownership, self } = this.#parts
    const record = journal.get(id)
    if (record?.state === 'held') await ownership.end({ workload: id, epoch: record.epoch, owner: self, active: record.active }, reason)
  }
}

function isWasmWorkload(workload: Workload): workload is WasmWorkload {
  return 'request' in workload && 'finished' in workload
}
