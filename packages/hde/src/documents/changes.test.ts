import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ChangeValue, decodeChanges, encodeChanges } from '../index.ts'

const ACTORS = ['5f1d0c3a9b8e7d60', 'c0ffee0012345678', '00aa11bb22cc33dd']
let state = 3
function below(bound: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * bound)
}
const hex = (digits: number): string => Array.from({ length: digits }, () => below(16).toString(16)).join('')

/** Like those of Automerge: each names the ones before it by their hashes, and its operations by counter and actor. */
function history(count: number): ChangeValue[] {
  const counters = ACTORS.map(() => ({ seq: 0, op: 1 }))
  let latest = hex(64)
  return Array.from({ length: count }, (_, index) => {
    const who = below(ACTORS.length)
    const [actor, counter] = [ACTORS[who] ?? '', counters[who] ?? { seq: 0, op: 1 }]
    counter.seq += 1
    counter.op += 2
    const deps = [latest]
    latest = hex(64)
    const ops = [
      {
        action: 'set',
        obj: `${counter.op}@${actor}`,
        key: `node-${below(30)}`,
        value: below(1_000) / 8,
        pred: [`${counter.op - 2}@${actor}`],
      },
      { action: 'set', obj: '_root', key: 'at', value: 1_790_000_000_000 + index * 5_000, pred: [] },
    ]
    return { actor, seq: counter.seq, startOp: counter.op, time: 1_790_000_000 + 5 * index, message: null, deps, hash: latest, ops }
  })
}

test('of a change its hash remains, and a few bytes', async () => {
  const changes = history(500)
  const bytes = await encodeChanges(changes)
  expect(await decodeChanges(bytes)).toEqual(changes)
  // 8 of them the two numbers that share the place `value`, one of which is a clock.
  expect(bytes.length / changes.length).toBeLessThan(32 + 12)
  // Who wrote is random here, and so each counter goes its own way: told from another one it would cost a byte more.
  const apart = await encodeChanges(changes, { actorKey: 'nobody' })
  expect(await decodeChanges(apart)).toEqual(changes)
  expect(apart.length).toBeGreaterThan(bytes.length + changes.length)
})

test('any values come back, in their order', async () => {
  const value = fc.letrec<{ value: ChangeValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<ChangeValue>(null, true, -0, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60, 1e-300, -(2n ** 63n), 2n ** 64n - 1n, 5n),
      fc.string(),
      fc.double(),
      fc.integer(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      fc.uint8Array({ maxLength: 20 }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.constantFrom('actor', 'seq', '2', '1'), fc.string({ maxLength: 3 })), tie('value'), { maxKeys: 4 }),
    ),
  })).value
  await fc.assert(
    fc.asyncProperty(fc.array(value, { maxLength: 6 }), async (changes) => {
      expect(await decodeChanges(await encodeChanges(changes))).toEqual(changes)
    }),
    { numRuns: 400 },
  )
})

test('what no change can hold is refused', async () => {
  // @ts-expect-error undefined is no value
  await expect(encodeChanges([undefined])).rejects.toThrow(TypeError)
  // @ts-expect-error nor a function
  await expect(encodeChanges([{ a: () => 1 }])).rejects.toThrow(TypeError)
  await expect(encodeChanges([2n ** 64n])).rejects.toThrow(RangeError)
  await expect(encodeChanges([], { actorKey: 'x'.repeat(256) })).rejects.toThrow(RangeError)
  let deep: ChangeValue = 1
  for (let depth = 0; depth < 65; depth += 1) deep = [deep]
  await expect(encodeChanges([deep])).rejects.toThrow(RangeError)
})

test('mutated batches of changes are refused or right', async () => {
  const changes = history(20)
  const bytes = await encodeChanges(changes)
  for (let round = 0; round < 2_000; round += 1) {
    const mutant = Uint8Array.from(bytes)
    for (let count = below(3); count >= 0; count -= 1) mutant[below(mutant.length)] = below(256)
    const given = below(8) === 0 ? mutant.subarray(0, below(mutant.length)) : mutant
    try {
      expect(await decodeChanges(given, { limits: { documents: 100, nodes: 10_000, documentBytes: 65_536 } })).toEqual(changes)
    } catch (error) {
      if (!isDwcpError(error)) throw error
      expect(error.code).toMatch(/^ERR_HDE_(CORRUPT|LIMIT|VERSION|BASELINE_MISSING)$/)
    }
  }
})
