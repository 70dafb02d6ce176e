import { describe, expect, test } from 'vitest'
import { seeded, stateLike } from '../test/implementations.ts'
import { addonWith } from './addon.ts'
import { loadBlake3 } from './hash.ts'

const { addon } = addonWith('blake3')
const ways = [...(addon ? [await loadBlake3({ backend: 'native' })] : []), await loadBlake3({ backend: 'js' })]

/** Of the authors' test_vectors.json: the input counts 0 to 250 over and over; length, and the first bytes of the digest. */
const VECTORS: readonly (readonly [number, string])[] = [
  [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  [1023, '10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11'],
  [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  [1025, 'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444'],
  [2048, 'e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a'],
  [2049, '5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030'],
  [3072, 'b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2'],
  [31744, '62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47'],
  [102400, 'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085'],
]

describe.each(ways)('BLAKE3 by $backend.kind', (blake3) => {
  test.each(VECTORS)('gives the published digest of %i bytes', (length, digest) => {
    const input = Uint8Array.from({ length }, (_, at) => at % 251)
    expect(Buffer.from(blake3.digest(input)).toString('hex')).toBe(digest)
  })

  test('agrees with every other implementation at every number of leaves and lengths between', () => {
    const bytes = stateLike(300_000, seeded(2))
    const next = seeded(5)
    const lengths = [
      ...Array.from({ length: 70 }, (_, leaves) => leaves * 1024),
      ...Array.from({ length: 60 }, () => next() % bytes.length),
    ]
    for (const length of [...lengths, 65_535, 65_537, 131_072, 131_073, 196_608]) {
      for (const other of ways) expect(blake3.digest(bytes.subarray(0, length))).toEqual(other.digest(bytes.subarray(0, length)))
    }
  })

  test('streams that take turns give the digest of the whole at every point', async () => {
    const bytes = stateLike(1_000_000, seeded(6))
    const next = seeded(7)
    const [first, second] = [blake3.stream(), blake3.stream()]
    expect(first.digest()).toEqual(blake3.digest(new Uint8Array()))
    let at = 0
    while (at < bytes.length) {
      const to = Math.min(bytes.length, at + (next() % 200_000))
      await Promise.all([first.update(bytes.subarray(at, to)), second.update(bytes.subarray(0, 70_000))])
      at = to
      expect(first.digest()).toEqual(blake3.digest(bytes.subarray(0, at)))
    }
    await expect(first.update(bytes, { signal: AbortSignal.abort(new Error('no more')) })).rejects.toThrow('no more')
  })
})

test('loads the native one where it is', async () => {
  const blake3 = await loadBlake3()
  expect(blake3.backend.kind).toBe(addon ? 'native' : 'js')
  expect(blake3.backend.reason).toMatch(addon ? /^(?:avx512vl|avx2|plain)$/ : /./)
  if (!addon) await expect(loadBlake3({ backend: 'native' })).rejects.toThrow(expect.objectContaining({ code: 'ERR_NATIVE_UNAVAILABLE' }))
})
