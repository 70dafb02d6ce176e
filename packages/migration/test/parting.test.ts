import { afterEach, describe, expect, test } from 'vitest'
import type { MigrationPhase } from '../src/index.ts'
import { type Lab, openLab } from './lab.ts'

const open: Lab[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

describe('a target that closes while a workload arrives', () => {
  for (const phase of ['copying', 'stopped', 'transferring'] satisfies MigrationPhase[]) {
    test(`tells its source before it goes: closed while ${phase}, it leaves the workload running there`, async () => {
      const lab = await openLab()
      open.push(lab)
      const workload = await lab.run('a', 'w')
      const target = lab.node('b')
      const closed: Promise<void>[] = []
      // The order in which a node closes.
      const close = async (): Promise<void> => {
        await target.migrator.close()
        target.ownership[Symbol.dispose]()
        await target.transport.close()
      }
      const migration = lab.node('a').migrator.migrate(workload, 'b', {
        onProgress: (progress) => void (progress.phase === phase && closed.length === 0 && closed.push(close())),
      })
      await expect(migration).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(?!MIGRATION_LOST)/) })
      await Promise.all(closed)
      expect(closed).toHaveLength(1)
      expect(lab.running('w')).toEqual(['a'])
      expect(await lab.node('a').ownership.current('w')).toMatchObject({ owner: 'a', active: true })
    })
  }

  test('stays until its source has heard that the workload runs here', async () => {
    const lab = await openLab()
    open.push(lab)
    const workload = await lab.run('a', 'w')
    const target = lab.node('b')
    let closed: Promise<void> | undefined
    const migration = lab.node('a').migrator.migrate(workload, 'b', {
      onProgress(progress) {
        // The moment at which the source begins to ask.
        if (progress.phase === 'starting') closed ??= target.migrator.close().then(() => target.transport.close())
      },
    })
    await expect(migration).resolves.toMatchObject({ to: 'b' })
    await closed
    expect(closed).toBeDefined()
    expect(lab.node('a').migrator.phase('w')).toBeUndefined()
  })
})
