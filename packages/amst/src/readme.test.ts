import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { AMST_ERROR_CODES } from './errors.ts'
import { DEFAULT_LIMITS, resolveLimits } from './limits.ts'
import { V1_DEFAULT_LIMITS } from './v1/limits.ts'

const page = await readFile(new URL('../README.md', import.meta.url), 'utf8')

test('every error code has its cause and remedy in the README, and no other is there', () => {
  const rows = [...page.matchAll(/^\| `(ERR_AMST_[A-Z_]+)` \| [^|]+ \| [^|]+ \|$/gm)].map((row) => row[1])
  expect(rows).toEqual([...AMST_ERROR_CODES])
})

test('every limit is in the README', () => {
  for (const name of [...Object.keys(DEFAULT_LIMITS), ...Object.keys(V1_DEFAULT_LIMITS)]) expect(page).toContain(`\`${name}\``)
})

test('limits are refused where they are unknown, not positive integers, or at odds', () => {
  expect(() => resolveLimits(JSON.parse('{"chunkBites":1}'))).toThrow(/chunkBites.*chunkBytes/)
  expect(() => resolveLimits({ openObjects: 0 })).toThrow(RangeError)
  expect(() => resolveLimits({ openObjects: 2 ** 31 })).toThrow(RangeError)
  expect(() => resolveLimits({ chunkBytes: 2_097_152 })).toThrow(/quarter/)
  expect(() => resolveLimits({ initialWindowBytes: 16_777_216 })).toThrow(/objectWindowBytes/)
  expect(() => resolveLimits({ messageBytes: 16_777_216 })).toThrow(/queueBytes/)
  expect(resolveLimits({ openObjects: 1 }).openObjects).toBe(1)
})
