import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDwcpError } from '@dwcp/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lz4Codecs, seeded, stateLike, zstdCodecs } from '../test/implementations.ts'
import { codecBackend, lz4Compress, lz4Decompress, type NativeErrorCode, zstdCompress, zstdDecompress } from './index.ts'

const NO_BYTES = new Uint8Array()
const encoders = zstdCodecs.filter((codec) => codec.backend.canEncode)
const [encoder] = encoders

// Made by libzstd 1.5.4, level 3: `content` with `prefix`; a stream that declares no size; a frame with a checksum.
const prefix = Uint8Array.from({ length: 1500 }, (_, at) => at * at * 7 + (at >> 3))
const content = Buffer.concat([prefix.subarray(100, 1300), Buffer.from('changed'), prefix.subarray(700, 1500)])
const prefixFrame = hex('28b52ffd60d7069d0000386368616e67656402001db5cf95b5b2d79f81')
const unsized = 'stream of unknown size, stream of unknown size'
const unsizedFrame = hex('28b52ffd0058f50000c073747265616d206f6620756e6b6e6f776e2073697a652c200100ac32c7')
const checked = Array.from({ length: 40 }, (_, at) => `line ${at + 1} of a checked frame\n`).join('')
const checkedFrame = hex(
  '28b52ffd045835040072440e14a0390700a3be7f59d951d5b46f7f92921ebf4ec1e7ffffffb76ddbb6dbb66d0bb42006213837af2d662e418ba27148ba231151292c' +
    'af2d16272080a3921e9fd8d766b6b0cf666db18fcd6c619fcdd8629fcdda621f9bd9d2be6c16912d10daf7709b39604b43f63168b385dba2807d09cd66d4a55964b9' +
    '0b5bc4720b738b402ff109ec5c66c7',
)

function hex(text: string): Uint8Array {
  return Buffer.from(text, 'hex')
}

function code(expected: NativeErrorCode): object {
  return expect.objectContaining({ code: expected })
}

/** Whatever a decoder makes of hostile bytes: at most `maxBytes`, or an error of ours. */
async function survives(work: Promise<Uint8Array>, maxBytes: number): Promise<'decoded' | 'refused'> {
  try {
    expect((await work).length).toBeLessThanOrEqual(maxBytes)
    return 'decoded'
  } catch (error) {
    if (!isDwcpError(error, 'ERR_NATIVE_CORRUPT') && !isDwcpError(error, 'ERR_NATIVE_TOO_LARGE')) throw error
    return 'refused'
  }
}

function mutate(bytes: Uint8Array, next: () => number): Uint8Array {
  const mutant = Uint8Array.from(bytes)
  for (let left = (next() % 4) + 1; left > 0; left -= 1) mutant[next() % mutant.length] = next() & 255
  return next() % 8 === 0 ? mutant.subarray(0, next() % mutant.length) : mutant
}

describe.each(zstdCodecs)('zstd by $backend.kind ($backend.reason)', (zstd) => {
  test('decodes golden frames: with a prefix, without a declared size, with a checksum', async () => {
    expect(Buffer.from(await zstd.decompress(prefixFrame, content.length, prefix)).equals(content)).toBe(true)
    expect(Buffer.from(await zstd.decompress(unsizedFrame, 1 << 20, NO_BYTES)).toString()).toBe(unsized)
    expect(Buffer.from(await zstd.decompress(checkedFrame, 1 << 20, NO_BYTES)).toString()).toBe(checked)
  })

  test('decodes what each encoder here makes to the same bytes', async () => {
    const next = seeded(7)
    for (const { compress } of encoders) {
      for (const length of [0, 1, 100, 4096, 131_072, 131_073, 700_000]) {
        const source = stateLike(length, next)
        const frame = await compress(source, 3, NO_BYTES)
        expect(Buffer.from(await zstd.decompress(frame, length, NO_BYTES)).equals(source)).toBe(true)
        for (const prefixLength of [1, 4096, 300_000]) {
          const old = stateLike(prefixLength, next)
          const changed = Uint8Array.from(source)
          changed.set(old.subarray(0, length >> 1))
          const delta = await compress(changed, 1, old)
          expect(Buffer.from(await zstd.decompress(delta, length, old)).equals(changed)).toBe(true)
        }
      }
    }
  })

  test('decodes every level, over several blocks', async () => {
    const noisy = stateLike(400_000, seeded(11))
    const folder = join(import.meta.dirname, '../native')
    const text = readdirSync(folder).filter((name) => /\.(cc|h)$/.test(name))
    const readable = Buffer.concat([...text, ...text].map((name) => readFileSync(join(folder, name))))
    for (const [{ compress }, source] of encoders.flatMap((one) => [[one, noisy] as const, [one, readable] as const])) {
      for (const level of [-50, -1, 1, 5, 9, 13, 19, 22]) {
        const frame = await compress(source, level, NO_BYTES)
        expect(Buffer.from(await zstd.decompress(frame, source.length, NO_BYTES)).equals(source)).toBe(true)
      }
    }
  })

  test('decodes copies from any distance and of any length around a step, up to the end', async () => {
    const next = seeded(11)
    for (let distance = 1; distance <= 70; distance += 1) {
      const parts = Array.from({ length: 40 }, () => {
        const pattern = Uint8Array.from({ length: distance }, () => next() & 255)
        const repeated = Buffer.alloc(distance + 4 + (next() % 150), pattern)
        return Buffer.concat([repeated, Uint8Array.from({ length: next() % 80 }, () => next() & 255)])
      })
      const repeating = Buffer.concat(parts)
      for (const { compress } of encoders) {
        const frame = await compress(repeating, 3, NO_BYTES)
        expect(Buffer.compare(await zstd.decompress(frame, repeating.length, NO_BYTES), repeating)).toBe(0)
      }
    }
  })

  test('refuses a Huffman table whose weights take no bits, over which fzstd 0.1.1 never ends', async () => {
    const endless = hex('28b52ffd200155000012800104f00300040100')
    await expect(zstd.decompress(endless, 1, NO_BYTES)).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
  })

  test('says so where it cannot encode', async () => {
    const work = zstd.compress(content, 3, NO_BYTES)
    if (zstd.backend.canEncode) return expect((await work).length).toBeLessThan(content.length)
    await expect(work).rejects.toThrow(code('ERR_NATIVE_UNAVAILABLE'))
  })

  test('takes a prefix that begins like a trained dictionary as plain content', async () => {
    if (encoder?.backend.kind !== 'native') return expect(zstdCodecs.every(({ backend }) => backend.kind === 'js')).toBe(true)
    const old = Buffer.concat([hex('37a430ec'), stateLike(5000, seeded(3))])
    // A copy: zstd drops the part of a prefix that overlaps the source in memory.
    const frame = await encoder.compress(Uint8Array.from(old), 3, old)
    expect(frame.length).toBeLessThan(100)
    expect(Buffer.from(await zstd.decompress(frame, old.length, old)).equals(old)).toBe(true)
  })

  test('refuses a frame past the limit, whether it declares its size or not', async () => {
    await expect(zstd.decompress(prefixFrame, content.length - 1, prefix)).rejects.toThrow(code('ERR_NATIVE_TOO_LARGE'))
    await expect(zstd.decompress(unsizedFrame, unsized.length - 1, NO_BYTES)).rejects.toThrow(code('ERR_NATIVE_TOO_LARGE'))
    expect(await zstd.decompress(unsizedFrame, unsized.length, NO_BYTES)).toHaveLength(unsized.length)
    // 2^60 bytes declared, by a frame of one empty block: refused before it is allocated.
    const bomb = hex('28b52ffde00000000000000010010000')
    await expect(zstd.decompress(bomb, 1 << 20, NO_BYTES)).rejects.toThrow(code('ERR_NATIVE_TOO_LARGE'))
  })

  test('refuses less or more content than the frame declares, bytes after it, and a frame for a dictionary', async () => {
    const declares = (size: string, block: string): Uint8Array => hex(`28b52ffd20${size}${block}`)
    const raw = '190000616263'
    expect(Buffer.from(await zstd.decompress(declares('03', raw), 9, NO_BYTES)).toString()).toBe('abc')
    for (const bad of [declares('05', raw), declares('02', raw), declares('03', `${raw}00`), hex('28b52ffd210703190000616263')]) {
      await expect(zstd.decompress(bad, 9, NO_BYTES)).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
    }
  })

  test('refuses every truncation of a frame', async () => {
    for (const [frame, old] of [
      [prefixFrame, prefix],
      [unsizedFrame, NO_BYTES],
      [checkedFrame, NO_BYTES],
    ] as const) {
      for (let length = 0; length < frame.length; length += 1) {
        await expect(zstd.decompress(frame.subarray(0, length), 1 << 20, old)).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
      }
    }
  })

  test('survives random mutations within the limit', async () => {
    const next = seeded(0xd11)
    const larger = encoder ? await encoder.compress(stateLike(20_000, next), 3, prefix) : prefixFrame
    const seen = { decoded: 0, refused: 0 }
    for (let round = 0; round < 600; round += 1) {
      seen[await survives(zstd.decompress(mutate(larger, next), 20_000, prefix), 20_000)] += 1
      seen[await survives(zstd.decompress(mutate(checkedFrame, next), 5_000, NO_BYTES), 5_000)] += 1
      seen[await survives(zstd.decompress(mutate(unsizedFrame, next), 300, NO_BYTES), 300)] += 1
    }
    expect(seen.refused).toBeGreaterThan(100)
  })
})

describe.each(lz4Codecs)('LZ4 by $backend.kind', (lz4) => {
  test('every decoder here decodes what it makes, with a prefix and without', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat(40_000), fc.nat(70_000), async (seed, length, prefixLength) => {
        const next = seeded(seed)
        const old = stateLike(prefixLength, next)
        const source = stateLike(length, next)
        source.set(old.subarray(-(length >> 1)).subarray(0, length >> 1))
        const block = await lz4.compress(source, old.subarray(-65_536))
        for (const decoder of lz4Codecs) {
          expect(Buffer.from(await decoder.decompress(block, length, old.subarray(-65_536))).equals(source)).toBe(true)
        }
      }),
      { numRuns: 25 },
    )
  })

  test('makes blocks that obey the end-of-block rules for every short length', async () => {
    for (let length = 0; length < 80; length += 1) {
      const block = await lz4.compress(new Uint8Array(length).fill(9), NO_BYTES)
      for (const decoder of lz4Codecs) expect(await decoder.decompress(block, length, NO_BYTES)).toEqual(new Uint8Array(length).fill(9))
    }
  })

  test('decodes a golden block whose match overlaps itself', async () => {
    expect(Buffer.from(await lz4.decompress(hex('1f61010001506161616161'), 26, NO_BYTES)).toString()).toBe('a'.repeat(26))
  })

  test('refuses any length but the right one, and every truncation', async () => {
    const source = stateLike(3000, seeded(5))
    const block = await lz4.compress(source, NO_BYTES)
    for (const length of [0, 2999, 3001]) {
      await expect(lz4.decompress(block, length, NO_BYTES)).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
    }
    for (let length = 0; length < block.length; length += 1) {
      await expect(lz4.decompress(block.subarray(0, length), 3000, NO_BYTES)).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
    }
  })

  test('survives random mutations, and refuses a match that points before the prefix', async () => {
    const next = seeded(0x124)
    const block = await lz4.compress(content, prefix)
    for (let round = 0; round < 2000; round += 1)
      await survives(lz4.decompress(mutate(block, next), content.length, prefix), content.length)
    await expect(lz4.decompress(block, content.length, NO_BYTES)).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
  })
})

test('says which backend serves each codec and why', () => {
  const { zstd, lz4 } = codecBackend()
  expect([zstd.kind, lz4.kind]).toEqual([zstdCodecs[0]?.backend.kind, lz4Codecs[0]?.backend.kind])
  expect(zstd.reason).toMatch(zstd.kind === 'native' ? /^libzstd\.so\.1 1\./ : /./)
  expect(lz4.reason).toMatch(lz4.kind === 'native' ? /^liblz4\.so\.1 1\./ : /./)
})

test('the public calls use the chosen backend, with defaults', async () => {
  const source = stateLike(200_000, seeded(1))
  const block = await lz4Compress(source, { prefix: source })
  expect(Buffer.from(await lz4Decompress(block, { lengthBytes: source.length, prefix: source })).equals(source)).toBe(true)
  expect(Buffer.from(await zstdDecompress(prefixFrame, { maxBytes: 5000, prefix })).equals(content)).toBe(true)
  if (!codecBackend().zstd.canEncode) return expect(zstdCompress(source)).rejects.toThrow(code('ERR_NATIVE_UNAVAILABLE'))
  expect(Buffer.from(await zstdDecompress(await zstdCompress(source), { maxBytes: 200_000 })).equals(source)).toBe(true)
})

test('programmer mistakes throw at once', () => {
  expect(() => zstdCompress(NO_BYTES, { level: 23 })).toThrow(RangeError)
  expect(() => zstdCompress(NO_BYTES, { level: 1.5 })).toThrow(RangeError)
  expect(() => zstdDecompress(prefixFrame, { maxBytes: -1 })).toThrow(RangeError)
  expect(() => lz4Decompress(NO_BYTES, { lengthBytes: Number.NaN })).toThrow(RangeError)
  // @ts-expect-error a string is no bytes
  expect(() => lz4Compress('text')).toThrow(TypeError)
  // @ts-expect-error a limit is needed
  expect(() => zstdDecompress(prefixFrame, {})).toThrow(TypeError)
})

test('refuses an LZ4 length that the block cannot hold before allocating it', async () => {
  await expect(lz4Decompress(hex('00'), { lengthBytes: 0x7e000000 })).rejects.toThrow(code('ERR_NATIVE_CORRUPT'))
})
