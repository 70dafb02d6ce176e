import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { reported } from './report.ts'
import { keptResults } from './results.ts'

const main = fileURLToPath(new URL('../dist/harness/main.js', import.meta.url))
const bench = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [main, ...args], { maxBuffer: 2 ** 24 })

test('the suites are listed with their purpose', async () => {
  const { stdout } = await bench('--list')
  for (const name of ['chunks', 'delta', 'promised', 'encoding', 'transport', 'migration'])
    expect(stdout).toMatch(new RegExp(`^${name} +[A-Z].+\\.$`, 'm'))
})

test('an unknown suite and a wrong number are refused', async () => {
  await expect(bench('speed')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no suite speed; there are: '),
  })
  await expect(bench('encoding', '--runs', '0')).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('--runs is 0') })
})

test('one case of a suite runs alone, and a case that is not there is refused', async () => {
  const { stdout } = await bench('encoding', '--short', '--case', 'second', '--json', '-')
  expect(JSON.parse(stdout)).toMatchObject([
    { command: 'pnpm bench encoding --short --case second', data: { 'second version, synthetic': {} } },
  ])
  expect(stdout).not.toContain('first copy')
  await expect(bench('encoding', '--short', '--case', 'third')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no such case'),
  })
})

test('a short run prints rows, machine and data as JSON and keeps no result', async () => {
  const before = await keptResults()
  const { stdout } = await bench('encoding', '--short', '--json', '-')
  const results: unknown = JSON.parse(stdout)
  expect(results).toMatchObject([
    {
      suite: 'encoding',
      short: true,
      machine: { node: process.version, cores: expect.any(Number) },
      data: { 'second version, synthetic': { bytes: 8 * 2 ** 20, seed: 7, entropyBitsPerByte: expect.any(Number) } },
      rows: expect.arrayContaining([
        expect.objectContaining({
          suite: 'encoding',
          case: 'second version, synthetic, hybrid',
          metric: 'wire bytes',
          unit: 'B',
          peer: 'v1',
          limit: 0.42,
        }),
      ]),
    },
  ])
  expect(await keptResults()).toEqual(before)
})

test('the documents hold the tables of the kept results, unedited', async () => {
  for (const { was, text } of await reported()) expect(was).toBe(text)
})
