import { afterEach, describe, expect, test } from 'vitest'
import { NodeFleet, type NodeProcess, unlessEnded, type WriteFault } from './node-fleet.ts'
import { diedWithSource, diedWithTarget, hasMoved, hasStayed, type Seen, settled } from './settled.ts'
import { Witness } from './witness.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
})

async function openFleet(): Promise<NodeFleet> {
  const fleet = await NodeFleet.open({ execArgv: ['--import', new URL('./write-faults.mjs', import.meta.url).href] })
  open.push(fleet)
  return fleet
}

/** Every way to die at each of `writes`: a sync has no middle. */
function faults(writes: readonly string[]): readonly { readonly at: number; readonly how: WriteFault; readonly name: string }[] {
  return writes.flatMap((write, index) =>
    (['before', 'torn', 'after'] as const)
      .filter((how) => how !== 'torn' || write === 'write')
      .map((how) => ({ at: index + 1, how, name: `${how}-${write}-${index + 1}` })),
  )
}

const NEVER = Number.MAX_SAFE_INTEGER

describe('a node killed at any write of its journal in a migration', () => {
  /** Both sides write two records, each with its sync: `offered` and `moved` at the source, `held` and `active` at the target. */
  const expected = (side: 'source' | 'target', at: number, how: WriteFault): ((atSource: Seen, atTarget: Seen) => boolean) => {
    const firstIsWritten = at > 1 || how === 'after'
    const secondIsWritten = at > 3 || (at === 3 && how === 'after')
    if (side === 'target') return secondIsWritten ? diedWithTarget : hasStayed
    // The offer went out when the sync of `offered` was done, and the target took it; nobody asks before.
    return firstIsWritten && at > 2 ? hasMoved : diedWithSource
  }

  for (const side of ['source', 'target'] as const) {
    test(`as the ${side}: what follows is what its journal had said, and nothing stays in doubt`, { timeout: 240_000 }, async () => {
      const fleet = await openFleet()
      const nodes = { source: await fleet.start('a'), target: await fleet.start('b') }
      const witness = new Witness(fleet, ['a', 'b'])
      const migrate = async (workload: string, at: number, how: WriteFault): Promise<void> => {
        await nodes.source.call('run', { workload, program: 'hash-chain', seed: at })
        await nodes[side].call('arm', { at, how })
        const back = at === NEVER ? undefined : restart(fleet, side === 'source' ? 'a' : 'b', nodes[side])
        await unlessEnded(nodes.source.call('migrate', { workload, to: fleet.address('b') }))
        if (back !== undefined) nodes[side] = await back
      }

      await migrate('undisturbed', NEVER, 'before')
      expect(hasMoved(...(await settled(fleet, 'undisturbed', 'a', 'b')))).toBe(true)
      const writes = await nodes[side].call('writes', undefined)
      expect(writes).toEqual(['write', 'datasync', 'write', 'datasync'])
      for (const { at, how, name } of faults(writes)) {
        await migrate(name, at, how)
        const seen = await settled(fleet, name, 'a', 'b')
        expect(expected(side, at, how)(...seen), `killed ${name}: ${JSON.stringify(seen)}`).toBe(true)
      }
      await witness.slices()
      await witness.epochs()
    })
  }
})

describe('a node killed at any write of its start', () => {
  test('starts the next time, and knows what it knew', { timeout: 240_000 }, async () => {
    const fleet = await openFleet()
    let [a, b] = [await fleet.start('a'), await fleet.start('b')]
    const run = async (workload: string): Promise<unknown> => a.call('run', { workload, program: 'kv', seed: 1 })
    await run('away')
    await a.call('migrate', { workload: 'away', to: fleet.address('b') })
    await run('ended')
    await a.call('end', { workload: 'ended' })

    const killed = async (): Promise<void> => {
      a.kill()
      await a.exited
    }
    const known = async (): Promise<unknown> =>
      (await a.call('workloads', undefined)).map(({ id, state, epoch }) => `${id} ${state} ${epoch}`).toSorted()
    await run('here-undisturbed')
    await killed()
    a = await fleet.start('a')
    const writes = await a.call('writes', undefined)
    expect(writes).toEqual(expect.arrayContaining(['link', 'rename', 'write', 'datasync', 'sync']))
    for (const { at, how, name } of faults(writes)) {
      await run(`here-${name}`)
      const before = await known()
      await killed()
      expect(await unlessEnded(fleet.start('a', { at, how })), `killed ${name}`).toBeUndefined()
      a = await fleet.start('a')
      expect(await known()).toEqual(String(before).replace(`here-${name} running`, `here-${name} ended`).split(',').toSorted())
    }
    expect((await fleet.status('b', 'away'))?.state).toBe('running')
    b.kill()
    await b.exited
    b = await fleet.start('b')
    expect((await fleet.status('b', 'away'))?.state).toBe('ended')
  })
})

async function restart(fleet: NodeFleet, id: string, former: NodeProcess): Promise<NodeProcess> {
  await former.exited
  return fleet.start(id)
}
