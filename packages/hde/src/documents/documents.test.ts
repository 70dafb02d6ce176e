import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeDocumentBytes, decodeDocuments, encodeDocumentBytes, encodeDocuments, type JsonValue } from '../index.ts'
import { msgpackOfNode } from './msgpack.ts'
import { ArrayNode, MapNode } from './tree.ts'

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
  // 6 bits of heartbeat, 17 of load, 17 for each of 2.5 machines on average: about 8 bytes; with what is fixed, less than 12.
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

/** The same with other numbers. */
function moved(value: JsonValue, by: number): JsonValue {
  if (typeof value === 'number') return Number.isFinite(value + by) ? value + by : value
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((member) => moved(member, by))
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, moved(member, by)]))
}

const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      null,
      true,
      false,
      0,
      1,
      2 ** 53 - 1,
      -(2 ** 53) + 1,
      1e300,
      5e-324,
      0.1,
      1.005,
      'text',
      '',
      'a\n%d"\\\ud800',
      '05',
      'node-00017',
      '5@aa55bb66cc77',
    ),
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
      const after = pairs.map(([older, newer, similar, more]) => (similar && older !== undefined ? moved(older, more) : newer))
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
  const none = [undefined, undefined]
  const bytes = await encodeDocuments(['long text', ['more', 1]], none)
  expect(await codeOf(decodeDocuments(bytes, none, { limits: { documents: 2, nodes: 2, documentBytes: 20 } }))).toBe('none')
  expect(await codeOf(decodeDocuments(bytes, none, { limits: { documents: 1 } }))).toBe('ERR_HDE_LIMIT')
  expect(await codeOf(decodeDocuments(bytes, none, { limits: { nodes: 1 } }))).toBe('ERR_HDE_LIMIT')
  expect(await codeOf(decodeDocuments(bytes, none, { limits: { documentBytes: 5 } }))).toBe('ERR_HDE_LIMIT')
  bytes[0] = 7
  expect(await codeOf(decodeDocuments(bytes, none))).toBe('ERR_HDE_VERSION')
  await expect(encodeDocuments([Number.NaN], [1])).rejects.toThrow(TypeError)
  await expect(encodeDocuments([1], [])).rejects.toThrow(RangeError)
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(encodeDocuments([1], [1], { signal })).rejects.toThrow('enough')
  await expect(decodeDocuments(bytes, none, { signal })).rejects.toThrow('enough')
})

test('a few bits cannot ask for more than the limits', async () => {
  const many: JsonValue[] = [Array.from({ length: 100_000 }, () => 0), Array.from({ length: 500 }, () => 'x'.repeat(1_000))]
  const none = [undefined, undefined]
  expect(await codeOf(encodeDocuments(many, none))).toBe('ERR_HDE_LIMIT')
  const bytes = await encodeDocuments(many, none, { limits: { nodes: 100_500 } })
  expect(bytes.length).toBeLessThan(200)
  expect(await decodeDocuments(bytes, none, { limits: { nodes: 100_500 } })).toEqual(many)
  expect(await codeOf(decodeDocuments(bytes, none, { limits: { nodes: 100_499 } }))).toBe('ERR_HDE_LIMIT')
  expect(await codeOf(decodeDocuments(bytes, none, { limits: { documentBytes: 499_999 } }))).toBe('ERR_HDE_LIMIT')
})

test('documents nested too deeply for columns go as text', async () => {
  let deep: JsonValue = 1
  for (let depth = 0; depth < 500; depth += 1) deep = [deep]
  const bytes = await encodeDocuments([deep, { a: 1 }], [undefined, { a: 0 }])
  expect(await decodeDocuments(bytes, [undefined, { a: 0 }])).toEqual([deep, { a: 1 }])
})

describe('documents as bytes', () => {
  const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))

  test('JSON texts come back byte by byte, also those that JSON would write otherwise', async () => {
    const before = [text('{"a":1,"b":[0.5]}'), text('{ "a": 1 }'), undefined, text('{"a":1}')]
    const after = ['{"a":2,"b":[1.5]}', '{ "a": 2 }', '{"2":1,"1":1e5}', 'no JSON \u0000'].map(text)
    const bytes = await encodeDocumentBytes(after, before, { form: 'json' })
    expect(await decodeDocumentBytes(bytes, before, { form: 'json' })).toEqual(after)
    expect(await codeOf(decodeDocumentBytes(bytes, before, { form: 'msgpack' }))).toBe('ERR_HDE_CORRUPT')
  })

  test('JSON texts cost what their values cost', async () => {
    const [older, newer] = [former, latest].map((list) => list.map((value) => text(JSON.stringify(value))))
    const bytes = await encodeDocumentBytes(newer ?? [], older ?? [], { form: 'json' })
    expect(bytes.length).toBe((await encodeDocuments(latest, former)).length)
    expect(await decodeDocumentBytes(bytes, older ?? [], { form: 'json' })).toEqual(newer)
  })

  test('any bytes come back as MessagePack documents', async () => {
    const bytes = fc.uint8Array({ maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.option(bytes, { nil: undefined }), bytes), { maxLength: 5 }), async (pairs) => {
        const before = pairs.map(([older]) => older)
        const after = pairs.map(([, newer]) => newer)
        const frame = await encodeDocumentBytes(after, before, { form: 'msgpack' })
        expect(await decodeDocumentBytes(frame, before, { form: 'msgpack' })).toEqual(after)
      }),
      { numRuns: 300 },
    )
  })

  test('MessagePack longer than any buffer costs what its values cost', async () => {
    const value = (load: number) =>
      new MapNode(
        ['list'],
        [new ArrayNode(Array.from({ length: 2_000 }, (_, at) => new MapNode(['id', 'load'], [`node-${at}`, load + at / 4])))],
      )
    const [before, after] = [[msgpackOfNode(value(5))], [msgpackOfNode(value(6))]]
    const frame = await encodeDocumentBytes(after, before, { form: 'msgpack' })
    expect(await decodeDocumentBytes(frame, before, { form: 'msgpack' })).toEqual(after)
    expect(frame.length).toBeLessThan(300)
  })

  test.each([
    ['integers past 2^53', 'cf7fffffffffffffff', 'cf8000000000000001'],
    ['the least integer', 'd38000000000000000', 'd38000000000000001'],
    ['floats of 32 and 64 bits', '93ca3f800000cb3ff0000000000000cb8000000000000000', '93ca3fc00000cb4000000000000000cb7ff8000000000000'],
    ['binary and extensions', '83a162c403010203a165d6ff00000001a166c704050a0b0c0d', '83a162c403010203a165d6ff00000002a166c704050a0b0c0e'],
    ['integers in more bytes than they need', '81a161cd0001', '81a161cd0002'],
    ['keys that are no texts', '810102', '810103'],
    ['a text that is not UTF-8', 'a1ff', 'a1fe'],
  ])('MessagePack keeps %s', async (_what, older, newer) => {
    const [before, after] = [[Buffer.from(older, 'hex')], [Buffer.from(newer, 'hex')]]
    const frame = await encodeDocumentBytes(after, before, { form: 'msgpack' })
    const [back] = await decodeDocumentBytes(frame, before, { form: 'msgpack' })
    expect(Buffer.from(back ?? []).toString('hex')).toBe(newer)
  })
})
