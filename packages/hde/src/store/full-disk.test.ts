import { expect, test } from 'vitest'
import { MemoryFiles } from '../../test/mutations/memory-files.ts'
import { noise } from '../../test/support.ts'
import { openStoreOn } from './disk-store.ts'
import type { StoreFile } from './store-files.ts'

/** A disk on which one call that writes fails, and all others succeed. */
class FailingFiles extends MemoryFiles {
  readonly #failAt: number
  calls = 0
  handles = 0

  constructor(failAt: number) {
    super()
    this.#failAt = failAt
  }

  override async open(path: string, flags: 'r' | 'wx'): Promise<StoreFile> {
    if (flags === 'wx') this.#step()
    const file = await super.open(path, flags)
    this.handles += 1
    let isOpen = true
    return {
      ...file,
      write: async (bytes) => {
        this.#step()
        await file.write(bytes)
      },
      sync: async () => this.#step(),
      close: async () => {
        if (isOpen) this.handles -= 1
        isOpen = false
      },
    }
  }

  override async rename(from: string, to: string): Promise<void> {
    this.#step()
    await super.rename(from, to)
  }

  override async syncDirectory(): Promise<void> {
    this.#step()
  }

  #step(): void {
    this.calls += 1
    if (this.calls === this.#failAt) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  }
}

const BOUND = { bytes: 400_000 }
const common = noise(60, 60_000)
const objects = Array.from({ length: 6 }, (_, index) => Buffer.concat([noise(61 + index, 40_000), common, noise(71 + index, 40_000)]))

/** Puts all that it can; evicts and writes anew meanwhile. @returns how many failed. */
async function work(files: FailingFiles): Promise<number> {
  await using store = await openStoreOn(files, 'store', BOUND)
  let failed = 0
  for (const object of objects) {
    await store.put(object).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'ENOSPC' })
      failed += 1
    })
    const bytes = [...files.files.values()].reduce((sum, file) => sum + file.length, 0)
    expect([files.handles, store.stats().keptBytes]).toEqual([0, bytes])
  }
  for (const { digest, lengthBytes } of store.latest()) {
    await using base = await store.base(digest)
    const bytes = await base?.read(0, lengthBytes)
    expect(objects.some((object) => bytes !== undefined && object.equals(bytes))).toBe(true)
  }
  return failed
}

test('a put that the disk has no room for leaves no file, no byte that is counted and no handle behind, whichever call fails', async () => {
  const undisturbed = new FailingFiles(Number.POSITIVE_INFINITY)
  expect(await work(undisturbed)).toBe(0)
  expect(undisturbed.calls).toBeGreaterThan(40)
  for (let call = 1; call <= undisturbed.calls; call += 1) expect([call, await work(new FailingFiles(call))]).toEqual([call, 1])
})
