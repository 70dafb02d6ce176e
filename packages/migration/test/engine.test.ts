import { DwcpError, isDwcpError, type StateCodec } from '@dwcp/interface'
import { afterEach, describe, expect, test } from 'vitest'
import type { MigrationPhase, MigrationProgress } from '../src/index.ts'
import { createPlainCodec, type Lab, type LabOptions, openLab } from './lab.ts'

const labs: Lab[] = []
async function lab(options?: LabOptions): Promise<Lab> {
  const opened = await openLab(options)
  labs.push(opened)
  return opened
}
afterEach(async () => {
  for (const each of labs.splice(0)) await each.close()
})

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return isDwcpError(error) ? error.code : `not ours: ${String(error)}`
  }
  return 'none: it resolved'
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** A codec that breaks the last byte of the nth page frame. */
function corrupting(nth: number): StateCodec {
  const plain = createPlainCodec()
  return {
    ...plain,
    decoder(options) {
      const decoder = plain.decoder(options)
      let seen = 0
      return {
        ...decoder,
        async decode(frame) {
          const chunks = await decoder.decode(frame)
          for (const chunk of chunks) if (chunk.kind === 'pages' && ++seen === nth) chunk.bytes.set([0xff], chunk.bytes.length - 1)
          return chunks
        },
      }
    },
  }
}

describe('a migration', () => {
  test('moves a running workload, and reports what it measured', async () => {
    const { node, run, running } = await lab()
    const workload = await run('a', 'w')
    workload.step(1000)
    const phases: MigrationProgress[] = []
    const report = await node('a').migrator.migrate(workload, 'b', { onProgress: (progress) => phases.push(progress) })
    expect(running('w')).toEqual(['b'])
    const arrived = node('b').workloads.get('w')
    expect(arrived?.steps).toBeGreaterThanOrEqual(1000)
    expect(arrived?.digest()).toBe(report.digest)
    expect(report).toMatchObject({ workload: 'w', from: 'a', to: 'b', epoch: 2 })
    expect(report.rawBytes).toBeGreaterThanOrEqual(64 * 4096)
    expect(report.rounds.length).toBeGreaterThanOrEqual(2)
    expect(report.pausedMs).toBeLessThanOrEqual(report.totalMs)
    expect([...new Set(phases.map((progress) => progress.phase))]).toEqual(
      ['preparing', 'copying', 'stopped', 'transferring', 'starting', 'done'].filter((phase) =>
        phases.some((seen) => seen.phase === phase),
      ),
    )
    expect(phases.at(-1)?.phase).toBe('done')
    expect(await node('a').ownership.current('w')).toMatchObject({ owner: 'b', epoch: 2 })
  })

  test('goes there and back twenty times, the chain of steps unbroken', async () => {
    const { node, run, running } = await lab()
    let workload = await run('a', 'w', 16)
    let steps = 0
    for (let hop = 0; hop < 20; hop++) {
      const [from, to] = hop % 2 === 0 ? ['a', 'b'] : ['b', 'a']
      workload.step(10)
      expect(workload.steps).toBeGreaterThanOrEqual(steps + 10)
      steps = workload.steps
      await node(from).migrator.migrate(workload, to)
      expect(running('w')).toEqual([to])
      const arrived = node(to).workloads.get('w')
      if (arrived === undefined) throw new Error(`nothing arrived on ${to}`)
      workload = arrived
    }
  })

  test('refuses to give away what this node does not own', async () => {
    const { node, run } = await lab()
    const workload = await run('a', 'w')
    expect(await codeOf(node('b').migrator.migrate(workload, 'a'))).toBe('ERR_MIGRATION_NOT_OWNER')
  })

  test('refuses a second migration of one workload while the first is under way', async () => {
    const { node, run } = await lab()
    const workload = await run('a', 'w')
    const first = node('a').migrator.migrate(workload, 'b')
    expect(() => node('a').migrator.migrate(workload, 'b')).toThrow(expect.objectContaining({ code: 'ERR_MIGRATION_IN_PROGRESS' }))
    await first
  })

  test('leaves the workload running when the target does not admit it, and says why', async () => {
    const { node, run, running } = await lab({ admit: () => Promise.reject(new Error('this node is being drained')) })
    await expect(node('a').migrator.migrate(await run('a', 'w'), 'b')).rejects.toThrow('this node is being drained')
    expect(running('w')).toEqual(['a'])
  })

  test('leaves the workload running when the target cannot be reached', async () => {
    const { node, run, running, cut } = await lab()
    cut('a', 'b')
    expect(await codeOf(node('a').migrator.migrate(await run('a', 'w'), 'b'))).toBe('ERR_MIGRATION_UNANSWERED')
    expect(running('w')).toEqual(['a'])
  })

  test('never runs state that differs from its source by one byte', async () => {
    const { node, run, running } = await lab({ codec: (id) => (id === 'b' ? corrupting(3) : createPlainCodec()) })
    const workload = await run('a', 'w')
    workload.step(5000)
    const before = workload.steps
    const code = await codeOf(node('a').migrator.migrate(workload, 'b'))
    expect(['ERR_OWNERSHIP_REFUSED', 'ERR_MEMORY_REJECTED', 'ERR_AMST_REJECTED', 'ERR_MIGRATION_DIGEST']).toContain(code)
    expect(running('w')).toEqual(['a'])
    workload.step(1)
    expect(workload.steps).toBeGreaterThan(before)
    expect(node('b').migrator.arriving()).toEqual([])
  })

  test('gives up when a round never gets smaller, unless a longer downtime is allowed', async () => {
    const { node, run, running } = await lab({ stepsPerChunk: 2000 })
    const workload = await run('a', 'w', 512)
    expect(await codeOf(node('a').migrator.migrate(workload, 'b', { downtimeMs: 0.001 }))).toBe('ERR_MIGRATION_NOT_CONVERGING')
    expect(running('w')).toEqual(['a'])
    await node('a').migrator.migrate(workload, 'b', { downtimeMs: 0.001, exceedDowntime: true })
    expect(running('w')).toEqual(['b'])
  })

  test('gives up on a target that takes nothing in, also with the workload stopped', async () => {
    for (const hangsOn of ['pages', 'stopped']) {
      const hanging = (): StateCodec => {
        const plain = createPlainCodec()
        return {
          ...plain,
          decoder(options) {
            const decoder = plain.decoder(options)
            return {
              ...decoder,
              async decode(frame) {
                const chunks = await decoder.decode(frame)
                return chunks.some((chunk) => chunk.kind === hangsOn) ? new Promise(() => undefined) : chunks
              },
            }
          },
        }
      }
      const { node, run, running } = await lab({ codec: hanging, limits: { stallTimeoutMs: 100 } })
      const workload = await run('a', 'w', 256)
      const migration = node('a').migrator.migrate(workload, 'b')
      await expect(migration).rejects.toMatchObject({ code: 'ERR_MIGRATION_STALLED', retryable: true })
      expect(running('w')).toEqual(['a'])
    }
  })

  test('falls back to everything when the target has lost the baseline it named', async () => {
    const offered: number[] = []
    const forgetful = (): StateCodec => {
      const plain = createPlainCodec()
      return {
        ...plain,
        baselines: () => ['sha-256:0123456789abcdef'],
        encoder(options) {
          offered.push(options.have?.length ?? 0)
          return plain.encoder(options)
        },
        decoder(options) {
          const decoder = plain.decoder(options)
          return {
            ...decoder,
            decode: (frame) =>
              offered.at(-1) === 0
                ? decoder.decode(frame)
                : Promise.reject(new DwcpError('ERR_HDE_BASELINE_MISSING', 'that baseline is no longer here')),
          }
        },
      }
    }
    const { node, run, running } = await lab({ codec: forgetful })
    await node('a').migrator.migrate(await run('a', 'w'), 'b')
    expect(running('w')).toEqual(['b'])
    expect(offered).toEqual([1, 0])
  })

  for (const phase of ['preparing', 'copying'] satisfies MigrationPhase[]) {
    test(`aborted while ${phase}, leaves the workload running and the target empty`, async () => {
      const { node, run, running } = await lab()
      const workload = await run('a', 'w')
      const abort = new AbortController()
      const reason = new Error('no longer wanted')
      const migration = node('a').migrator.migrate(workload, 'b', {
        signal: abort.signal,
        onProgress: (progress) => progress.phase === phase && abort.abort(reason),
      })
      await expect(migration).rejects.toThrow('no longer wanted')
      expect(running('w')).toEqual(['a'])
      await until(() => node('b').migrator.arriving().length === 0)
      await node('a').migrator.migrate(workload, 'b')
      expect(running('w')).toEqual(['b'])
    })
  }
})

describe('a failure', () => {
  const breakAt = async (
    phase: MigrationPhase,
    what: (opened: Lab) => Promise<void> | void,
  ): Promise<{ opened: Lab; outcome: Promise<string> }> => {
    const opened = await lab()
    const workload = await opened.run('a', 'w')
    workload.step(100)
    let broken = false
    const reached = new Promise<void>((resolve) => {
      void Promise.resolve().then(async () => {
        const outcome = codeOf(
          opened.node('a').migrator.migrate(workload, 'b', {
            onProgress(progress) {
              if (broken || progress.phase !== phase) return
              broken = true
              void Promise.resolve(what(opened)).then(resolve)
            },
          }),
        )
        outcomes.push(outcome)
      })
    })
    const outcomes: Promise<string>[] = []
    await reached
    const [outcome = Promise.resolve('none')] = outcomes
    return { opened, outcome }
  }

  for (const phase of ['preparing', 'copying', 'stopped'] satisfies MigrationPhase[]) {
    test(`of the target while ${phase} leaves the workload running on the source`, async () => {
      const { opened, outcome } = await breakAt(phase, (each) => each.kill('b'))
      await opened.start('b')
      // A target that is back before anything was sent can take the workload after all.
      const code = await outcome
      expect(opened.running('w')).toEqual([code === 'none: it resolved' ? 'b' : 'a'])
      if (phase !== 'preparing') expect(code).toMatch(/^ERR_/)
    })

    test(`of the link while ${phase} leaves the workload running on the source`, async () => {
      const { opened, outcome } = await breakAt(phase, (each) => each.cut('a', 'b'))
      await new Promise((resolve) => setTimeout(resolve, 20))
      opened.heal('a', 'b')
      expect(await outcome).toMatch(/^ERR_|none/)
      expect(opened.running('w')).toHaveLength(1)
    })
  }

  for (const phase of ['transferring', 'starting'] satisfies MigrationPhase[]) {
    test(`of the target while ${phase} is settled from the journals: it runs in one place or was lost with its owner`, async () => {
      const { opened, outcome } = await breakAt(phase, (each) => each.kill('b'))
      expect(opened.running('w').length).toBeLessThanOrEqual(1)
      await opened.start('b')
      const code = await outcome
      const grant = await opened.node('b').ownership.current('w')
      if (grant?.owner === 'b' && grant.active) expect([code, opened.running('w')]).toEqual(['none: it resolved', []])
      else expect([code.slice(0, 4), opened.running('w')]).toEqual(['ERR_', ['a']])
    })

    test(`of the link while ${phase}: nothing runs twice, and it is settled when the link is back`, async () => {
      const { opened, outcome } = await breakAt(phase, (each) => each.cut('a', 'b'))
      for (let look = 0; look < 20; look++) {
        expect(opened.running('w').length).toBeLessThanOrEqual(1)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      opened.heal('a', 'b')
      await outcome
      expect(opened.running('w')).toHaveLength(1)
    })

    test(`of the source while ${phase} costs nothing, or takes along what was still its own`, async () => {
      const { opened } = await breakAt(phase, (each) => each.kill('a'))
      await opened.start('a')
      await until(() => opened.node('b').migrator.arriving().length === 0)
      const known = await opened.node('a').ownership.current('w')
      expect(opened.running('w')).toEqual(known?.owner === 'b' ? ['b'] : [])
    })
  }

  test('that leaves the outcome open is reported to a caller who does not want to wait', async () => {
    const opened = await lab()
    const workload = await opened.run('a', 'w')
    const abort = new AbortController()
    const outcome = codeOf(
      opened.node('a').migrator.migrate(workload, 'b', {
        signal: abort.signal,
        onProgress(progress) {
          if (progress.phase === 'transferring') opened.cut('a', 'b')
          if (progress.phase === 'settling') abort.abort(new Error('tired'))
        },
      }),
    )
    expect(await outcome).toBe('ERR_MIGRATION_OUTCOME_UNKNOWN')
    expect(opened.node('a').migrator.phase('w')).toBe('settling')
    opened.heal('a', 'b')
    await opened.node('a').migrator.settled('w')
    expect(opened.running('w')).toHaveLength(1)
  })
})
