import { encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBounded } from './bounded-msgpack.ts'

const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.integer(),
      fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 300 }),
    ),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value

describe('decoding a message of a peer', () => {
  test('gives back whatever was encoded', () => {
    fc.assert(
      fc.property(value, (sent) => {
        expect(decodeBounded(encode(sent))).toEqual(sent)
      }),
      { numRuns: 300 },
    )
  })

  test('takes no message for whole that was cut, and none for right that goes on', () => {
    const whole = encode({ kind: 'ask', id: 'x', body: { list: [1, 2.5, 'three', null, new Uint8Array(40)] } })
    for (let length = 0; length < whole.length; length++) expect(decodeBounded(whole.subarray(0, length))).toBeUndefined()
    expect(decodeBounded(Uint8Array.of(...whole, 0xc0))).toBeUndefined()
  })

  test('never throws, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeBounded(bytes)),
      { numRuns: 2000 },
    )
  })

  test('takes no memory for what a length claims', () => {
    const claims = [
      Uint8Array.of(0xdd, 0x01, 0xff, 0xff, 0xff),
      Uint8Array.of(0xdf, 0x01, 0xff, 0xff, 0xff),
      Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0xc9, 0xff, 0xff, 0xff, 0xff, 0x01),
    ]
    // Each of 200,000 nested arrays would be 256 MiB to a decoder that believes it.
    claims.push(Buffer.concat(Array.from({ length: 200_000 }, () => Uint8Array.of(0xdd, 0x01, 0xff, 0xff, 0xff))))
    claims.push(new Uint8Array(1 << 20).fill(0x91))
    const before = process.memoryUsage().rss
    for (const bytes of claims) expect(decodeBounded(bytes)).toBeUndefined()
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20)
  })
})
