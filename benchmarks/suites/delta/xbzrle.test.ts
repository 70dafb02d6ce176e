import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodePage, encodePage, PAGE_BYTES } from './xbzrle.ts'

test('the example of QEMU’s document gives its bytes', () => {
  const [before, after] = [new Uint8Array(PAGE_BYTES), new Uint8Array(PAGE_BYTES)]
  before.set(Buffer.from('05060708090a0b0c0d0e0f101112136800006b006d', 'hex'), 1001)
  after.set(Buffer.from('0102030405060708090a0b0c0d0e0f680000670069', 'hex'), 1001)
  expect(Buffer.from(encodePage(before, after) ?? []).toString('hex')).toBe('e9070f0102030405060708090a0b0c0d0e0f030167010169')
})

test('a page that did not change is nothing, and one that changed everywhere does not fit', () => {
  const page = new Uint8Array(PAGE_BYTES).fill(3)
  expect(encodePage(page, page)).toHaveLength(0)
  expect(encodePage(page, new Uint8Array(PAGE_BYTES))).toBeUndefined()
})

test('what is encoded decodes to the later page', () => {
  const change = fc.record({ at: fc.nat(PAGE_BYTES - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }) })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
      const [before, after] = [new Uint8Array(PAGE_BYTES), new Uint8Array(PAGE_BYTES)]
      for (const { at, bytes } of changes) after.set(bytes.subarray(0, PAGE_BYTES - at), at)
      const encoded = encodePage(before, after)
      expect(encoded).toBeDefined()
      decodePage(encoded ?? new Uint8Array(), before)
      expect(Buffer.compare(before, after)).toBe(0)
    }),
  )
})

test('runs past the end of the page or of the encoding are refused', () => {
  const page = new Uint8Array(PAGE_BYTES)
  for (const hostile of ['ff7f05aabbccddee', '0005aa', '00', '0000'])
    expect(() => decodePage(Buffer.from(hostile, 'hex'), page)).toThrow(RangeError)
})
