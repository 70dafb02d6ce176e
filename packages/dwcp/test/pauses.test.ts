import { setTimeout as wait } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { connectClient } from '../src/index.ts'
import { type Blow, NodeFleet } from './node-fleet.ts'
import { startQuestions } from './questioner.ts'
import { hasMoved, hasStayed, settled } from './settled.ts'
import { Witness } from './witness.ts'

/** A process that stands still is the fault here, so a time has to pass. */
const STANDSTILL_MS = 3_000

describe.concurrent('a process that stands still for 3 s in the middle of a migration and goes on', () => {
  for (const side of ['source', 'target'] as const) {
    for (const phase of ['copying', 'stopped', 'transferring', 'starting'] as const) {
      test(`as the ${side}, from ${phase} on: costs time and nothing else`, { timeout: 120_000 }, async ({ expect, onTestFinished }) => {
        const fleet = await NodeFleet.open()
        onTestFinished(() => fleet[Symbol.asyncDispose]())
        const nodes = { source: await fleet.start('a'), target: await fleet.start('b') }
        const client = await connectClient({ nodes: [fleet.address('a'), fleet.address('b')], plaintext: true })
        onTestFinished(() => client.close())
        await nodes.source.call('run', { workload: 'w', program: 'kv', seed: 1 })
        const questions = startQuestions(client, 'w', 'kv')
        await questions.next()
        const blow: Blow = { pid: nodes[side].pid, signal: 'SIGSTOP', name: 'standstill', phase, delayMs: 0 }
        const witness = new Witness(fleet, ['a', 'b'])
        const migration = nodes.source.call('migrate', { workload: 'w', to: fleet.address('b'), blow })
        await fleet.until(
          'the standstill',
          () => witness.strike('standstill'),
          (struck) => struck !== undefined,
        )
        if (side === 'source' && phase === 'starting') {
          // The target has it: its client need not wait for the source to come round.
          await questions.next()
        }
        await wait(STANDSTILL_MS)
        nodes[side].kill('SIGCONT')
        const outcome = await migration
        const seen = await settled(fleet, 'w', 'a', 'b')
        expect(outcome.code === undefined ? hasMoved(...seen) : hasStayed(...seen), JSON.stringify({ outcome, seen })).toBe(true)
        await questions.next()
        await questions.stop()
        await witness.slices()
        await witness.epochs()
      })
    }
  }
})
