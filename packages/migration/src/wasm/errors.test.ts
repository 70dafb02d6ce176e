import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { WASM_ERROR_CODES, wasmError } from './errors.js'

test('the README tells cause and remedy of every code, and which can be tried again', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  for (const code of WASM_ERROR_CODES) {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${code}\``))
    expect(
      row?.split('|').filter((cell) => cell.trim() !== ''),
      code,
    ).toHaveLength(3)
    expect(row?.includes('| retryable: '), code).toBe(wasmError(code, '').retryable)
  }
})
