import { describe, expect, test } from 'vitest'
import { seeded, stateLike } from '../test/implementations.ts'
import { addonWith } from './addon.ts'
import { loadHash } from './index.ts'

const { addon } = addonWith('hash')
const hashes = [...(addon ? [await loadHash({ backend: 'native' })] : []), await loadHash({ backend: 'js' })]

function text(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex')
}

describe.each(hashes)('XXH3-128 by $backend.kind', (hash) => {
  test('gives the published digests in canonical form', () => {
    expect(text(hash.xxh3_128(new Uint8Array()))).toBe('99aa06d3014798d86001c324468d497f')
    expect(text(hash.xxh3_128(Buffer.from('a')))).toBe('a96faf705af16834e6c632b61e964e1f')
    expect(text(hash.xxh3_128(Buffer.from('abc')))).toBe('06b05ab6733a618578af5f94892f3950')
  })

  test('agrees with every other implementation here at every length class', () => {
    const bytes = stateLike(70_000, seeded(2))
    for (const length of [1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 1024, 4096, 16_384, 16_385, 70_000]) {
      for (const other of hashes) expect(hash.xxh3_128(bytes.subarray(0, length))).toEqual(other.xxh3_128(bytes.subarray(0, length)))
    }
  })

  test('hashes pages one by one, the last of them short', () => {
    const bytes = stateLike(10_000, seeded(4))
    const digests = hash.hashPages(bytes, 4096)
    expect(digests).toHaveLength(3 * 16)
    for (const page of [0, 1, 2]) {
      expect(digests.subarray(page * 16, page * 16 + 16)).toEqual(hash.xxh3_128(bytes.subarray(page * 4096, page * 4096 + 4096)))
    }
    expect(hash.hashPages(new Uint8Array(), 4096)).toHaveLength(0)
    expect(() => hash.hashPages(bytes, 0)).toThrow(RangeError)
  })

  test('streams that take turns do not disturb one another', () => {
    const bytes = stateLike(50_000, seeded(6))
    const first = hash.stream()
    const second = hash.stream()
    expect(first.digest()).toEqual(hash.xxh3_128(new Uint8Array()))
    for (let at = 0; at < bytes.length; at += 7001) {
      first.update(bytes.subarray(at, at + 7001))
      hash.xxh3_128(bytes)
      second.update(bytes.subarray(at, at + 3))
    }
    expect(first.digest()).toEqual(hash.xxh3_128(bytes))
    expect(first.digest()).toEqual(first.digest())
    first.update(bytes.subarray(0, 1))
    expect(first.digest()).toEqual(hash.xxh3_128(Buffer.concat([bytes, bytes.subarray(0, 1)])))
    expect(second.digest()).not.toEqual(first.digest())
  })
})

test('loads the native one where it is, and says why it does not', async () => {
  const hash = await loadHash()
  expect(hash.backend.kind).toBe(addon ? 'native' : 'js')
  expect(hash.backend.reason).toMatch(addon ? /^libxxhash\.so\.0 0\.8/ : /./)
  if (!addon) await expect(loadHash({ backend: 'native' })).rejects.toThrow(expect.objectContaining({ code: 'ERR_NATIVE_UNAVAILABLE' }))
})
