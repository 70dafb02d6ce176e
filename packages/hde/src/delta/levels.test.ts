import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LEVELS, literalLevelOf } from './levels.ts'

const MIB = 1 << 20

describe('the level of literals', () => {
  test('is the highest for small objects, and of large ones where few literals are left', () => {
    expect(literalLevelOf(LEVELS.small, { literalBytes: 200_000, referenceBytes: 100_000, blockBytes: 300_000 })).toBe(19)
    expect(literalLevelOf(LEVELS.small, { literalBytes: MIB, referenceBytes: MIB, blockBytes: 64 * MIB })).toBe(19)
    expect(literalLevelOf(LEVELS.small, { literalBytes: 5 * MIB, referenceBytes: MIB, blockBytes: 64 * MIB })).toBe(16)
    expect(literalLevelOf(LEVELS.small, { literalBytes: 64 * MIB, referenceBytes: 0, blockBytes: 64 * MIB })).toBe(12)
  })

  test('keeps the search trees from references that would take them long without a look at whether to stop', () => {
    fc.assert(
      fc.property(fc.nat(128 * MIB), fc.integer({ min: MIB + 1, max: 256 * MIB }), (literalBytes, referenceBytes) => {
        const level = literalLevelOf(LEVELS.small, { literalBytes, referenceBytes, blockBytes: 128 * MIB })
        expect(level).toBe(referenceBytes <= 16 * MIB ? 12 : 8)
      }),
    )
  })

  test('is that of all streams at the other levels', () => {
    expect(literalLevelOf(LEVELS.fast, { literalBytes: 1, referenceBytes: 1, blockBytes: 1 })).toBe(2)
    expect(literalLevelOf(LEVELS.balanced, { literalBytes: 1, referenceBytes: 1, blockBytes: 1 })).toBe(3)
  })
})
