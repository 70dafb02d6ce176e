import { loadHash } from '@dwcp/native-rdma/hash'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BlockMap } from './block-map.ts'
import { BLOCKS_AHEAD } from './body.ts'

const hash = await loadHash()
const digestOf = (block: number): Uint8Array => hash.xxh3_128(Uint8Array.of(block, block >> 8))

test('a map is whole once every block is here, in whatever order they come, and its digest is that of their digests', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.infiniteStream(fc.nat()), (count, draws) => {
      const map = new BlockMap(count)
      const left = Array.from({ length: count }, (_, block) => block)
      for (const draw of draws) {
        if (left.length === 0) break
        expect(map.isWhole).toBe(false)
        const [block = 0] = left.splice(draw % left.length, 1)
        map.place(block, digestOf(block))
        map.place(block, digestOf(block))
      }
      expect(map.isWhole).toBe(true)
      const all = Buffer.concat(Array.from({ length: count }, (_, block) => digestOf(block)))
      expect(Buffer.from(map.digest(hash))).toEqual(Buffer.from(hash.xxh3_128(all)))
    }),
  )
})

test('what is claimed is said in ranges, rising, none longer than 1024, until it is refused', () => {
  const map = new BlockMap(5000)
  for (let block = 0; block < 3000; block += 1) if (block % 1500 !== 7) map.claim(block, digestOf(block))
  const ranges = map.claims(hash, 100)
  expect(ranges.map(({ first, count }) => [first, count])).toEqual([
    [0, 7],
    [8, 1024],
    [1032, 475],
    [1508, 1024],
    [2532, 468],
  ])
  const [{ digest } = { digest: undefined }] = ranges
  expect(digest).toEqual(hash.xxh3_128(Buffer.concat([0, 1, 2, 3, 4, 5, 6].map(digestOf))))
  map.refuse(4)
  expect([map.isClaimed(3), map.isClaimed(4), map.isClaimed(5)]).toEqual([true, false, true])
})

test('what is claimed counts once both ends have looked, and no more when it comes anew', () => {
  const claimed = (): BlockMap => {
    const map = new BlockMap(3)
    for (const block of [0, 1, 2]) map.claim(block, digestOf(block))
    return map
  }
  const looks = [(map: BlockMap) => [0, 1, 2].forEach((block) => map.confirm(block)), (map: BlockMap) => map.compared(0, 3, true)]
  for (const order of [looks, looks.toReversed()]) {
    const map = claimed()
    for (const look of order) {
      expect(map.isWhole).toBe(false)
      look(map)
      look(map)
    }
    expect(map.isWhole).toBe(true)
    map.place(1, digestOf(7))
    expect([map.isWhole, map.hasCome(1), map.isClaimed(1)]).toEqual([true, true, false])
    map.compared(1, 2, false)
    expect([map.isWhole, map.hasCome(1), map.isClaimed(2)]).toEqual([false, true, false])
    map.place(2, digestOf(2))
    expect(map.isWhole).toBe(true)
  }
})

test('claims that do not fit are given up', () => {
  const map = new BlockMap(100)
  for (const block of [1, 3, 5]) map.claim(block, digestOf(block))
  expect(map.claims(hash, 2).map(({ first }) => first)).toEqual([1, 3])
  expect(map.isClaimed(5)).toBe(false)
})

test('a block may come no further ahead than the bound, and the bound moves on with the first that is missing', () => {
  const map = new BlockMap(2 * BLOCKS_AHEAD)
  expect([map.mayCome(BLOCKS_AHEAD), map.mayCome(BLOCKS_AHEAD + 1), map.mayCome(2 * BLOCKS_AHEAD)]).toEqual([true, false, false])
  map.place(BLOCKS_AHEAD, digestOf(1))
  map.claim(0, digestOf(0))
  expect(map.mayCome(BLOCKS_AHEAD + 1)).toBe(true)
  // What was on its way when a claim proved wrong may still come.
  map.refuse(0)
  expect(map.mayCome(BLOCKS_AHEAD + 1)).toBe(true)
})
