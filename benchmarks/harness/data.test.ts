import { expect, test } from 'vitest'
import { changedMemory, PAGE_BYTES, syntheticMemory } from '../suites/encoding/page-sets.ts'
import { entropyBitsPerByte, randomBytes, randomIntegers } from './data.ts'

test('a seed gives the same bytes each time, whatever the length asked for, and another seed others', () => {
  const long = randomBytes(1, 3_000_000)
  expect(Buffer.compare(randomBytes(1, 1_500_001), long.subarray(0, 1_500_001))).toBe(0)
  expect(Buffer.compare(randomBytes(2, 3_000_000), long)).not.toBe(0)
  const [first, second] = [randomIntegers(9), randomIntegers(9)]
  for (let i = 0; i < 1000; i++) expect(first(100)).toBe(second(100))
})

test('random bytes have the entropy that is stated, and constant ones none', () => {
  expect(entropyBitsPerByte(randomBytes(1, 1_000_000))).toBeGreaterThan(7.999)
  expect(entropyBitsPerByte(new Uint8Array(1000))).toBe(0)
  expect(entropyBitsPerByte(Uint8Array.from({ length: 1000 }, (_, index) => index % 4))).toBe(2)
})

test('the synthetic memory has the shares of zero, changed and unchanged pages that it states', () => {
  const memory = syntheticMemory(3, 16 * 2 ** 20)
  const later = changedMemory(memory, 4)
  let zero = 0
  let changed = 0
  const pages = memory.length / PAGE_BYTES
  for (let at = 0; at < memory.length; at += PAGE_BYTES) {
    const page = memory.subarray(at, at + PAGE_BYTES)
    if (page.every((byte) => byte === 0)) zero++
    if (Buffer.compare(page, later.subarray(at, at + PAGE_BYTES)) !== 0) changed++
  }
  // A duplicate of a zero page is a zero page: 0.5 + 0.1 × about a half or more.
  expect(zero / pages).toBeGreaterThan(0.5)
  expect(zero / pages).toBeLessThan(0.62)
  expect(Math.abs(changed / pages - 0.06)).toBeLessThan(0.015)
  expect(Buffer.compare(syntheticMemory(3, 16 * 2 ** 20), memory)).toBe(0)
})
