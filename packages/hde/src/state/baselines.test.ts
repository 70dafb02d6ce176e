import type { Digest } from '@dwcp/interface'
import { loadPageImages, type PageImage } from '@dwcp/native-rdma/codec'
import { loadHash } from '@dwcp/native-rdma/hash'
import { expect, test } from 'vitest'
import { Baselines } from './baselines.js'
import { layOut } from './layout.js'

const layout = layOut([{ pageBytes: 4096, lengthBytes: 1 << 20, maxLengthBytes: 1 << 20 }])
const images = loadPageImages(await loadHash())
const digest = (value: number): Digest => `sha-256:${value.toString(16)}`

async function imageOf(pages: number, image: PageImage = images.create(layout), seed = 1): Promise<PageImage> {
  const batch = images.batch(image)
  const bytes = new Uint8Array(pages * 4096)
  for (let page = 0; page < pages; page += 1) bytes.fill(page + seed, page * 4096, (page + 1) * 4096)
  const numbers = Uint32Array.from({ length: pages }, (_, page) => page)
  await batch.take({ region: 0, pageBytes: 4096, pages: numbers, bytes }, { zeros: true, duplicates: true, delta: true, changedPages: 999 })
  await batch.pack({ method: 0, level: 0, spareBytes: 0 })
  return image
}

test('lists the digests of one workload, newest first', async () => {
  const baselines = new Baselines(1e9, 2, 4)
  baselines.keep('a', digest(1), await imageOf(1))
  baselines.keep('b', digest(2), await imageOf(1))
  baselines.keep('a', digest(3), await imageOf(1))
  baselines.find('a', digest(1))
  expect(baselines.own('a')).toEqual([digest(3), digest(1)])
  expect(baselines.own('c')).toEqual([])
})

test('drops the one of least value past its bound, and not before', async () => {
  const one = (await imageOf(16)).lengthBytes + 4096
  const baselines = new Baselines(2 * one, 9, 4)
  baselines.keep('a', digest(1), await imageOf(16))
  baselines.keep('a', digest(2), await imageOf(16))
  expect(baselines.lengthBytes).toBe(2 * one)
  baselines.find('a', digest(1))
  baselines.keep('a', digest(3), await imageOf(16))
  expect(baselines.list('a')).toEqual([digest(3), digest(1)])
  expect(baselines.lengthBytes).toBe(2 * one)
})

test('what is used often outlives what is newer and never used, and goes when it is used no more', async () => {
  const one = (await imageOf(16)).lengthBytes + 4096
  const baselines = new Baselines(2 * one, 9, 4)
  baselines.keep('a', digest(0), await imageOf(16))
  for (let times = 0; times < 4; times += 1) baselines.find('a', digest(0))
  const outlived: number[] = []
  for (let value = 1; value < 20 && baselines.has('a', digest(0)); value += 1) {
    baselines.keep('b', digest(value), await imageOf(16))
    outlived.push(value)
  }
  expect(outlived.length).toBeGreaterThan(4)
  expect(outlived.length).toBeLessThan(19)
})

test('what shares most of its pages with another one is worth more than it weighs', async () => {
  const first = await imageOf(64)
  const second = await imageOf(1, first.fork(layout), 99)
  const whole = async (pages: number): Promise<number> => 4096 + (await imageOf(pages)).keep()
  const baselines = new Baselines(2 * (await whole(64)) + (await whole(8)), 9, 4)
  baselines.keep('a', digest(1), first)
  baselines.keep('a', digest(2), second)
  baselines.keep('b', digest(3), await imageOf(32, images.create(layout), 7))
  baselines.keep('c', digest(4), await imageOf(64, images.create(layout), 9))
  expect([baselines.own('a'), baselines.own('b'), baselines.own('c')]).toEqual([[digest(2), digest(1)], [], [digest(4)]])
})

test('refuses an image past its bound without dropping the others', async () => {
  const baselines = new Baselines((await imageOf(16)).lengthBytes + 4096, 9, 4)
  expect(baselines.keep('a', digest(1), await imageOf(16))).toBe(true)
  expect(baselines.keep('a', digest(2), await imageOf(17))).toBe(false)
  expect(baselines.list('a')).toEqual([digest(1)])
})

test('counts what images share once, and gives it back with the last of them', async () => {
  const baselines = new Baselines(1e9, 2, 4)
  const first = await imageOf(64)
  baselines.keep('a', digest(1), first)
  const before = baselines.lengthBytes
  const second = await imageOf(1, first.fork(layout), 99)
  const alone = second.lengthBytes
  baselines.keep('a', digest(2), second)
  // What differs by one page costs that page, and tables.
  expect(baselines.lengthBytes - before).toBeLessThan(alone / 4)
  expect(baselines.lengthBytes - before).toBeGreaterThan(4096)
  baselines.keep('a', digest(1), await imageOf(0))
  baselines.keep('a', digest(2), await imageOf(0))
  expect(baselines.lengthBytes).toBe(2 * ((await imageOf(0)).lengthBytes + 4096))
})

test('keeps so many of one workload, and drops the oldest', async () => {
  const baselines = new Baselines(1e9, 2, 4)
  baselines.keep('b', digest(9), await imageOf(1))
  for (const value of [1, 2, 3]) baselines.keep('a', digest(value), await imageOf(1))
  expect(baselines.own('a')).toEqual([digest(3), digest(2)])
  expect(baselines.own('b')).toEqual([digest(9)])
})

test('names the newest baseline of other workloads behind its own, as many as may be', async () => {
  const baselines = new Baselines(1e9, 2, 2)
  for (const [value, workload] of ['b', 'c', 'd', 'd', 'a'].entries()) baselines.keep(workload, digest(value), await imageOf(1))
  expect(baselines.list('a')).toEqual([digest(4), digest(3), digest(1)])
  expect(baselines.find('a', digest(1))).toBeDefined()
  expect(baselines.find('a', digest(0))).toBeUndefined()
  const strict = new Baselines(1e9, 2, 0)
  strict.keep('b', digest(1), await imageOf(1))
  expect([strict.list('a'), strict.find('a', digest(1))]).toEqual([[], undefined])
})
