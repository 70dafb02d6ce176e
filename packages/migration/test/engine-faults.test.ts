import { type Grant, isDwcpError, type WorkloadDriver } from '@dwcp/interface'
import { decode, encode } from '@msgpack/msgpack'
import { describe, expect, test } from 'vitest'
import type { MigrationPhase } from '../src/index.ts'
import { openRig, type RawPeer, until } from './rig.ts'

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return isDwcpError(error) ? error.code : String(error)
  }
  return 'none: it resolved'
}

/** A driver whose targets can be told to fail. */
const failing =
  (at: 'prepare' | 'start') =>
  (plain: WorkloadDriver): WorkloadDriver => ({
    kind: plain.kind,
    target() {
      const target = plain.target()
      const fail = (): Promise<never> => Promise.reject(new Error(`cannot ${at}`))
      return {
        prepare: (manifest) => (at === 'prepare' ? fail() : target.prepare(manifest)),
        import: (chunks) => target.import(chunks),
        start: (grant: Grant) => (at === 'start' ? fail() : target.start(grant)),
        discard: () => target.discard(),
      }
    },
  })

/** Answers as a target that takes every byte and says what it is told to; undefined: nothing at all. */
function playTarget(peer: RawPeer, answers: Readonly<Record<string, () => unknown>>): void {
  for (const channel of ['migration', 'ownership']) {
    peer.transport.receive(channel, (from, payload) => {
      const { id, body } = Object.fromEntries(Object.entries(decode(payload) ?? {}))
      const answer = answers[String(Object.fromEntries(Object.entries(body ?? {}))['question'])]?.()
      if (answer !== undefined) peer.transport.send(from.nodeId, channel, encode({ kind: 'answer', id, body: answer }))
    })
  }
  peer.transport.receiveObject('migration/state', async (_from, object) => {
    for await (const _ of object.stream) continue
  })
}

describe('a migration', () => {
  test('whose progress callback throws goes on, also while its outcome is unknown', async () => {
    await using rig = openRig()
    const [a, b] = [rig.node('a'), rig.node('b')]
    const workload = await a.run('w')
    const phases = new Set<MigrationPhase>()
    const migration = a.migrator.migrate(workload, 'b', {
      onProgress({ phase }) {
        phases.add(phase)
        if (phase === 'transferring') setImmediate(() => rig.network.cut('a', 'b'))
        if (phase === 'settling') rig.network.heal('a', 'b')
        throw new Error('no room on the display')
      },
    })
    const code = await codeOf(migration)
    expect(phases.has('settling')).toBe(true)
    expect(rig.running).toEqual(['w'])
    expect(code === 'none: it resolved').toBe(b.workloads.get('w')?.running ?? false)
  })

  test('never takes the grant of a workload that has come back for the one it left with', async () => {
    await using rig = openRig()
    const [a, b] = [rig.node('a'), rig.node('b')]
    const first = a.migrator.migrate(await a.run('w'), 'b', {
      onProgress({ phase }) {
        if (phase === 'transferring') void until(() => b.disk.get('w')?.state === 'held').then(() => rig.network.cut('a', 'b'))
        if (phase === 'settling') rig.network.heal('a', 'b')
      },
    })
    void codeOf(first)
    await until(() => b.workloads.has('w'))
    const there = b.workloads.get('w')
    if (there === undefined) throw new Error('nothing arrived')
    await until(() => a.migrator.phase('w') !== 'transferring')
    const back = await codeOf(b.migrator.migrate(there, 'a'))
    await a.migrator.settled('w')
    expect(back).toMatch(/^ERR_MIGRATION_REFUSED|^none/)
    expect(rig.running).toEqual(['w'])
  })

  test('to a node that cannot start it is told that it is lost, and nothing runs a stale copy', async () => {
    await using rig = openRig()
    const [a, b] = [rig.node('a'), rig.node('b', { driver: failing('start') })]
    const workload = await a.run('w')
    expect(await codeOf(a.migrator.migrate(workload, 'b'))).toBe('ERR_MIGRATION_LOST')
    expect(rig.running).toEqual([])
    expect(await b.ownership.current('w')).toMatchObject({ owner: 'b', ended: 'cannot start' })
  })

  test('to an application that does not take it in is told that it is lost, and nothing is left running there', async () => {
    await using rig = openRig()
    const [a, b] = [rig.node('a'), rig.node('b', { onArrived: () => Promise.reject(new Error('no room in the table')) })]
    expect(await codeOf(a.migrator.migrate(await a.run('w'), 'b'))).toBe('ERR_MIGRATION_LOST')
    expect(rig.running).toEqual([])
    expect(await b.ownership.current('w')).toMatchObject({ ended: 'no room in the table' })
  })

  test('to a node that cannot make room leaves no place taken', async () => {
    await using rig = openRig()
    const [a, b] = [rig.node('a'), rig.node('b', { driver: failing('prepare') })]
    await expect(a.migrator.migrate(await a.run('w'), 'b')).rejects.toMatchObject({
      code: 'ERR_MIGRATION_REFUSED',
      message: 'cannot prepare',
    })
    expect(b.migrator.arriving()).toEqual([])
    expect(rig.running).toEqual(['w'])
  })

  test('given up while the target makes room leaves no place taken there', async () => {
    await using rig = openRig()
    const abort = new AbortController()
    let admit: () => void = () => undefined
    const waits = new Promise<void>((resolve) => (admit = resolve))
    const a = rig.node('a')
    const b = rig.node('b', {
      limits: { idleTimeoutMs: 60_000 },
      admit() {
        abort.abort(new Error('given up'))
        return waits
      },
    })
    await expect(a.migrator.migrate(await a.run('w'), 'b', { signal: abort.signal })).rejects.toThrow('given up')
    await new Promise((resolve) => setTimeout(resolve, 5))
    admit()
    await new Promise(setImmediate)
    expect(b.migrator.arriving()).toEqual([])
  })

  test('that comes while its target closes leaves no place taken there', async () => {
    await using rig = openRig()
    let admit: () => void = () => undefined
    const waits = new Promise<void>((resolve) => (admit = resolve))
    const a = rig.node('a')
    const b = rig.node('b', {
      admit() {
        void b.migrator.close()
        return waits
      },
    })
    const migration = codeOf(a.migrator.migrate(await a.run('w'), 'b'))
    await new Promise(setImmediate)
    admit()
    expect(await migration).toMatch(/^ERR_MIGRATION/)
    expect(b.migrator.arriving()).toEqual([])
    expect(rig.running).toEqual(['w'])
  })

  test('that is given back while the answer is lost runs on at its source', async () => {
    await using rig = openRig()
    const a = rig.node('a')
    const b = rig.peer('b')
    // Node b is played by hand: it takes ownership, cannot start, gives back, and falls silent in between.
    const workload = await a.run('w')
    let returned = 0
    playTarget(b, {
      prepare: () => ({ have: [] }),
      offer: () => ({ outcome: 'accepted' }),
      outcome: () => ({ outcome: 'not-started', reason: returned === 0 ? 'no memory' : 'it has been given back' }),
      return: () => (++returned === 1 ? undefined : { outcome: 'returned' }),
    })
    expect(await codeOf(a.migrator.migrate(workload, 'b'))).toBe('ERR_MIGRATION_TARGET_FAILED')
    expect(returned).toBeGreaterThan(1)
    expect(rig.running).toEqual(['w'])
  })

  test('is not called moved by a target that has given it back', async () => {
    await using rig = openRig()
    const b = rig.node('b')
    b.disk.set('w', { state: 'moved', workload: 'w', lineage: 'l', epoch: 3, refused: [], owner: 'a' })
    await using fresh = openRig()
    const again = fresh.node('b', { disk: b.disk })
    const a = fresh.peer('a')
    expect(again.disk.get('w')?.state).toBe('moved')
    const outcome = { question: 'outcome', workload: 'w', epoch: 2 }
    expect(await a.ask('b', 'migration', outcome)).toMatchObject({ body: { outcome: 'not-started', reason: 'it has been given back' } })
    const another = fresh.peer('c')
    expect(await another.ask('b', 'migration', outcome)).toMatchObject({ body: { outcome: 'running' } })
  })

  test('whose source cannot free what is left says so, and that it has moved', async () => {
    await using rig = openRig()
    const [a, b] = [rig.node('a'), rig.node('b')]
    const workload = await a.run('w')
    workload.release = () => Promise.reject(new Error('still in use'))
    expect(await codeOf(a.migrator.migrate(workload, 'b'))).toBe('ERR_MIGRATION_RELEASE_FAILED')
    expect(b.workloads.get('w')?.running).toBe(true)
  })
})

describe('a node that closes', () => {
  test('has closed when every call of close has resolved', async () => {
    await using rig = openRig()
    const a = rig.node('a')
    const [first, second] = [a.migrator.close(), a.migrator.close()]
    expect(second).toBe(first)
    await second
  })
})
