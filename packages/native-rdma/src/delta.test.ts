import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deltaApply, deltaBackend, deltaMatch, deltaReference } from './delta.ts'
import { applyStreams } from './delta-apply.ts'
import { matchStreams } from './delta-match.ts'
import { referenceOf } from './delta-reference.ts'
import { type DeltaStreams, joinStreams, STREAM_NAMES, splitStreams } from './delta-streams.ts'

/** Deterministic bytes that do not compress. */
function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  let state = seed | 1
  return Uint8Array.from({ length }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state & 255
  })
}

/** A target made of pieces of the base, moved, patched and mixed with new bytes. */
const edits = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('copy' as const), from: fc.nat(4095), length: fc.nat(1500) }),
    fc.record({ kind: fc.constant('new' as const), bytes: fc.uint8Array({ maxLength: 100 }) }),
    fc.record({ kind: fc.constant('patch' as const), at: fc.nat(), add: fc.integer({ min: -70_000, max: 70_000 }) }),
  ),
  { maxLength: 30 },
)
type Edit = typeof edits extends fc.Arbitrary<readonly (infer One)[]> ? One : never

function edited(base: Uint8Array, list: readonly Edit[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const edit of list) {
    const last = parts.at(-1)
    if (edit.kind === 'copy') parts.push(base.slice(edit.from, edit.from + edit.length))
    if (edit.kind === 'new') parts.push(Uint8Array.from(edit.bytes))
    if (edit.kind !== 'patch' || last === undefined || last.length < 4) continue
    const words = new DataView(last.buffer)
    const at = edit.at % (last.length - 3)
    words.setInt32(at, words.getInt32(at, true) + edit.add, true)
  }
  return Buffer.concat(parts)
}

const base = noise(4096, 7)

test('the addon serves where it was built, and says so', () => {
  expect(deltaBackend().kind).toBe(process.env['DWCP_NATIVE'] === 'off' ? 'js' : 'native')
})

describe.each([
  ['the backend of this host', deltaMatch, deltaApply],
  [
    'the JavaScript twin',
    async (target: Uint8Array, from: Uint8Array, { position = 0 } = {}) => matchStreams(target, from, position),
    async (streams: DeltaStreams, from: Uint8Array, { lengthBytes, position = 0 }: { lengthBytes: number; position?: number }) =>
      applyStreams(streams, from, position, lengthBytes),
  ],
] as const)('%s', (_, match, apply) => {
  test('gives back any target, wherever it is said to lie', async () => {
    await fc.assert(
      fc.asyncProperty(edits, fc.integer({ min: -5_000, max: 10_000 }), async (list, position) => {
        const target = edited(base, list)
        const streams = await match(target, base, { position })
        expect(Buffer.from(await apply(streams, base, { lengthBytes: target.length, position })).equals(target)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('describes moved content by copies', async () => {
    const target = Buffer.concat([base.subarray(2000), noise(50, 3), base.subarray(0, 2000)])
    const { literals, copyLengths, literalLengths } = await match(target, base)
    expect(literals.length).toBeLessThanOrEqual(50)
    expect(copyLengths.length + literalLengths.length).toBeLessThan(12)
  })

  test('takes an empty target and an empty base', async () => {
    const empty = new Uint8Array()
    expect(await apply(await match(empty, base), base, { lengthBytes: 0 })).toEqual(empty)
    expect(await apply(await match(base, empty), empty, { lengthBytes: base.length })).toEqual(base)
  })
})

test('addresses that all changed by the same amount are patched, each by that amount', async () => {
  const older = noise(40_000, 9)
  const newer = older.slice()
  const words = new DataView(newer.buffer)
  for (let at = 100; at < 39_000; at += 500) words.setInt32(at, words.getInt32(at, true) + 0x1234, true)
  const amount = [...zigzagVarint(0x1234)]
  for (const streams of [await deltaMatch(newer, older), matchStreams(newer, older, 0)]) {
    expect(streams.literals).toHaveLength(0)
    expect([...streams.patchValues]).toEqual(Array.from({ length: 78 }, () => amount).flat())
  }
})

function zigzagVarint(value: number): number[] {
  const bytes: number[] = []
  let rest = 2 * value
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128)
  return [...bytes, rest]
}

test('both decoders give the same bytes, or both refuse, whatever was done to the streams', async () => {
  const target = edited(base, [
    { kind: 'copy', from: 10, length: 900 },
    { kind: 'patch', at: 77, add: 300 },
    { kind: 'new', bytes: noise(60, 5) },
    { kind: 'copy', from: 3000, length: 800 },
    { kind: 'patch', at: 795, add: -9 },
  ])
  const streams = await deltaMatch(target, base)
  const outcome = async (work: () => Promise<Uint8Array> | Uint8Array): Promise<string> => {
    try {
      return Buffer.from(await work()).toString('hex')
    } catch (error) {
      if (!isDwcpError(error)) throw error
      return error.code
    }
  }
  let refused = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...STREAM_NAMES),
      fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), { maxLength: 3 }),
      fc.integer({ min: -3, max: 3 }),
      async (name, changes, longer) => {
        const stream = Uint8Array.from({ length: Math.max(0, streams[name].length + longer) }, (_one, at) => streams[name][at] ?? 0)
        for (const { at, value } of changes) if (stream.length > 0) stream[at % stream.length] = value
        const mutated = { ...streams, [name]: stream }
        const options = { lengthBytes: target.length }
        const one = await outcome(() => deltaApply(mutated, base, options))
        expect(await outcome(() => applyStreams(mutated, base, 0, target.length))).toBe(one)
        if (one.startsWith('ERR')) refused += 1
      },
    ),
    { numRuns: 2_000 },
  )
  expect(refused).toBeGreaterThan(0)
})

test('the twin needs about as few bytes as the addon', async () => {
  const older = noise(300_000, 21)
  const parts: Uint8Array[] = []
  for (let piece = 0; piece < 100; piece += 1) {
    const copied = older.slice(piece * 2_000, piece * 2_000 + 2_500)
    const words = new DataView(copied.buffer)
    for (let at = 40; at < 2_400; at += 90 + piece) words.setInt32(at, words.getInt32(at, true) + 77, true)
    parts.push(copied, noise(20, piece + 1))
  }
  const target = Buffer.concat(parts)
  const bytesIn = (streams: DeltaStreams): number => STREAM_NAMES.reduce((sum, name) => sum + streams[name].length, 0)
  const [native, twin] = [await deltaMatch(target, older), matchStreams(target, older, 0)]
  expect(bytesIn(twin)).toBeLessThan(bytesIn(native) * 1.1)
  expect(bytesIn(native)).toBeLessThan(bytesIn(twin) * 1.1)
  expect(Buffer.compare(applyStreams(twin, older, 0, target.length), target)).toBe(0)
})

test('both find the same reference for any operations, however much of it there may be', async () => {
  const long = noise(5 << 20, 11)
  await fc.assert(
    fc.asyncProperty(edits, fc.nat(400_000), async (list, literalBytes) => {
      const target = edited(base, list)
      const streams = await deltaMatch(target, long.subarray(0, 3 << 20))
      const options = { lengthBytes: target.length, literalBytes }
      const found = await deltaReference(streams, long, options)
      expect(Buffer.compare(referenceOf(streams, long, 0, target.length, literalBytes), found)).toBe(0)
      expect(found.length).toBeLessThanOrEqual(literalBytes * 16 + 65_536)
    }),
    { numRuns: 30 },
  )
  const streams = await deltaMatch(base, base)
  await expect(deltaReference(streams, base, { lengthBytes: 10, literalBytes: 1 })).rejects.toMatchObject({ code: 'ERR_NATIVE_CORRUPT' })
  await expect(deltaReference(streams, base.subarray(1), { lengthBytes: 4096, literalBytes: 1 })).rejects.toMatchObject({
    code: 'ERR_NATIVE_CORRUPT',
  })
})

test('at effort small what occurs again and again is left to the literals, which say it once for less', async () => {
  if (deltaBackend().kind === 'js') return
  const words = Array.from({ length: 40 }, (_, word) => Buffer.from(noise(5, word + 1).map((byte) => 97 + (byte % 26))))
  const phrase = Buffer.from(noise(60, 40))
  const join = (seed: number): Uint8Array =>
    Buffer.concat([...noise(20_000, seed)].flatMap((byte, at) => [words[byte % 40] ?? phrase, ...(at % 10 === 0 ? [phrase] : [])]))
  const [older, newer] = [join(1_001), join(900_001)]
  const operations = async (effort: 'balanced' | 'small'): Promise<number> =>
    (await deltaMatch(newer, older, { effort })).copyLengths.length
  expect(await operations('small')).toBeLessThan((await operations('balanced')) / 3)
})

test('streams survive being joined and split', async () => {
  const streams = await deltaMatch(noise(3_000, 4), base)
  expect(splitStreams(joinStreams(streams))).toEqual(streams)
})

test('refuses what cannot be', async () => {
  const streams = await deltaMatch(base, base)
  await expect(deltaApply(streams, base, { lengthBytes: -1 })).rejects.toThrow(RangeError)
  await expect(deltaMatch(base, base, { position: 0.5 })).rejects.toThrow(RangeError)
  await expect(deltaApply(streams, base.subarray(1), { lengthBytes: base.length })).rejects.toMatchObject({ code: 'ERR_NATIVE_CORRUPT' })
})
