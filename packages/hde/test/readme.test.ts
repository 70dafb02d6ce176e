import { readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const readme = read('../README.md')

test('the quick start of the README is the one that runs here', async () => {
  expect(readme).toContain(read('./quick-start.ts').replace('../src/index.ts', '@dwcp/hde'))
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  await import('./quick-start.ts')
  const said = write.mock.calls.map(([text]) => String(text))
  write.mockRestore()
  expect(said[0]).toBe('pages 0,1\n')
  expect(said[1]).toMatch(/^8192 bytes became \d{2,3}\n$/)
})

test('the README explains every error code of this package, and no other', () => {
  const codes = (text: string): readonly string[] => [...new Set(text.match(/ERR_HDE_[A-Z_]+/g))].sort()
  const declared = read('../src/errors.ts').split('export type HdeErrorCode')[1]?.split('export function')[0] ?? ''
  const table = readme.split('## Errors')[1]?.split('## Limits')[0] ?? ''
  expect(codes(declared)).toHaveLength(9)
  expect(codes(table)).toEqual(codes(declared))
})
