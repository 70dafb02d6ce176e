import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteReader } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'

const corrupts = (read: () => unknown): boolean => {
  try {
    read()
    return false
  } catch (error) {
    return isDwcpError(error, 'ERR_HDE_CORRUPT')
  }
}

test('reads back every integer, signed integer, float and digest that was written', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: -(2 ** 33), max: 2 ** 33 }), fc.double({ noNaN: true }), (natural, signed, real) => {
      const writer = new ByteWriter()
      writer.varint(natural)
      writer.zigzag(signed)
      writer.float64(real)
      writer.text('sha-256:00ff')
      writer.byte(200)
      const reader = new ByteReader(writer.view(), 0)
      const read = [reader.varint(), reader.zigzag(), reader.float64(), reader.digest(), reader.byte()]
      reader.end()
      expect(read).toEqual([natural, signed === 0 ? 0 : signed, real, 'sha-256:00ff', 200])
    }),
  )
})

test('grows past its first buffer', () => {
  const writer = new ByteWriter()
  for (let value = 0; value < 1000; value += 1) writer.varint(value)
  const reader = new ByteReader(writer.view(), 0)
  expect(Array.from({ length: 1000 }, () => reader.varint())).toEqual(Array.from({ length: 1000 }, (_, value) => value))
})

test('refuses an integer past 2^53 - 1 and accepts that one', () => {
  const largest = new ByteWriter()
  largest.varint(Number.MAX_SAFE_INTEGER)
  expect(new ByteReader(largest.view(), 0).varint()).toBe(Number.MAX_SAFE_INTEGER)
  expect(corrupts(() => new ByteReader(new Uint8Array(8).fill(0xff).fill(0x7f, 7), 0).varint())).toBe(true)
  expect(corrupts(() => new ByteReader(new Uint8Array(20).fill(0x80), 0).varint())).toBe(true)
})

test('refuses to read past the end, to leave bytes over, and a digest that is none', () => {
  expect(corrupts(() => new ByteReader(new Uint8Array(0), 0).byte())).toBe(true)
  expect(corrupts(() => new ByteReader(new Uint8Array(7), 0).float64())).toBe(true)
  expect(corrupts(() => new ByteReader(new Uint8Array(1), 0).end())).toBe(true)
  for (const text of ['md5:00', 'sha-256:XY', 'sha-256:', `sha-256:${'0'.repeat(300)}`]) {
    const writer = new ByteWriter()
    writer.text(text)
    expect(corrupts(() => new ByteReader(writer.view(), 0).digest())).toBe(true)
  }
  expect(corrupts(() => new ByteReader(Uint8Array.of(10, 65), 0).digest())).toBe(true)
  expect(new ByteReader(Uint8Array.of(0), 0).digest()).toBeUndefined()
})
