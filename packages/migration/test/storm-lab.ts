import { createMemoryDriver, type MemoryWorkload } from '@dwcp/compliance'
import { type Clock, isDwcpError, type NodeId, type Ownership, type Workload } from '@dwcp/interface'
import { createJournalOwnership, createMigrator, type Migrator, type OwnershipRecord } from '../src/index.ts'
import { createPlainCodec } from './lab.ts'
import { createMemoryJournal, type Disk } from './memory-journal.ts'
import { createStormNetwork, type StormNetwork, type StormTransport } from './storm-network.ts'
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts'

/** One life of one node: what it holds in memory dies with it, its disk does not. */
export interface Life {
  readonly id: NodeId
  readonly migrator: Migrator
  readonly ownership: Ownership & Disposable
  readonly transport: StormTransport
  /** What the application on this node has: running, paused, or on its way out. */
  readonly workloads: Map<string, MemoryWorkload>
  alive: boolean
}

export interface StormLab {
  readonly clock: VirtualClock
  readonly network: StormNetwork
  readonly lives: Map<NodeId, Life>
  readonly disks: Map<NodeId, Disk>
  readonly trace: string[]
  /** What nodes alive have begun and not ended. */
  readonly pending: ReadonlyMap<Promise<void>, Life>
  /** Workloads that a kill may have taken along: it hit the node that ran it or kept its paused copy. */
  readonly mayBeLost: Set<string>
  /** 0..1, of each journal write: the node dies just before it, or just after it. */
  dieAtWriteRatio: number
  start(id: NodeId): void
  kill(id: NodeId): void
  run(life: Life, name: string): void
  migrate(from: Life, workload: MemoryWorkload, to: NodeId, signal?: AbortSignal): void
  step(workload: MemoryWorkload, times: number): void
  /** Where a workload runs, over all lives. */
  running(name: string): readonly NodeId[]
  /** Throws where the state of what runs is not what all its steps, each done once, make of an empty memory. */
  checkChain(name: string): void
  /** Throws what an invariant had to say. */
  check(): void
}

const PAGES = 4
const note = (record: OwnershipRecord): string =>
  `${record.workload} ${record.state} e${record.epoch}${record.state === 'held' ? (record.active ? ' active' : '') : record.state === 'moved' ? ` ${record.owner}` : record.state === 'offered' ? ` to ${record.to} #${record.attempts}` : ''}`

export function openStormLab(random: (below: number) => number): StormLab {
  const clock = createVirtualClock()
  const network = createStormNetwork(clock, random)
  const lives = new Map<NodeId, Life>()
  const disks = new Map<NodeId, Disk>()
  const trace: string[] = []
  const violations: string[] = []
  const owners = new Map<string, NodeId>()
  const instances = new Map<string, NodeId[]>()
  const steps = new Map<string, number>()
  /** Killed while it ran: nothing may ever run under that name again. */
  const gone = new Set<string>()
  const pending = new Map<Promise<void>, Life>()
  const mayBeLost = new Set<string>()
  const isMemory = (workload: Workload): workload is MemoryWorkload => 'steps' in workload
  const say = (what: string): void => void trace.push(`${clock.nowMs().toFixed(0).padStart(6)} ${what}`)
  const violated = (what: string): void => {
    say(`VIOLATED: ${what}`)
    violations.push(what)
  }
  const never = (): Promise<never> => new Promise(() => undefined)

  const onRunning = (life: () => Life | undefined, node: NodeId) => (name: string, running: boolean) => {
    if (life()?.alive === false) return
    const where = instances.get(name) ?? []
    say(`${node} ${running ? 'runs' : 'stops'} ${name}`)
    if (!running) return void where.splice(where.indexOf(node), 1)
    where.push(node)
    instances.set(name, where)
    if (where.length > 1) violated(`${name} runs on ${where.join(' and ')}`)
    if (gone.has(name)) violated(`${name} was lost with its owner, and runs again on ${node}`)
  }

  const watch = (life: Life, settled: Promise<void>): void => {
    pending.set(settled, life)
    void settled.then(() => pending.delete(settled))
  }

  /** As an application must: what its former process ran was in memory and is lost, unless it turns out to have moved in time. */
  const settleFormerRun = async (life: Life, mine: Clock, name: string, epoch: number): Promise<void> => {
    // Until the node that it was offered to can be asked.
    for (;;) {
      try {
        const grant = await life.ownership.current(name)
        if (grant?.owner === life.id && grant.epoch === epoch && grant.ended === undefined)
          await life.ownership.end(grant, 'lost with its process')
        return
      } catch (error) {
        if (!isDwcpError(error, 'ERR_OWNERSHIP_OUTCOME_UNKNOWN')) return violated(`${life.id} cannot settle ${name}: ${String(error)}`)
        await new Promise<void>((resolve) => void mine.after(1_000, resolve))
      }
    }
  }

  const lab: StormLab = {
    clock,
    network,
    lives,
    disks,
    trace,
    pending,
    mayBeLost,
    dieAtWriteRatio: 0,
    start(id) {
      say(`${id} starts`)
      const disk = disks.get(id) ?? new Map()
      disks.set(id, disk)
      const self: { life?: Life } = {}
      const alive = (): boolean => self.life?.alive !== false
      const mine: Clock = {
        nowMs: clock.nowMs,
        monotonicMs: clock.monotonicMs,
        after: (delayMs, callback) => clock.after(delayMs, () => alive() && callback()),
      }
      const journal = createMemoryJournal({
        disk,
        onDisk: async (record) => {
          await new Promise<void>((resolve) => void mine.after(random(3), resolve))
          if (alive() && random(1_000_000) < lab.dieAtWriteRatio * 1_000_000) {
            say(`${id} dies before writing ${note(record)}`)
            lab.kill(id)
          }
          if (!alive()) await never()
        },
        onWritten: async (record) => {
          say(`${id} wrote ${note(record)}`)
          if (record.state === 'held') {
            const key = `${record.workload} e${record.epoch}`
            const owner = owners.get(key) ?? id
            owners.set(key, owner)
            if (owner !== id) violated(`${key} was ${owner}'s and is ${id}'s`)
          }
          if (random(1_000_000) < lab.dieAtWriteRatio * 1_000_000) {
            say(`${id} dies after writing ${note(record)}`)
            lab.kill(id)
          }
          if (!alive()) await never()
        },
      })
      const transport = network.join(id, alive)
      const ownership = createJournalOwnership(id, { journal, transport, clock: mine, inquiryTimeoutMs: 500, transferTimeoutMs: 3_000 })
      const workloads = new Map<string, MemoryWorkload>()
      const migrator = createMigrator({
        transport,
        codec: createPlainCodec(),
        ownership,
        clock: mine,
        drivers: [createMemoryDriver({ stepsPerChunk: 2, onRunning: onRunning(() => self.life, id) })],
        onArrived: async ({ workload }) => {
          if (!isMemory(workload)) return
          const before = steps.get(workload.id) ?? 0
          if (workload.steps < before) violated(`${workload.id} arrived on ${id} with ${workload.steps} steps of ${before}`)
          workloads.set(workload.id, workload)
        },
        limits: { prepareTimeoutMs: 2_000, idleTimeoutMs: 6_000, maxArrivals: 16 },
      })
      const born: Life = { id, migrator, ownership, transport, workloads, alive: true }
      self.life = born
      lives.set(id, born)
      for (const record of journal.records()) {
        if ((record.state === 'held' || record.state === 'offered') && record.active)
          watch(born, settleFormerRun(born, mine, record.workload, record.epoch))
      }
    },
    kill(id) {
      const life = lives.get(id)
      if (life === undefined) return
      say(`${id} is killed`)
      for (const [name, workload] of life.workloads) {
        mayBeLost.add(name)
        if (workload.running) gone.add(name)
      }
      for (const record of disks.get(id)?.values() ?? []) if (record.state === 'held' && record.active) mayBeLost.add(record.workload)
      for (const [name, where] of instances) {
        const at = where.indexOf(id)
        if (at < 0) continue
        where.splice(at, 1)
        gone.add(name)
        mayBeLost.add(name)
      }
      life.alive = false
      lives.delete(id)
      life.transport.leave()
    },
    run(life, name) {
      mayBeLost.add(name)
      const begun = (async () => {
        await life.ownership.activate(await life.ownership.create(name))
        if (!life.alive) return
        mayBeLost.delete(name)
        life.workloads.set(name, createMemoryDriver({ stepsPerChunk: 2, onRunning: onRunning(() => life, life.id) }).run(name, PAGES))
      })()
      watch(life, begun)
    },
    migrate(from, workload, to, signal) {
      say(`${from.id} migrates ${workload.id} to ${to}`)
      const options = { downtimeMs: 100, exceedDowntime: true, maxRounds: 3, ...(signal ? { signal } : {}) }
      const leave = (what: string): void => {
        if (from.alive) say(`${from.id}: ${workload.id} to ${to}: ${what}`)
      }
      const settled = (async () => {
        try {
          await from.migrator.migrate(workload, to, options)
          if (from.workloads.get(workload.id) === workload) from.workloads.delete(workload.id)
          leave('moved')
        } catch (error) {
          const code = isDwcpError(error) ? error.code : String(error)
          leave(`${code} ${error instanceof Error ? error.message : ''}`)
          if (code === 'ERR_MIGRATION_LOST') {
            if (!mayBeLost.has(workload.id)) violated(`${workload.id} is called lost, though no owner was killed`)
            from.workloads.delete(workload.id)
          } else if (code === 'ERR_MIGRATION_OUTCOME_UNKNOWN') {
            await from.migrator.settled(workload.id)
            if (!workload.running && from.workloads.get(workload.id) === workload) from.workloads.delete(workload.id)
            leave('settled')
          } else if (!workload.running && from.alive && code !== 'ERR_MIGRATION_NOT_OWNER')
            violated(`${workload.id} does not run on ${from.id} after ${code}: ${String(error)}`)
        }
      })()
      watch(from, settled)
    },
    step(workload, times) {
      workload.step(times)
      if (workload.running) steps.set(workload.id, workload.steps)
    },
    running: (name) => [...(instances.get(name) ?? [])],
    checkChain(name) {
      for (const life of lives.values()) {
        const workload = life.workloads.get(name)
        if (workload?.running !== true) continue
        const again = createMemoryDriver().run(name, PAGES)
        again.step(workload.steps)
        if (workload.steps < (steps.get(name) ?? 0) || workload.digest() !== again.digest())
          throw new Error(`${name} has lost or repeated a step: it is at ${workload.steps} of at least ${steps.get(name)}`)
      }
    },
    check() {
      // What a node that died had begun never settles, and nobody is left to hear it.
      for (const [settled, life] of pending) if (!life.alive) pending.delete(settled)
      const active = new Map<string, NodeId>()
      for (const [id, disk] of disks) {
        for (const record of disk.values()) {
          if (record.state !== 'held' || !record.active) continue
          const other = active.get(record.workload)
          if (other !== undefined) violated(`${record.workload} is active in the journals of ${other} and ${id}`)
          active.set(record.workload, id)
        }
      }
      if (violations.length > 0) throw new Error(violations.join('\n'))
    },
  }
  return lab
}
