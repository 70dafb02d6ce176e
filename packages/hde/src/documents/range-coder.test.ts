import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeInteger, codeSigned, integerOdds } from './integers.ts'
import { type Coder, RangeReader, RangeWriter } from './range-coder.ts'

const step = fc.oneof(
  fc.record({ kind: fc.constant('bit' as const), value: fc.nat(1) }),
  fc.record({ kind: fc.constant('bits' as const), value: fc.maxSafeInteger().map(Math.abs) }),
  fc.record({ kind: fc.constant('integer' as const), value: fc.maxSafeInteger().map(Math.abs) }),
  fc.record({ kind: fc.constant('integer' as const), value: fc.nat(20) }),
  fc.record({ kind: fc.constant('signed' as const), value: fc.maxSafeInteger() }),
)

test('a reader gives what was written', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const run = (coder: Coder): number[] => {
        const [flags, integers, signed] = [new Uint32Array(1), integerOdds(), integerOdds()]
        return steps.map(({ kind, value }) => {
          const given = coder.writing ? value : 0
          if (kind === 'bit') return coder.bit(flags, 0, given)
          if (kind === 'bits') return coder.bits(given, 53)
          return kind === 'integer' ? codeInteger(coder, integers, given) : codeSigned(coder, signed, given)
        })
      }
      const writer = new RangeWriter()
      run(writer)
      expect(run(new RangeReader(writer.finish()))).toEqual(steps.map(({ value }) => value))
    }),
    { numRuns: 500 },
  )
})

test('what never changes costs next to nothing, and what is even costs its bits', () => {
  const cost = (next: (index: number) => number): number => {
    const writer = new RangeWriter()
    const odds = integerOdds()
    for (let index = 0; index < 10_000; index += 1) codeInteger(writer, odds, next(index))
    return writer.finish().length
  }
  expect(cost(() => 1_000)).toBeLessThan(10_000 * 1.01)
  expect(cost(() => 5)).toBeLessThan(50)
  expect(cost((index) => (index * 7919) % 4096)).toBeLessThan(10_000 * 1.53)
})
