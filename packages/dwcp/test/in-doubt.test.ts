import { afterEach, describe, expect, test } from 'vitest'
import { NodeFleet, type NodeProcess, unlessEnded, type WriteFault } from './node-fleet.ts'
import { diedWithSource, diedWithTarget, settled } from './settled.ts'
import { Witness } from './witness.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
})

interface Fault {
  readonly at: number
  readonly how: WriteFault
}
const OFFERED: Fault = { at: 2, how: 'after' }
const HELD: Fault = { at: 2, how: 'after' }

async function openFleet(): Promise<NodeFleet> {
  const fleet = await NodeFleet.open({ execArgv: ['--import', new URL('./write-faults.mjs', import.meta.url).href], peers: ['a', 'b'] })
  open.push(fleet)
  return fleet
}

/** Moves a new workload from a to b; the returned promises settle when the migration is over and when each has ended. */
async function moveInto(
  faults: { readonly source: Fault; readonly target?: Fault },
  [a, b]: readonly [NodeProcess, NodeProcess],
  fleet: NodeFleet,
  workload: string,
): Promise<Promise<unknown>> {
  await a.call('run', { workload, program: 'hash-chain', seed: 1 })
  await a.call('arm', faults.source)
  if (faults.target !== undefined) await b.call('arm', faults.target)
  return unlessEnded(a.call('migrate', { workload, to: fleet.address('b') }))
}

describe('an outcome in doubt', () => {
  test('stays so while the peer is away, and nothing runs and the name stays taken until it is back', { timeout: 120_000 }, async () => {
    const fleet = await openFleet()
    const [a, b] = [await fleet.start('a'), await fleet.start('b')]
    void moveInto({ source: OFFERED }, [a, b], fleet, 'w')
    await a.exited
    b.kill()
    await b.exited
    const again = await fleet.start('a')
    expect(await fleet.status('a', 'w')).toMatchObject({ state: 'settling', epoch: 1 })
    await expect(again.call('run', { workload: 'w', program: 'kv', seed: 1 })).rejects.toMatchObject({ code: 'ERR_OWNERSHIP_EPOCH' })
    // Longer than one question takes, so that there is a second one.
    await expect(
      fleet.until(
        'an end',
        () => fleet.status('a', 'w'),
        (status) => status?.state !== 'settling',
        3_000,
      ),
    ).rejects.toThrow('has not come')
    await fleet.start('b')
    expect(diedWithSource(...(await settled(fleet, 'w', 'a', 'b')))).toBe(true)
    expect(await again.call('run', { workload: 'w', program: 'kv', seed: 1 })).toMatchObject({ state: 'running' })
  })

  const both: readonly (readonly [string, Fault, Fault])[] = [
    [
      'the source before it wrote that it moved, the target before it wrote that it runs',
      { at: 3, how: 'before' },
      { at: 3, how: 'before' },
    ],
    ['the source before it wrote that it moved, the target before it answered', { at: 3, how: 'before' }, HELD],
    ['the source after it wrote that it moved, the target before it wrote that it runs', { at: 4, how: 'after' }, { at: 3, how: 'before' }],
    ['the source after it wrote that it moved, the target after it wrote that it runs', { at: 4, how: 'after' }, { at: 4, how: 'after' }],
  ]
  test.each(both)('is settled when both sides were killed: %s', { timeout: 120_000 }, async (_name, source, target) => {
    const fleet = await openFleet()
    const [a, b] = [await fleet.start('a'), await fleet.start('b')]
    const over = moveInto({ source, target }, [a, b], fleet, 'w')
    await b.exited
    // Only once the target is back does a source that has heard nothing go on to where it dies.
    await Promise.all([fleet.start('b'), a.exited.then(() => fleet.start('a'))])
    await over
    const seen = await settled(fleet, 'w', 'a', 'b')
    expect(diedWithTarget(...seen), JSON.stringify(seen)).toBe(true)
    await new Witness(fleet, ['a', 'b']).slices()
  })
})
