import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OwnershipRecord, openJournal } from '@dwcp/migration'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DwcpNode, type NodeOptions, startNode, type WorkloadState } from '../src/index.ts'

let root: string
const open: AsyncDisposable[] = []
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dwcp-former-'))
})
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
  await rm(root, { recursive: true })
})

const common = { workload: 'w', lineage: 'one', epoch: 1, refused: [] }
const offered: OwnershipRecord = { ...common, state: 'offered', active: true, attempts: 1, to: 'b' }
const given: OwnershipRecord = { ...common, epoch: 2, state: 'held', active: false, attempts: 0, givenBy: 'a' }

/** What an earlier process of that node left. */
async function leave(id: string, record: OwnershipRecord): Promise<void> {
  await using journal = await openJournal(join(root, id, 'ownership'))
  await journal.write(record)
}
async function node(id: string, options: Partial<NodeOptions> = {}): Promise<DwcpNode> {
  const started = await startNode({ id, dataDirectory: join(root, id), plaintext: true, ...options })
  open.push(started)
  return started
}
async function settled(at: DwcpNode, state: WorkloadState): Promise<unknown> {
  const stateNow = (): WorkloadState | undefined => at.workloads()[0]?.state
  if (stateNow() !== state) for await (const _ of at.changes()) if (stateNow() === state) break
  return at.workloads()[0]
}

describe('a node that is started again', () => {
  test('has lost what it had created and not yet run', async () => {
    await leave('a', { ...common, state: 'held', active: false, attempts: 0 })
    expect((await node('a')).workloads()).toMatchObject([{ state: 'ended', reason: expect.stringMatching(/^lost/) }])
  })

  test('has lost what it had offered to a node that never took it', async () => {
    await leave('a', offered)
    const b = await node('b')
    const a = await node('a', { peers: { b: b.address } })
    expect(await settled(a, 'ended')).toMatchObject({ epoch: 1, reason: expect.stringMatching(/^lost/) })
    expect(b.workloads()).toEqual([])
  })

  test('learns where that went which another node had taken', async () => {
    await leave('a', offered)
    await leave('b', { ...given, active: true })
    const b = await node('b')
    const a = await node('a', { peers: { b: b.address } })
    expect(await settled(a, 'moved')).toMatchObject({ epoch: 2, owner: 'b' })
  })

  test('waits for the giver of what it had not begun to run, and has lost it when the giver keeps no copy', async () => {
    await leave('b', given)
    const listen = { port: 20_000 + Math.floor(Math.random() * 12_000) }
    const b = await node('b', { peers: { a: `127.0.0.1:${listen.port}` } })
    expect(b.workloads()).toEqual([{ id: 'w', state: 'waiting', epoch: 2, owner: 'b' }])
    const lost = settled(b, 'ended')
    await node('a', { listen })
    expect(await lost).toMatchObject({ epoch: 2, reason: expect.stringMatching(/^lost/) })
  })

  test('closes at once while it still asks', async () => {
    await leave('a', offered)
    const a = await node('a', { peers: { b: '127.0.0.1:9' } })
    expect(a.workloads()).toMatchObject([{ state: 'settling' }])
    await a.close()
    expect((await node('a')).workloads()).toMatchObject([{ state: 'settling' }])
  })
})
