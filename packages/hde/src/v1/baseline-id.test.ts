import { expect, test } from 'vitest'
import { v1DiskBaselineId, v1MemoryBaselineId } from './baseline-id.ts'

test('the ids are those of v1 nodes', () => {
  expect(v1MemoryBaselineId('vm-1')).toBe('vm-1_memory')
  expect(v1DiskBaselineId('vm-1', 7)).toBe('vm-1_disk_7')
})

test('a name that a delta cannot carry is refused', () => {
  for (const vm of ['', 'a\0']) {
    expect(() => v1MemoryBaselineId(vm)).toThrow(RangeError)
    expect(() => v1DiskBaselineId(vm, 0)).toThrow(RangeError)
  }
  for (const block of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => v1DiskBaselineId('vm', block)).toThrow(RangeError)
})
