import { createMemoryNetwork } from '@dwcp/compliance'
import { DwcpError, type Grant, isDwcpError, type NodeId, type Ownership } from '@dwcp/interface'
import { encode } from '@msgpack/msgpack'
import { afterEach, describe, expect, test } from 'vitest'
import { createJournalOwnership } from '../src/index.ts'
import { createMemoryJournal, type Disk } from './memory-journal.ts'

interface Node {
  readonly ownership: Ownership & Disposable
  readonly disk: Disk
  /** What the journal has in memory. */
  known(): readonly string[]
  /** From now on every write fails. */
  breakDisk(): void
}

const open: Node[] = []
afterEach(() => {
  for (const node of open.splice(0)) node.ownership[Symbol.dispose]()
})

function openNodes(options: { readonly maxRefusedUnknown?: number } = {}): {
  readonly network: ReturnType<typeof createMemoryNetwork>
  readonly a: Node
  readonly b: Node
} {
  const network = createMemoryNetwork()
  const start = (id: NodeId): Node => {
    const disk: Disk = new Map()
    let broken = false
    const journal = createMemoryJournal({
      disk,
      onDisk: () => (broken ? Promise.reject(new DwcpError('ERR_MIGRATION_JOURNAL_FAILED', 'no space')) : Promise.resolve()),
      onWritten: () => Promise.resolve(),
    })
    const ownership = createJournalOwnership(id, { journal, transport: network.transport(id), inquiryTimeoutMs: 100, ...options })
    const node: Node = {
      ownership,
      disk,
      known: () => journal.records().map((record) => record.workload),
      breakDisk: () => (broken = true),
    }
    open.push(node)
    return node
  }
  return { network, a: start('a'), b: start('b') }
}

const expectFrom = (node: Node, from: NodeId, afterEpoch: number, consent = async (): Promise<boolean> => true): Promise<Grant> =>
  node.ownership.awaitGrant('w', { from, afterEpoch, consent, signal: new AbortController().signal })

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return isDwcpError(error) ? error.code : `not ours: ${String(error)}`
  }
  return 'none: it resolved'
}

/** Asks as peer `c`; resolves when each question has its answer. */
async function askAs(network: ReturnType<typeof createMemoryNetwork>, to: NodeId, questions: readonly unknown[]): Promise<void> {
  const stranger = network.transport('c')
  let answered = 0
  await new Promise<void>((resolve) => {
    stranger.receive('ownership', () => ++answered === questions.length && resolve())
    questions.forEach((body, id) => stranger.send(to, 'ownership', encode({ kind: 'ask', id: `${id}`, body })))
  })
}

describe('ownership by journals', () => {
  test('has moved when the target accepted, also where the source can no longer write that down', async () => {
    const { a, b } = openNodes()
    await a.ownership.activate(await a.ownership.create('w'))
    const granted = expectFrom(b, 'a', 1, async () => {
      a.breakDisk()
      return true
    })
    expect(await a.ownership.transfer('w', 1, 'b')).toMatchObject({ owner: 'b', epoch: 2 })
    await b.ownership.activate(await granted)
    expect(await a.ownership.current('w')).toMatchObject({ owner: 'b', epoch: 2 })
  })

  test('stays where it is when the target refused, also where the source can no longer write that down', async () => {
    const { a } = openNodes()
    await a.ownership.activate(await a.ownership.create('w'))
    const transfer = codeOf(a.ownership.transfer('w', 1, 'b'))
    while (a.disk.get('w')?.state !== 'offered') await new Promise(setImmediate)
    a.breakDisk()
    expect(await transfer).toBe('ERR_OWNERSHIP_REFUSED')
    expect(await a.ownership.current('w')).toMatchObject({ owner: 'a', epoch: 1, active: true })
  })

  test('remembers what was accepted under a name that has begun anew since: no stale copy is resumed', async () => {
    const { network, a, b } = openNodes()
    await a.ownership.activate(await a.ownership.create('w'))
    const granted = expectFrom(b, 'a', 1, async () => {
      network.cut('a', 'b')
      return true
    })
    const abort = new AbortController()
    const transfer = codeOf(a.ownership.transfer('w', 1, 'b', { signal: abort.signal }))
    const active = await b.ownership.activate(await granted)
    abort.abort()
    expect(await transfer).toBe('ERR_OWNERSHIP_OUTCOME_UNKNOWN')
    await b.ownership.end(active, 'finished')
    await b.ownership.activate(await b.ownership.create('w'))
    network.heal('a', 'b')
    expect(await a.ownership.current('w')).toMatchObject({ owner: 'b', epoch: 2 })
  })

  test('lets a name that has begun anew move to where its former bearer has been', async () => {
    const { a, b } = openNodes()
    await a.ownership.activate(await a.ownership.create('w'))
    const there = expectFrom(b, 'a', 1)
    await a.ownership.transfer('w', 1, 'b')
    await b.ownership.activate(await there)
    const back = expectFrom(a, 'b', 2)
    await b.ownership.transfer('w', 2, 'a')
    await a.ownership.end(await a.ownership.activate(await back), 'finished')
    await a.ownership.activate(await a.ownership.create('w'))
    const again = expectFrom(b, 'a', 1)
    expect(await a.ownership.transfer('w', 1, 'b')).toMatchObject({ owner: 'b', epoch: 2 })
    expect(await again).toMatchObject({ owner: 'b', epoch: 2 })
  })

  test('says why it was refused: there is another one', async () => {
    const { a, b } = openNodes()
    await a.ownership.activate(await a.ownership.create('w'))
    expectFrom(b, 'a', 1, async () => {
      await b.ownership.create('w')
      return true
    }).catch(() => undefined)
    await expect(a.ownership.transfer('w', 1, 'b')).rejects.toThrow('there is another one: this node holds it at epoch 1')
  })

  test('keeps a bounded number of refusals for names that only a peer has ever named', async () => {
    const { network, a } = openNodes({ maxRefusedUnknown: 10 })
    const inquiry = (name: number): unknown => ({
      question: 'inquire',
      workload: `w${name}`,
      attempt: { lineage: 'l', epoch: 2, number: 1 },
    })
    await askAs(
      network,
      'a',
      Array.from({ length: 25 }, (_, name) => inquiry(name)),
    )
    expect(a.known()).toEqual(Array.from({ length: 10 }, (_, name) => `w${15 + name}`))
  })

  test('refuses an epoch from which it could not count on', async () => {
    const { network, a } = openNodes()
    const attempt = { lineage: 'l', epoch: Number.MAX_SAFE_INTEGER, number: 1 }
    await askAs(network, 'a', [{ question: 'offer', workload: 'w', attempt }])
    expect(a.disk.size).toBe(0)
  })
})
