import type { Digest } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { Baselines } from './baselines.js'
import { Image } from './image.js'
import { layOut } from './layout.js'

const layout = layOut([{ pageBytes: 4096, lengthBytes: 1 << 20, maxLengthBytes: 1 << 20 }])
const NO_TAGS = new Uint32Array(8)
const digest = (value: number): Digest => `sha-256:${value.toString(16)}`

function imageOf(pages: number): Image {
  const image = Image.empty(layout)
  for (let page = 0; page < pages; page += 1) image.write(0, page, Buffer.alloc(4096, page + 1), 0, Buffer.alloc(16, page), 0, NO_TAGS)
  return image
}

test('lists the digests of one workload, newest first', () => {
  const baselines = new Baselines(1e9, 2)
  baselines.keep('a', digest(1), imageOf(1))
  baselines.keep('b', digest(2), imageOf(1))
  baselines.keep('a', digest(3), imageOf(1))
  baselines.find('a', digest(1))
  expect(baselines.list('a')).toEqual([digest(3), digest(1)])
  expect(baselines.list('c')).toEqual([])
})

test('drops the least recently used past its bound, and not before', () => {
  const one = imageOf(16).lengthBytes + 4096
  const baselines = new Baselines(2 * one, 9)
  baselines.keep('a', digest(1), imageOf(16))
  baselines.keep('a', digest(2), imageOf(16))
  expect(baselines.lengthBytes).toBe(2 * one)
  baselines.find('a', digest(1))
  baselines.keep('a', digest(3), imageOf(16))
  expect(baselines.list('a')).toEqual([digest(3), digest(1)])
  expect(baselines.lengthBytes).toBe(2 * one)
})

test('refuses an image past its bound without dropping the others', () => {
  const baselines = new Baselines(imageOf(16).lengthBytes + 4096, 9)
  expect(baselines.keep('a', digest(1), imageOf(16))).toBe(true)
  expect(baselines.keep('a', digest(2), imageOf(17))).toBe(false)
  expect(baselines.list('a')).toEqual([digest(1)])
})

test('counts what images share once, and gives it back with the last of them', () => {
  const baselines = new Baselines(1e9, 2)
  const first = imageOf(64)
  baselines.keep('a', digest(1), first)
  const before = baselines.lengthBytes
  const second = first.fork(layout)
  second.write(0, 0, Buffer.alloc(4096, 99), 0, Buffer.alloc(16, 99), 0, NO_TAGS)
  baselines.keep('a', digest(2), second)
  expect(baselines.lengthBytes - before).toBe(second.overheadBytes + 4096 + 16_384)
  baselines.keep('a', digest(1), imageOf(0))
  baselines.keep('a', digest(2), imageOf(0))
  expect(baselines.lengthBytes).toBe(2 * (imageOf(0).lengthBytes + 4096))
})

test('keeps so many of one workload, and drops the oldest', () => {
  const baselines = new Baselines(1e9, 2)
  baselines.keep('b', digest(9), imageOf(1))
  for (const value of [1, 2, 3]) baselines.keep('a', digest(value), imageOf(1))
  expect(baselines.list('a')).toEqual([digest(3), digest(2)])
  expect(baselines.list('b')).toEqual([digest(9)])
})
