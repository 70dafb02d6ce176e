import fc from 'fast-check'
import { expect, test } from 'vitest'
import { agreeVersion, WIRE_VERSIONS, type WireVersions } from './wire-version.ts'

const ranges = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .map(([a, b]): WireVersions => [Math.min(a, b), Math.max(a, b)])

test('two ends agree on the highest version that both speak, whichever of them is asked', () => {
  fc.assert(
    fc.property(ranges, ranges, (ours, theirs) => {
      const shared = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((one) => [ours, theirs].every(([least, most]) => least <= one && one <= most))
      if (shared.length === 0) {
        expect(() => agreeVersion(theirs, ours)).toThrow(expect.objectContaining({ code: 'ERR_AMST_VERSION' }))
        expect(() => agreeVersion(ours, theirs)).toThrow(expect.objectContaining({ code: 'ERR_AMST_VERSION' }))
      } else expect([agreeVersion(theirs, ours), agreeVersion(ours, theirs)]).toEqual([shared.at(-1), shared.at(-1)])
    }),
  )
  expect(agreeVersion(WIRE_VERSIONS)).toBe(WIRE_VERSIONS[1])
})
