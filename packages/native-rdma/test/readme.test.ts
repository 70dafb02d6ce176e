import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folder = join(import.meta.dirname, '..')

test('the README explains every error code of the package, and no other', () => {
  const codes = (file: string): Set<string> => new Set(readFileSync(join(folder, file), 'utf8').match(/ERR_NATIVE_[A-Z_]+/g))
  expect(codes('README.md')).toEqual(codes('src/errors.ts'))
})
