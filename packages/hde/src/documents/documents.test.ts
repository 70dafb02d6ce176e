import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeDocuments, encodeDocuments, type JsonValue } from '../index.ts'
import { BitReader, BitWriter } from './bits.ts'
import { mapLeaves } from './json.ts'

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    if (!isDwcpError(error)) throw error
    return error.code
  }
}

function node(index: number, at: number): JsonValue {
  const value = (index * 7919 + at * 104_729) % 100_000
  return {
    name: `node-${index}`,
    phase: (index + at) % 50 === 0 ? 'Draining' : 'Ready',
    heartbeat: 1_790_000_000_000 + at * 5_000 + (value % 40),
    clock: { [`peer-${(index * 31) % 500}`]: 17 + at },
    load: value / 1000,
    machines: Array.from({ length: 1 + (index % 4) }, (_, one) => ({ id: `vm-${index}-${one}`, pages: (value * (one + 1)) % 90_000 })),
    note: null,
  }
}
const former = Array.from({ length: 64 }, (_, index) => node(index, 0))
const latest = Array.from({ length: 64 }, (_, index) => node(index, 1))

test('numbers of one column cost little more than the bits of their range', async () => {
  const bytes = await encodeDocuments(latest, former)
  expect(await decodeDocuments(bytes, former)).toEqual(latest)
  // 6 bits of heartbeat, 17 of load, 17 for each of 2.5 machines on average: 66 of about 8; with what is fixed, less than 12 bytes.
  expect(bytes.length / latest.length).toBeLessThan(12)
})

test('an unchanged batch costs its digest and a few bits', async () => {
  expect((await encodeDocuments(former, former)).length).toBeLessThan(40)
})

test('documents that are new, changed their shape or their types come back as well', async () => {
  const before: (JsonValue | undefined)[] = [undefined, { a: 1 }, { a: 1 }, [1, 2], 'x', { a: { b: null } }, -0.1, { a: true }]
  const after: JsonValue[] = [{ new: true }, { a: 1, b: 2 }, { a: 'one' }, [2, 1], 5, { a: { b: 0.3 } }, 12.75, { a: null }]
  expect(await decodeDocuments(await encodeDocuments(after, before), before)).toEqual(after)
  expect(await decodeDocuments(await encodeDocuments([], []), [])).toEqual([])
})

const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false, 0, 1, 2 ** 53 - 1, -(2 ** 53) + 1, 1e300, 5e-324, 0.1, 1.005, 'text', ''),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('value'), { maxKeys: 4 }),
  ),
})).value

test('any batch comes back as JSON would give it', async () => {
  const pair = fc.tuple(fc.option(json, { nil: undefined }), json, fc.boolean(), fc.integer({ min: -5, max: 5 }))
  await fc.assert(
    fc.asyncProperty(fc.array(pair, { maxLength: 6 }), async (pairs) => {
      const before = pairs.map(([older]) => older)
      const after = pairs.map(([older, newer, similar, more]) =>
        similar && older !== undefined ? mapLeaves(older, (_, leaf) => (typeof leaf === 'number' ? leaf + more : leaf)) : newer,
      )
      expect(JSON.stringify(await decodeDocuments(await encodeDocuments(after, before), before))).toBe(JSON.stringify(after))
    }),
    { numRuns: 500 },
  )
})

test('other former versions are found out', async () => {
  const bytes = await encodeDocuments(latest, former)
  const others = [...former]
  others[5] = node(5, 3)
  expect(await codeOf(decodeDocuments(bytes, others))).toBe('ERR_HDE_BASELINE_MISSING')
  expect(await codeOf(decodeDocuments(bytes, former.slice(1)))).toBe('ERR_HDE_CORRUPT')
})

test('mutated batches give an error of this package, never other documents', async () => {
  const bytes = await encodeDocuments(latest, former)
  const expected = JSON.stringify(latest)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ at: fc.nat(bytes.length - 1), value: fc.nat(255) }), { minLength: 1, maxLength: 3 }),
      async (changes) => {
        const mutated = bytes.slice()
        for (const { at, value } of changes) mutated[at] = value
        try {
          expect(JSON.stringify(await decodeDocuments(mutated, former))).toBe(expected)
        } catch (error) {
          if (!isDwcpError(error)) throw error
          expect(error.code).toMatch(/^ERR_HDE_/)
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

test('limits and what JSON cannot say are refused', async () => {
  const bytes = await encodeDocuments(['long text', 'more'], [undefined, undefined])
  expect(await codeOf(decodeDocuments(bytes, [undefined, undefined], { textBytes: 5 }))).toBe('ERR_HDE_LIMIT')
  bytes[0] = 7
  expect(await codeOf(decodeDocuments(bytes, [undefined, undefined]))).toBe('ERR_HDE_VERSION')
  await expect(encodeDocuments([Number.NaN], [1])).rejects.toThrow(TypeError)
  await expect(encodeDocuments([1], [])).rejects.toThrow(RangeError)
})

test('bits are read as they were written', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2 ** 31 - 1), fc.integer({ min: 0, max: 22 }))), (list) => {
      const writer = new BitWriter()
      for (const [value, more] of list) writer.write(value * 2 ** more, 31 + more)
      const reader = new BitReader(writer.finish())
      for (const [value, more] of list) expect(reader.read(31 + more)).toBe(value * 2 ** more)
      expect(reader.atEnd).toBe(true)
    }),
  )
})
