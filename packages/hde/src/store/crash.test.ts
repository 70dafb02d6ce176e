import { mkdtemp, readFile, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { noise } from '../../test/support.ts'
import { openStoreOn } from './disk-store.ts'
import { diskFiles, type StoreFiles } from './store-files.ts'

class Crash extends Error {}

/** Real files of a machine that stops at the n-th call that changes something; what was not synced by then is cut in half. */
function crashingFiles(atCall: number): StoreFiles & { calls(): number; settle(): Promise<void> } {
  let calls = 0
  const unsynced = new Map<string, number>()
  const step = (): void => {
    calls += 1
    if (calls >= atCall) throw new Crash(`stopped at call ${calls}`)
  }
  return {
    calls: () => calls,
    async settle() {
      for (const [path, syncedBytes] of unsynced) {
        const { size } = await stat(path).catch(() => ({ size: 0 }))
        if (size > syncedBytes) await truncate(path, syncedBytes + Math.floor((size - syncedBytes) / 2))
      }
    },
    async open(path, flags) {
      if (flags === 'wx') step()
      const file = await diskFiles.open(path, flags)
      if (flags === 'wx') unsynced.set(path, 0)
      return {
        ...file,
        async write(bytes) {
          // A write that is under way when the machine stops is done in part.
          if (calls + 1 >= atCall) await file.write(bytes.subarray(0, bytes.length >> 1))
          step()
          await file.write(bytes)
        },
        async sync() {
          step()
          await file.sync()
          unsynced.delete(path)
        },
      }
    },
    async rename(from, to) {
      step()
      await diskFiles.rename(from, to)
    },
    async unlink(path) {
      step()
      await diskFiles.unlink(path)
    },
    lock: diskFiles.lock,
    list: diskFiles.list,
    async syncDirectory(path) {
      step()
      await diskFiles.syncDirectory(path)
    },
  }
}

const BOUND = { bytes: 400_000 }
const common = noise(50, 60_000)
const objects = Array.from({ length: 7 }, (_, index) => Buffer.concat([noise(index, 40_000), common, noise(100 + index, 40_000)]))

/** Puts that evict and rewrite. @returns the digests that were acknowledged. */
async function work(files: StoreFiles, directory: string): Promise<ReadonlyMap<string, Buffer>> {
  const acknowledged = new Map<string, Buffer>()
  try {
    await using store = await openStoreOn(files, directory, BOUND)
    for (const [index, object] of objects.entries()) {
      const { digest } = await store.put(object)
      acknowledged.set(digest, object)
      if (index === 4) await store.delete(digest)
      for (const held of acknowledged.keys()) if (!store.latest().some((one) => one.digest === held)) acknowledged.delete(held)
    }
  } catch (error) {
    if (!(error instanceof Crash)) throw error
  }
  return acknowledged
}

test('stopped at any call to the file system, it opens with whole objects only, all of the acknowledged ones that it did not evict', {
  timeout: 120_000,
}, async ({ onTestFinished }) => {
  const root = await mkdtemp(join(tmpdir(), 'dwcp-crash-'))
  onTestFinished(() => rm(root, { recursive: true }))
  const undisturbed = crashingFiles(Number.POSITIVE_INFINITY)
  await work(undisturbed, join(root, 'undisturbed'))
  expect(undisturbed.calls()).toBeGreaterThan(60)
  for (let call = 1; call <= undisturbed.calls(); call += 1) {
    const directory = join(root, `${call}`)
    const files = crashingFiles(call)
    const acknowledged = await work(files, directory)
    await files.settle()
    await using store = await openStoreOn(diskFiles, directory, BOUND)
    const held = new Set<string>(store.latest().map(({ digest }) => digest))
    // The put under way may have evicted what it had not acknowledged the loss of: at most what makes room for one object.
    expect([call, [...acknowledged.keys()].filter((digest) => !held.has(digest)).length <= 2]).toEqual([call, true])
    if (acknowledged.size > 0 && call < undisturbed.calls() / 3)
      expect([...acknowledged.keys()].every((digest) => held.has(digest))).toBe(true)
    expect(store.stats().keptBytes).toBeLessThanOrEqual(BOUND.bytes)
    for (const { digest } of store.latest()) {
      await using base = await store.base(digest)
      const bytes = await base?.read(0, base.lengthBytes)
      expect([call, objects.some((object) => bytes !== undefined && Buffer.compare(object, bytes) === 0)]).toEqual([call, true])
    }
    await store.put(noise(999, 50_000))
    expect(store.stats()).toMatchObject({ damaged: 0 })
  }
})

test('files that are read and written by the store are those of the disk', async ({ onTestFinished }) => {
  const root = await mkdtemp(join(tmpdir(), 'dwcp-files-'))
  onTestFinished(() => rm(root, { recursive: true }))
  const file = await diskFiles.open(join(root, 'a'), 'wx')
  await file.write(Buffer.from('abcdef'))
  await file.sync()
  await file.close()
  expect(await readFile(join(root, 'a'), 'utf8')).toBe('abcdef')
  const read = await diskFiles.open(join(root, 'a'), 'r')
  expect([Buffer.from(await read.read(4, 10)).toString(), await read.size()]).toEqual(['ef', 6])
  await read.close()
  expect(await diskFiles.list(root)).toEqual(['a'])
})
