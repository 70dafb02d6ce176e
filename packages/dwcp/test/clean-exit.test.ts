import { afterEach, describe, expect, test } from 'vitest'
import { NodeFleet, unlessEnded } from './node-fleet.ts'
import { isFinal, type Seen } from './settled.ts'
import { Witness } from './witness.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
})

const PHASES = ['preparing', 'copying', 'stopped', 'transferring', 'starting'] as const

/** What left knows what is so, and so does who stayed; a workload for which room is being made runs on as before. */
function isSure(status: Seen): boolean {
  return isFinal(status) || status?.phase === 'preparing'
}

describe('a node that is told to end in the middle of a migration', () => {
  for (const side of ['source', 'target'] as const) {
    test(`as the ${side}: leaves nothing in doubt, on either side, for as long as it is gone`, { timeout: 240_000 }, async () => {
      const fleet = await NodeFleet.open({ closeOnTerm: true })
      open.push(fleet)
      await Promise.all([fleet.start('a'), fleet.start('b')])
      const [leaver, other] = side === 'source' ? ['a', 'b'] : ['b', 'a']
      for (const phase of PHASES) {
        for (const delayMs of [0, 1]) {
          const workload = `${phase}-${delayMs}`
          const [leaving, staying] = [fleet.node(leaver), fleet.node(other)]
          await fleet.node('a').call('run', { workload, program: 'hash-chain', seed: 1 })
          const blow = { pid: leaving.pid, signal: 'SIGTERM', name: workload, phase, delayMs } as const
          const over = unlessEnded(fleet.node('a').call('migrate', { workload, to: fleet.address('b'), blow }))
          await leaving.exited
          const stayed = await fleet.until(`${workload} settled on ${other}`, () => fleet.status(other, workload), isSure)
          // What left must not need the other one in order to know.
          staying.kill()
          await staying.exited
          await over
          await fleet.start(leaver)
          const left = await fleet.status(leaver, workload)
          await fleet.start(other)
          expect(isSure(left), JSON.stringify({ workload, left, stayed })).toBe(true)
          if (side === 'source') expect([left?.state, stayed?.state]).toEqual(phase === 'starting' ? ['moved', 'running'] : endsWith(left))
          else if (left?.state === 'ended') expect(stayed?.state).toBe('moved')
          // The migration is still under way at first, or was given up already.
          else expect(stayed?.state).toBeOneOf(phase === 'preparing' ? ['leaving', 'running'] : ['running'])
        }
      }
      await new Witness(fleet, ['a', 'b']).slices()
    })
  }
})

/** With its source, where that still had it, or on the target, where the transfer was through. */
function endsWith(left: Seen): readonly (string | undefined)[] {
  return left?.state === 'ended' ? ['ended', undefined] : ['moved', 'running']
}
