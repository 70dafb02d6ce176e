import { expect, test } from 'vitest'
import { type Measured, rowsOf } from '../../harness/rows.ts'
import { type RunOptions, runSuite, type SuiteResult } from '../../harness/run-suite.ts'
import type { DataNote } from '../../harness/suite.ts'
import { contendersOf } from './figures.ts'
import { goalsOf, goalsTable } from './goals.ts'
import { promisedTable } from './promised.ts'
import { encodingTables } from './tables.ts'

type Figures = Readonly<Record<string, Readonly<Record<string, number>>>>

/** A result of one case: what each contender reached, ours where the name says so. */
async function resultOf(suite: string, name: string, figures: Figures, note: Partial<DataNote> = {}): Promise<SuiteResult> {
  const options: RunOptions = { short: false, command: 'test', onProgress: () => undefined }
  const empty = await runSuite({ name: suite, purpose: '', tools: [], cases: async () => [] }, options)
  const names = [...new Set(Object.values(figures).flatMap((one) => Object.keys(one)))]
  const metrics = names.map((metric) => ({ name: metric, unit: '', better: 'lower' as const, exact: true }))
  const measured = Object.entries(figures).map(
    ([contender, measurement]): Measured => ({
      contender: { name: contender, ours: /^(dwcp|hde|hybrid|in process|delta|learned)/.test(contender) },
      measurements: [measurement],
    }),
  )
  return { ...empty, data: { [name]: { kind: 'VM, made up', bytes: 5e6, ...note } }, rows: rowsOf(suite, { name, metrics }, measured) }
}

test('the figures of each contender are found again in the rows, ours and the peers', async () => {
  const result = await resultOf('delta', 'vite', { 'dwcp delta fast': { bytes: 1 }, 'in process, fast': { bytes: 2 }, lz4: { bytes: 3 } })
  const found = contendersOf(result, 'vite').map(({ name, ours, values }) => [name, ours, values.get('bytes')])
  expect(found).toEqual([
    ['dwcp delta fast', true, 1],
    ['in process, fast', true, 2],
    ['lz4', false, 3],
  ])
  expect(contendersOf(result, 'git')).toEqual([])
})

test('a release is compared with zstd -3, and its smallest with the peer of the fewest bytes', async () => {
  const delta = await resultOf('delta', 'git', {
    'dwcp delta fast': { bytes: 100, encode: 40 },
    'dwcp delta balanced': { bytes: 101, encode: 40 },
    'dwcp delta small': { bytes: 45, encode: 60 },
    'in process, fast': { bytes: 100, encode: 80 },
    'zstd -3': { bytes: 100, encode: 20 },
    bsdiff: { bytes: 50, encode: 2 },
  })
  const goals = goalsOf({ delta })
  expect(goals.map(({ by, mustMet, aimMet }) => [by, mustMet, aimMet])).toEqual([
    ['dwcp delta fast', true, false],
    ['dwcp delta balanced', false, false],
    ['dwcp delta small', true, true],
  ])
  expect(goals.map(({ inside }) => inside?.mustMet)).toEqual([true, undefined, undefined])
  expect(goals.map(({ measured }) => measured)).toEqual([
    '1× at 2× its speed (in process 4×)',
    '1.01× at 2× its speed (in process –×)',
    'bsdiff: 0.9× at 30× its speed (in process –×); 60 MB/s (–)',
  ])
  expect(
    goalsTable(goals)
      .split('\n')
      .map((line) => line.split(' | ').at(-1)),
  ).toEqual(['met |', '--- |', 'must, in process must |', '**no** |', 'aim |'])
})

test('the speed of encoding is a goal only where at most 7 % of the pages changed, and what was not measured has no line', async () => {
  const figures = {
    hybrid: { 'wire bytes': 80, encode: 3, apply: 0.5 },
    'hybrid, changed pages': { apply: 1 },
    'zstd -3': { 'wire bytes': 100 },
  }
  const lines = async (changedRatio: number): Promise<readonly unknown[]> =>
    goalsOf({ encoding: await resultOf('encoding', 'redis guest, 0 to 5 s', figures, { changedRatio }) }).map((goal) => [
      goal.what,
      goal.measured,
      goal.mustMet,
    ])
  const others = [
    ['bytes of a memory / zstd -3', '0.8×', true],
    ['apply, GB/s of changed pages', '0.5', false],
    ['apply, GB/s of changed pages', '1', true],
  ]
  expect(await lines(0.08)).toEqual(others)
  expect(await lines(0.07)).toEqual([others[0], ['encode, GB/s of RAM', '3', true], others[1], others[2]])
})

test('documents have a goal where they were counted one by one', async () => {
  const name = 'node documents, JSON lines'
  const ours = 'in process, documents in batches of 64'
  const counted = await resultOf('delta', name, { [ours]: { 'each document': 25.5 }, 'dwcp delta fast': { bytes: 9 } })
  expect(goalsOf({ delta: counted }).map(({ measured, mustMet, aimMet }) => [measured, mustMet, aimMet])).toEqual([['25.5 B', true, false]])
  const others = await resultOf('delta', 'cluster log', { 'in process, fast': { bytes: 8 }, 'dwcp delta fast': { bytes: 9 } })
  expect(goalsOf({ delta: others })).toEqual([])
})

test('the learned choice is judged by its mean regret and by its worst case against the best fixed one', async () => {
  const met = async (regret: number, above: number): Promise<readonly unknown[]> => {
    const learned = { 'regret, mean': regret, 'above the best fixed, worst pair': above }
    const choice = await resultOf('choice', '30 MB/s', { learned, 'in process, weights': learned })
    return goalsOf({ choice }).map(({ mustMet, aimMet }) => [mustMet, aimMet])
  }
  expect(await met(2.9, -1)).toEqual([[true, true]])
  expect(await met(2.9, 3)).toEqual([[true, false]])
  expect(await met(2.9, 3.1)).toEqual([[false, false]])
  expect(await met(5.1, -1)).toEqual([[false, false]])
})

test('each kind of stream that is decoded without the addon is compared with fzstd', async () => {
  const figures = { 'in process': { decode: 1 }, 'delta stream': { decode: 80 }, 'hde pages': { decode: 1 }, fzstd: { decode: 100 } }
  const goals = goalsOf({ fallback: await resultOf('fallback', 'synthetic memory', figures) })
  expect(goals.map(({ by, measured, mustMet }) => [by, measured, mustMet])).toEqual([['delta stream', '0.8×', true]])
})

test('only ours keep promises, and the block tier only on what it was promised for', async () => {
  const small = { 'first copy': 3.2, 'block tier, first copy': 30 }
  const figures = { 'delta small': small, 'delta balanced': { 'first copy': 3.1 }, 'zstd -3': { 'first copy': 9 } }
  const lines = async (kind: string): Promise<readonly string[]> =>
    promisedTable(await resultOf('promised', 'made up', figures, { kind }))
      .split('\n')
      .slice(2)
  expect(await lines('disk, 2 versions')).toEqual([
    '| made up | disk | **delta small** | – | **3.2×** | – | – | – | **30 %** | – |',
    '| made up | disk | **delta balanced** | – | 3.1× | – | – | – | – | – |',
    '| made up | disk | zstd -3 | – | 9× | – | – | – | – | – |',
  ])
  expect((await lines('log, 2 versions'))[0]).toContain('| 30 % |')
})

test('without results every table says that nothing was measured', () => {
  for (const name of ['goals', 'promised', 'releases', 'start']) expect(encodingTables([]).get(name)).toBe('Not measured yet.')
})
