import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { codeOf, noise, prose } from '../../test/support.ts'
import { type Baseline, type BaselineStore, createMemoryStore, fileBase, openDiskStore, type StoreOptions } from '../index.ts'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'dwcp-store-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

/** Compared at once: element by element takes seconds for a megabyte. */
function same(found: Uint8Array | undefined, wanted: Uint8Array | undefined): boolean {
  return found !== undefined && wanted !== undefined && Buffer.compare(found, wanted) === 0
}

async function contentOf(store: BaselineStore, digest: Parameters<BaselineStore['has']>[0]): Promise<Uint8Array | undefined> {
  const base = await store.base(digest)
  if (base === undefined) return undefined
  await using held = base
  return held.read(0, held.lengthBytes)
}

const stores: readonly (readonly [string, (options?: StoreOptions) => Promise<BaselineStore>])[] = [
  ['in memory', createMemoryStore],
  ['on disk', async (options) => openDiskStore(await folder(), options)],
]

describe.each(stores)('a store %s', (_where, open) => {
  test('gives back what it was given, whole and in parts', async () => {
    await using store = await open()
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 200_000 }),
        fc.integer(),
        fc.constantFrom('content', 'pages'),
        async (length, seed, chunks) => {
          const bytes = prose(seed, length)
          const { digest, lengthBytes } = await store.put(bytes, { chunks })
          expect(lengthBytes).toBe(length)
          expect(same(await contentOf(store, digest), bytes)).toBe(true)
          await using base = await store.base(digest)
          const [from, to] = [Math.floor(length / 3), Math.floor(length / 2)]
          expect(same(await base?.read(from, to - from), bytes.subarray(from, to))).toBe(true)
          await expect(base?.read(to, length + 1)).rejects.toThrow(RangeError)
        },
      ),
      {
        numRuns: 15,
        examples: [
          [1, 1, 'content'],
          [65_536, 2, 'pages'],
        ],
      },
    )
  })

  test('keeps once what objects share, and takes files and iterables', async () => {
    await using store = await open()
    const first = noise(1, 1_000_000)
    const second = Buffer.concat([first.subarray(0, 400_000), Buffer.from('something new'), first.subarray(400_000)])
    const path = join(await folder(), 'object')
    await writeFile(path, second)
    await store.put(first, { name: 'a' })
    const before = store.stats().keptBytes
    await using file = await fileBase(path)
    const { digest } = await store.put(file, { name: 'a' })
    expect(store.stats().keptBytes - before).toBeLessThan(60_000)
    async function* parts(): AsyncGenerator<Uint8Array, void, undefined> {
      for (let at = 0; at < second.length; at += 70_001) yield second.subarray(at, at + 70_001)
    }
    expect((await store.put(parts(), { name: 'b' })).digest).toBe(digest)
    expect(store.stats()).toMatchObject({ baselines: 2, evicted: 0, damaged: 0, rawBytes: first.length + second.length })
    expect(store.latest('a').map((one) => one.digest)).toEqual([digest, store.latest()[1]?.digest])
  })

  test('stays within its bound, and lets go first what saves least for what it takes', async () => {
    await using store = await open({ bytes: 1_000_000 })
    const used = await store.put(noise(1, 300_000), { name: 'used' })
    for (let time = 0; time < 5; time += 1) await contentOf(store, used.digest)
    const kept = await store.base((await store.put(noise(2, 200_000), { name: 'in use' })).digest)
    const generation = store.generation
    for (let seed = 3; seed < 20; seed += 1) {
      await store.put(noise(seed, 200_000), { name: `${seed}` })
      expect(store.stats().keptBytes).toBeLessThanOrEqual(1_000_000)
      expect(store.latest('in use')).toHaveLength(1)
      if (seed < 6) expect(store.has(used.digest)).toBe(true)
    }
    expect(store.stats().evicted).toBeGreaterThan(10)
    // Age wins over use in the end.
    expect(store.latest('19')).toHaveLength(1)
    expect(store.generation).not.toBe(generation)
    expect(same(await kept?.read(0, 200_000), noise(2, 200_000))).toBe(true)
    await kept?.[Symbol.asyncDispose]()
  })

  test('refuses what does not fit beside what is in use, and is as it was', async () => {
    await using store = await open({ bytes: 500_000 })
    await using base = await store.base((await store.put(noise(1, 300_000))).digest)
    expect(base?.lengthBytes).toBe(300_000)
    const before = { ...store.stats(), generation: store.generation }
    expect(await codeOf(() => store.put(noise(2, 300_000)))).toBe('ERR_HDE_STORE_FULL')
    expect(await codeOf(() => store.put(noise(3, 600_000)))).toBe('ERR_HDE_STORE_FULL')
    async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
      yield noise(4, 100_000)
      throw new Error('the carrier broke')
    }
    await expect(store.put(broken())).rejects.toThrow('the carrier broke')
    const aborted = AbortSignal.abort(new Error('not wanted'))
    await expect(store.put(noise(4, 100_000), { signal: aborted })).rejects.toThrow('not wanted')
    await expect(store.put(noise(4, 10), { name: 'x'.repeat(201) })).rejects.toThrow(RangeError)
    expect({ ...store.stats(), generation: store.generation }).toEqual(before)
    await expect(open({ bytes: 0 })).rejects.toThrow(RangeError)
  })

  test('takes several objects at once that share most of what they are', async () => {
    await using store = await open({ bytes: 8_000_000 })
    const common = noise(7, 600_000)
    const objects = Array.from({ length: 8 }, (_, index) => Buffer.concat([noise(100 + index, 50_000), common, noise(200 + index, 50_000)]))
    const put = await Promise.all(objects.map((object) => store.put(object)))
    for (const [index, { digest }] of put.entries()) expect(same(await contentOf(store, digest), objects[index])).toBe(true)
    for (const { digest } of put.slice(0, -1)) await store.delete(digest)
    expect(same(await contentOf(store, put.at(-1)?.digest ?? 'blake3:'), objects.at(-1))).toBe(true)
    await store.delete(put.at(-1)?.digest ?? 'blake3:')
    expect(store.stats()).toMatchObject({ baselines: 0, chunks: 0, keptBytes: 0, rawBytes: 0 })
  })

  test('says so once it is closed', async () => {
    const store = await open({ digest: 'xxh3-128' })
    expect((await store.put(prose(1, 1000))).digest).toMatch(/^xxh3-128:[0-9a-f]{32}$/)
    await store.close()
    await store.close()
    expect(await codeOf(() => store.put(prose(1, 10)))).toBe('ERR_HDE_STATE')
    expect(await codeOf(() => store.base('blake3:00'))).toBe('ERR_HDE_STATE')
  })
})

describe('a store on disk', () => {
  test('is there again when it is opened again, within a smaller bound too', async () => {
    const directory = await folder()
    const objects = [prose(1, 300_000), Buffer.concat([prose(1, 300_000), noise(1, 200_000)]), noise(5, 100_000), new Uint8Array()]
    const first = await openDiskStore(directory)
    const put: Baseline[] = []
    for (const [index, object] of objects.entries()) put.push(await first.put(object, { name: `n${index % 2}` }))
    await first.delete(put[0]?.digest ?? 'blake3:')
    const [generation, stats] = [first.generation, first.stats()]
    await first.close()
    const second = await openDiskStore(directory)
    expect([second.generation, second.stats()]).toEqual([generation, stats])
    for (const [index, { digest }] of put.entries()) {
      expect([index, same(await contentOf(second, digest), objects[index])]).toEqual([index, index !== 0])
    }
    expect(second.latest('n1')).toHaveLength(2)
    await second.close()
    await using third = await openDiskStore(directory, { bytes: 150_000 })
    expect(third.stats().keptBytes).toBeLessThanOrEqual(150_000)
    expect(third.has(put[2]?.digest ?? 'blake3:')).toBe(true)
  })

  test('is one process’s alone', async () => {
    const directory = await folder()
    const first = await openDiskStore(directory)
    expect(await codeOf(() => openDiskStore(directory))).toBe('ERR_HDE_STORE_LOCKED')
    await first.close()
    await writeFile(join(directory, 'lock'), `${process.pid} another-boot 1`)
    await (await openDiskStore(directory)).close()
  })

  test('never gives bytes that were changed under it, and drops what had them', async () => {
    const directory = await folder()
    await using store = await openDiskStore(directory)
    const one = await store.put(noise(1, 200_000))
    const other = await store.put(noise(2, 200_000))
    const [pack = ''] = (await readdir(directory)).filter((name) => name.endsWith('.pack')).sort()
    const bytes = await readFile(join(directory, pack))
    bytes[100_000] = (bytes[100_000] ?? 0) ^ 1
    await writeFile(join(directory, pack), bytes)
    await using base = await store.base(one.digest)
    expect(same(await base?.read(0, 1000), noise(1, 1000))).toBe(true)
    expect(await codeOf(() => base?.read(0, 200_000))).toBe('ERR_HDE_STORE_DAMAGED')
    // The next turn of the store comes after the drop.
    await store.put(new Uint8Array())
    expect([store.has(one.digest), store.has(other.digest), store.stats().damaged]).toEqual([false, true, 1])
    expect(same(await contentOf(store, (await store.put(noise(1, 200_000))).digest), noise(1, 200_000))).toBe(true)
    for (const name of await readdir(directory)) if (name.endsWith('.pack')) await rm(join(directory, name))
    expect(await codeOf(() => contentOf(store, other.digest))).toBe('ERR_HDE_STORE_DAMAGED')
  })

  test('opens without what was damaged while it was closed', async () => {
    const directory = await folder()
    const first = await openDiskStore(directory)
    const { digest } = await first.put(prose(3, 50_000))
    await first.close()
    const [pack = ''] = (await readdir(directory)).filter((name) => name.endsWith('.pack'))
    const whole = await readFile(join(directory, pack))
    const tableAt = whole.length - 200
    for (const wrong of [
      whole.subarray(0, -1),
      whole.subarray(0, 20),
      Buffer.alloc(0),
      Buffer.concat([whole, whole]),
      flipped(whole, tableAt),
    ]) {
      await writeFile(join(directory, pack), wrong)
      await using store = await openDiskStore(directory)
      expect([store.has(digest), store.stats().keptBytes]).toEqual([false, 0])
    }
  })

  test('has everything that was acknowledged before the process was killed', { timeout: 60_000 }, async () => {
    const directory = await folder()
    const script = new URL('../../test/store-writer.mjs', import.meta.url).pathname
    for (let run = 1; run <= 3; run += 1) {
      const writer = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
      const gone = once(writer, 'exit')
      const said: string[] = []
      for await (const text of writer.stdout) {
        said.push(
          ...String(text)
            .split('\n')
            .filter((line) => line.length > 0),
        )
        if (said.length >= 8 * run) writer.kill('SIGKILL')
      }
      // Its output ends before it does.
      await gone
      await using store = await openDiskStore(directory)
      const last = said.filter((line) => line.length === 71).at(-1) ?? ''
      const held = store.latest().find((one) => one.digest === last)
      expect(held?.lengthBytes).toBe(300_000)
      for (const { digest } of store.latest()) expect((await contentOf(store, digest))?.length).toBe(300_000)
    }
  })
})

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 4
  return copy
}
