import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Disk, nodeDisk } from '../src/disk.ts'
import { createAuthority, createTrustStore, installBundle, openAuthority, openIdentity, openTrustStore } from '../src/index.ts'
import { cluster, place, testClock } from './place.ts'

/** Breaks off before step `at`, a write in its middle, and does nothing after it, as a process that was killed there. */
function dyingDisk(at: number): Disk & { readonly died: boolean } {
  let steps = 0
  let died = false
  const step = (): void => {
    died ||= steps >= at
    steps += 1
    if (died) throw new Error('killed')
  }
  return {
    get died() {
      return died
    },
    async create(path) {
      step()
      const file = await nodeDisk.create(path)
      return {
        async write(bytes) {
          if (steps >= at && !died) await file.write(bytes.subarray(0, bytes.byteLength / 2))
          step()
          await file.write(bytes)
        },
        async sync() {
          step()
          await file.sync()
        },
        async close() {
          await file.close()
          step()
        },
      }
    },
    async rename(from, to) {
      step()
      await nodeDisk.rename(from, to)
    },
    async syncDirectory(path) {
      step()
      await nodeDisk.syncDirectory(path)
    },
    async remove(path) {
      step()
      await nodeDisk.remove(path)
    },
  }
}

/** Runs `work` on disks that die one step later each time, until one lasts. @returns how many died. */
async function atEveryStep(work: (disk: Disk) => Promise<unknown>, check: (hasDied: boolean) => Promise<void>): Promise<number> {
  for (let at = 0; at < 100; at += 1) {
    const disk = dyingDisk(at)
    await work(disk).catch((error: unknown) => {
      if (!disk.died) throw error
    })
    await check(disk.died)
    if (!disk.died) return at
  }
  throw new Error('it never ended')
}

test('the first start, killed at any step, leaves no identity or a whole one', async () => {
  let directory = place()
  const deaths = await atEveryStep(
    (disk) => openIdentity(directory, { nodeId: 'a', disk }),
    async () => {
      const { keyId } = await openIdentity(directory, { nodeId: 'a' })
      expect((await openIdentity(directory)).keyId).toBe(keyId)
      await onlyWhole(directory)
      directory = place()
    },
  )
  expect(deaths).toBe(6)
})

test('an admission by token, killed at any step, was or was not, and the same request then gets the same answer', async () => {
  const { trust, clock, directory } = await cluster()
  let joins = 0
  let { token } = await trust.invite()
  let joiner = await openIdentity(place(), { nodeId: 'n0', clock })
  const deaths = await atEveryStep(
    async (disk) => (await openTrustStore(directory, { clock, disk })).admit(await joiner.joinRequest(token)),
    async () => {
      const stands = trust.list().members.length
      expect([joins, joins + 1]).toContain(stands)
      expect(await trust.admit(await joiner.joinRequest(token))).toMatchObject({ keyId: joiner.keyId })
      joins += 1
      expect(trust.list().members).toHaveLength(joins)
      await onlyWhole(directory)
      token = (await trust.invite()).token
      joiner = await openIdentity(place(), { nodeId: `n${joins}`, clock })
    },
  )
  expect(deaths).toBe(6)
})

test('a revocation, killed at any step, holds or can be repeated', async () => {
  const { trust, clock, directory, join: joinCluster } = await cluster()
  await joinCluster('a')
  const whole = readFileSync(join(directory, 'trust'))
  const { writeFileSync } = await import('node:fs')
  await atEveryStep(
    async (disk) => (await openTrustStore(directory, { clock, disk })).revoke('a'),
    async () => {
      if (trust.list().members.length > 0) await trust.revoke('a')
      expect(trust.list()).toMatchObject({ members: [], revoked: [{ nodeId: 'a' }] })
      await onlyWhole(directory)
      writeFileSync(join(directory, 'trust'), whole)
    },
  )
})

test('an authority, killed at any step of its making, of a certificate or of its rotation, can go on', async () => {
  const clock = testClock()
  let directory = place()
  await atEveryStep(
    (disk) => createAuthority(directory, { cluster: 'lab', clock, disk }),
    async () => {
      if (!readdirSync(directory).includes('authority')) await createAuthority(directory, { cluster: 'lab', clock })
      expect((await openAuthority(directory, { clock })).certificates()).toHaveLength(1)
      directory = place()
    },
  )
  await createAuthority(directory, { cluster: 'lab', clock })
  const a = await openIdentity(place(), { nodeId: 'a', clock })
  await atEveryStep(
    async (disk) => {
      const authority = await openAuthority(directory, { clock, disk })
      const before = authority.issued().length
      const { serial } = await authority.issue(await a.request())
      expect(authority.issued().slice(before)).toMatchObject([{ serial }])
    },
    async () => expect((await openAuthority(directory, { clock })).cluster).toBe('lab'),
  )
  await atEveryStep(
    async (disk) => (await openAuthority(directory, { clock, disk })).rotate(),
    async () => {
      const authority = await openAuthority(directory, { clock })
      await authority.issue(await a.request())
      await onlyWhole(directory)
    },
  )
})

test('an installation, killed at any step, can be repeated and leads to the same', async () => {
  const { authority, trust, clock, join: joinCluster } = await cluster()
  await joinCluster('a')
  let home = place()
  let b = await openIdentity(home, { nodeId: 'b', clock })
  let bundle = authority.bundle((await authority.issue(await b.request())).certificate, trust.statements())
  const deaths = await atEveryStep(
    (disk) => installBundle(home, bundle, { clock, disk }),
    async () => {
      expect(await installBundle(home, bundle, { clock })).toMatchObject({ nodeId: 'b', refused: [] })
      expect((await openTrustStore(home, { clock })).list().members).toHaveLength(1)
      await onlyWhole(home)
      home = place()
      await authority.revoke({ nodeId: 'b' })
      b = await openIdentity(home, { nodeId: 'b', clock })
      bundle = authority.bundle((await authority.issue(await b.request())).certificate, trust.statements())
    },
  )
  expect(deaths).toBeGreaterThan(12)
})

test('a store is made whole or not at all', async () => {
  const { authority, clock } = await cluster()
  let directory = place()
  const order = { cluster: 'lab', authority: authority.certificates()[0] ?? '', clock }
  await atEveryStep(
    (disk) => createTrustStore(directory, { ...order, disk }),
    async (hasDied) => {
      if (hasDied && !readdirSync(directory).includes('trust')) await createTrustStore(directory, order)
      expect((await openTrustStore(directory)).list().members).toEqual([])
      directory = place()
    },
  )
})

/** Once somebody has written again, nothing of a broken write is left, and nobody else may read what is there. */
async function onlyWhole(directory: string): Promise<void> {
  const { withLock } = await import('../src/record-file.ts')
  await withLock({ directory, disk: nodeDisk }, async () => undefined)
  const names = readdirSync(directory)
  for (const name of names) {
    expect(['authority', 'certificate', 'identity', 'trust']).toContain(name)
    expect(statSync(join(directory, name)).mode & 0o077).toBe(0)
  }
}
