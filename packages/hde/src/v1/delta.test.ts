import { expect, test } from 'vitest'
import { codeOf, noise } from '../../test/support.ts'
import { Breathing } from './breathing.ts'
import { applyDelta, deltaLimitBytes, makeDelta } from './delta.ts'

const BLOCK = 4096
const old = noise(1, 3 * BLOCK)

interface Given {
  readonly kind: number
  readonly offset: number | bigint
  readonly length: number | bigint
  readonly data?: Uint8Array
  readonly dataBytes?: number
}

/** As the page lays it out; `count` may lie. */
function written(operations: readonly Given[], { id = 'w_memory', count = operations.length, after = 0 } = {}): Uint8Array {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(count, 1)
  const parts = operations.map(({ kind, offset, length, data, dataBytes = data?.length }) => {
    const part = Buffer.alloc(dataBytes === undefined ? 17 : 21)
    part.writeUInt8(kind)
    part.writeBigInt64BE(BigInt(offset), 1)
    part.writeBigInt64BE(BigInt(length), 9)
    if (dataBytes !== undefined) part.writeUInt32BE(dataBytes, 17)
    return Buffer.concat([part, data ?? new Uint8Array(0)])
  })
  return Buffer.concat([Buffer.from(id), head, ...parts, Buffer.alloc(after)])
}

const apply = (delta: Uint8Array, objectBytes = 8 * BLOCK): Promise<{ readonly bytes: Uint8Array }> =>
  applyDelta(delta, { baseline: () => old, objectBytes, lengthBytes: undefined }, new Breathing(undefined))

const copy = (offset: number | bigint, length: number | bigint): Given => ({ kind: 0, offset, length })
const give = (kind: number, offset: number, data: Uint8Array): Given => ({ kind, offset, length: data.length, data })

test('each block is copied where it is the same, added past the baseline, modified elsewhere', async () => {
  const object = Buffer.concat([old, noise(2, 100)])
  object[BLOCK] = (object[BLOCK] ?? 0) ^ 1
  const expected = [copy(0, BLOCK), give(2, BLOCK, object.subarray(BLOCK, 2 * BLOCK)), copy(2 * BLOCK, BLOCK)]
  const delta = await makeDelta(object, { id: 'w_memory', bytes: old }, new Breathing(undefined))
  expect(Buffer.from(delta)).toEqual(written([...expected, give(1, 3 * BLOCK, object.subarray(3 * BLOCK))]))
})

test('a shorter object copies the part of its last block that the baseline has, a longer one gives its last block again', async () => {
  const breathing = new Breathing(undefined)
  const baseline = { id: 'w_memory', bytes: old.subarray(0, BLOCK + 50) }
  const shorter = await makeDelta(old.subarray(0, BLOCK + 10), baseline, breathing)
  expect(Buffer.from(shorter)).toEqual(written([copy(0, BLOCK), copy(BLOCK, 10)]))
  const longer = await makeDelta(old.subarray(0, BLOCK + 60), baseline, breathing)
  expect(Buffer.from(longer)).toEqual(written([copy(0, BLOCK), give(2, BLOCK, old.subarray(BLOCK, BLOCK + 60))]))
})

test('an operation may be longer than a block, and a delta may be of nothing', async () => {
  const { bytes } = await apply(written([copy(0, 2 * BLOCK), give(1, 2 * BLOCK, noise(3, 2 * BLOCK)), give(2, 4 * BLOCK, noise(4, 5))]))
  expect(Buffer.from(bytes)).toEqual(Buffer.concat([old.subarray(0, 2 * BLOCK), noise(3, 2 * BLOCK), noise(4, 5)]))
  expect((await apply(written([]))).bytes).toHaveLength(0)
})

const whole = written([copy(0, BLOCK), give(1, BLOCK, noise(5, 40))])
const nearlyLargest = 2n ** 63n - 1n

test.each([
  ['nothing', new Uint8Array(0)],
  ['no baseline id', written([], { id: '' })],
  ['a baseline id past its limit', written([], { id: 'a'.repeat(1025) })],
  ['an id without an end', Buffer.alloc(2000, 'a')],
  ['an id that is not UTF-8', Buffer.concat([Uint8Array.of(0xff), written([])])],
  ['an unknown kind', written([{ ...copy(0, BLOCK), kind: 3 }])],
  ['fewer operations than declared', written([copy(0, BLOCK)], { count: 2 })],
  ['far fewer operations than declared', written([copy(0, BLOCK)], { count: 0xffff_ffff })],
  ['more operations than declared', written([copy(0, BLOCK), copy(BLOCK, BLOCK)], { count: 1 })],
  ['a byte too many', written([copy(0, BLOCK)], { after: 1 })],
  ['a gap', written([copy(0, BLOCK), copy(2 * BLOCK, BLOCK)])],
  ['an overlap', written([copy(0, BLOCK), copy(0, BLOCK)])],
  ['a negative offset', written([copy(-1, BLOCK)])],
  ['an offset past 2^53', written([copy(0, BLOCK), copy(nearlyLargest, BLOCK)])],
  ['an operation of nothing', written([copy(0, 0)])],
  ['a negative length', written([copy(0, -1)])],
  ['a beginning inside a block', written([copy(0, 100), copy(100, 100)])],
  ['less data than the length', written([{ kind: 1, offset: 0, length: BLOCK, data: noise(1, 40) }])],
  ['more data than the length', written([{ kind: 2, offset: 0, length: 10, data: noise(1, 40) }])],
  ['data that is not there', written([{ kind: 1, offset: 0, length: 0xffff_ffff, dataBytes: 0xffff_ffff }])],
  ['a cut inside the data length', whole.subarray(0, -42)],
])('%s is refused', async (_, delta) => {
  expect(await codeOf(() => apply(delta))).toBe('ERR_HDE_CORRUPT')
})

test('a delta cut at any offset is refused', async () => {
  expect((await apply(whole)).bytes).toHaveLength(BLOCK + 40)
  for (let length = 0; length < whole.length; length += 1) {
    if ((await codeOf(() => apply(whole.subarray(0, length)))) !== 'ERR_HDE_CORRUPT') throw new Error(`${length} bytes were accepted`)
  }
})

test('more is copied than the baseline has: it is another baseline', async () => {
  expect((await apply(written([copy(0, old.length)]))).bytes).toEqual(old)
  for (const length of [old.length + 1, nearlyLargest]) {
    expect(await codeOf(() => apply(written([copy(0, length)])))).toBe('ERR_HDE_BASELINE_MISSING')
  }
})

test('operations may add up to the limit of the object, and to no byte more', async () => {
  const delta = written([copy(0, 2 * BLOCK), give(1, 2 * BLOCK, noise(6, 10))])
  expect((await apply(delta, 2 * BLOCK + 10)).bytes).toHaveLength(2 * BLOCK + 10)
  expect(await codeOf(() => apply(delta, 2 * BLOCK + 9))).toBe('ERR_HDE_LIMIT')
})

test('no delta that is made is longer than what a decoder accepts for its object', async () => {
  for (const length of [0, 1, BLOCK, BLOCK + 1, 5 * BLOCK]) {
    const delta = await makeDelta(noise(9, length), { id: 'i'.repeat(1024), bytes: old }, new Breathing(undefined))
    expect(delta.length).toBeLessThanOrEqual(deltaLimitBytes(length))
  }
})
