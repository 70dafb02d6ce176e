import type { Clock } from '@dwcp/interface'
import { systemClock } from '@dwcp/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCodec } from '../src/index.ts'

const PAGE_BYTES = 4096
const PAGES = 64
const regions = [{ pageBytes: PAGE_BYTES, lengthBytes: PAGES * PAGE_BYTES, maxLengthBytes: PAGES * PAGE_BYTES }]
const all = Uint32Array.from({ length: PAGES }, (_, page) => page)

function table(seed: number): Uint8Array {
  return new Uint8Array(Uint32Array.from({ length: PAGES * 1024 }, (_, at) => (at % 3 === 0 ? at * seed : at >>> 8)).buffer)
}

function touched(memory: Uint8Array): Uint8Array {
  const next = memory.slice()
  for (let page = 0; page < PAGES; page += 2) next.fill(page, page * PAGE_BYTES + 64, page * PAGE_BYTES + 100)
  return next
}

/** Each call is a second later: everything takes long. */
function slowClock(): Clock {
  let now = 0
  return { ...systemClock, monotonicMs: () => (now += 1000) }
}

/** All that is measured takes no time: nothing is learned of it. */
function stillClock(): Clock {
  return { ...systemClock, monotonicMs: () => 0 }
}

describe('an encoder that knows its link', () => {
  const memories = [table(7), touched(table(7)), table(11)]

  test.each([2e6, 30e6, 125e6, 1.25e9, 5e9])('is understood at %d bytes a second, and tells what it chose', async (bytesPerSecond) => {
    const codec = createCodec({ shareBytesPerSecond: () => bytesPerSecond })
    const [encoder, decoder] = [codec.encoder({ workload: 'w', regions }), codec.decoder({ workload: 'w', regions })]
    for (const bytes of memories) {
      const arrived = new Uint8Array(bytes.length)
      for (const frame of await encoder.encode({ kind: 'pages', region: 0, pages: all, bytes })) {
        for (const chunk of await decoder.decode(frame)) {
          if (chunk.kind !== 'pages') continue
          for (const [index, page] of chunk.pages.entries()) {
            arrived.set(chunk.bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES), page * PAGE_BYTES)
          }
        }
      }
      expect(Buffer.compare(arrived, bytes)).toBe(0)
    }
    const { choice } = encoder.stats()
    expect(choice?.bytesPerSecond).toBe(bytesPerSecond)
    const methods = Object.values(choice?.methods ?? {})
    expect(methods.reduce((sum, { batches }) => sum + batches, 0)).toBe(memories.length)
    for (const { bytes, pageBytes, bytesExpected } of methods) {
      expect(bytes).toBeLessThanOrEqual(pageBytes)
      expect(bytesExpected).toBeGreaterThan(0)
    }
  })

  test('leaves it to the profile where nothing is known of the link, and in a roll-back to v1', async () => {
    for (const [profile, rate] of [
      ['hybrid', undefined],
      ['hybrid', 0],
      ['v1', 125e6],
    ] as const) {
      const codec = createCodec({ profile: () => profile, shareBytesPerSecond: () => rate })
      const encoder = codec.encoder({ workload: 'w', regions })
      const plain = createCodec({ profile: () => profile }).encoder({ workload: 'w', regions })
      const chunk = { kind: 'pages', region: 0, pages: all, bytes: table(7) } as const
      expect((await encoder.encode(chunk)).map((frame) => frame.length)).toEqual((await plain.encode(chunk)).map((frame) => frame.length))
      expect(encoder.stats().choice?.methods).toEqual({})
      expect(plain.stats().choice).toBeUndefined()
    }
  })

  test('steps aside where codecs turn out to take longer than the link', async () => {
    const encoder = createCodec({ shareBytesPerSecond: () => 30e6, clock: slowClock() }).encoder({ workload: 'w', regions })
    for (let seed = 1; seed < 40; seed += 1) await encoder.encode({ kind: 'pages', region: 0, pages: all, bytes: table(seed * 2 + 1) })
    const before = encoder.stats().payloadBytes.raw
    await encoder.encode({ kind: 'stopped' })
    await encoder.encode({ kind: 'pages', region: 0, pages: all, bytes: table(101) })
    expect(encoder.stats().payloadBytes.raw).toBe(before + PAGES * PAGE_BYTES)
  })

  test('compresses no more from the batch on that the link outruns it, and again where it no longer does', async () => {
    let bytesPerSecond = 2e6
    const encoder = createCodec({ shareBytesPerSecond: () => bytesPerSecond, clock: stillClock() }).encoder({ workload: 'w', regions })
    const compressions = (): number => {
      const batches = Object.entries(encoder.stats().choice?.methods ?? {})
      return batches.reduce((sum, [name, method]) => sum + (name === 'raw' || name === 'delta 0' ? 0 : method.batches), 0)
    }
    const compressed = async (seed: number): Promise<boolean> => {
      const before = compressions()
      await encoder.encode({ kind: 'pages', region: 0, pages: all, bytes: table(seed) })
      return compressions() > before
    }
    const seen: boolean[] = []
    for (const [turn, rate] of [2e6, 1e11, 1e11, 2e6].entries()) {
      bytesPerSecond = rate
      seen.push(await compressed(turn * 2 + 7))
    }
    expect(seen).toEqual([true, false, false, true])
  })

  test('refuses an exploration that is no share', () => {
    const ratio = fc.oneof(fc.double({ min: 1.0001 }), fc.double({ max: -1e-9 }), fc.constant(Number.NaN))
    fc.assert(
      fc.property(ratio, (explorationRatio) => {
        expect(() => createCodec({ explorationRatio })).toThrow(RangeError)
      }),
    )
  })
})
