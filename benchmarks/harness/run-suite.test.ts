import { expect, test } from 'vitest'
import { markdownTable, terminalTable } from './format.ts'
import { mergeResults } from './merge.ts'
import { withPlaces, withTables } from './report.ts'
import { keepsLimit } from './rows.ts'
import { runSuite, type SuiteResult } from './run-suite.ts'
import type { Case, Contender, Metric, Suite } from './suite.ts'

const bytes: Metric = { name: 'bytes', unit: 'B', better: 'lower', exact: true, limits: { ours: { peer: 0.5 } } }
const seconds: Metric = { name: 'time', unit: 's', better: 'lower', exact: false }

/** A suite of one case; each contender gives its values in turn and writes its name into `order`. */
function suiteOf(
  metrics: readonly Metric[],
  values: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>>,
  order: string[] = [],
): Suite {
  const contenders = Object.entries(values).map(([name, measurements]): Contender => {
    let turn = 0
    const run = async (): Promise<Readonly<Record<string, number>>> => {
      order.push(name)
      const measurement = measurements[turn++ % measurements.length]
      if (measurement === undefined) throw new Error('wrong result')
      return measurement
    }
    return { name, ours: name.startsWith('ours'), run }
  })
  const subject: Case = {
    name: 'case',
    metrics,
    warmups: 0,
    open: async () => ({
      data: { kind: 'made up', bytes: 3, seed: 5 },
      contenders,
      [Symbol.asyncDispose]: async () => void order.push('closed'),
    }),
  }
  return { name: 'made-up', purpose: 'Tests the harness.', tools: [], cases: async () => [subject] }
}

const run = (suite: Suite, short = false): ReturnType<typeof runSuite> =>
  runSuite(suite, { short, command: 'test', onProgress: () => undefined })

test('the contenders run in turn, and the case is closed after them', async () => {
  const order: string[] = []
  await run(suiteOf([seconds], { ours: [{ time: 1 }], peer: [{ time: 2 }] }, order))
  expect(order).toEqual(['ours', 'peer', 'ours', 'peer', 'ours', 'peer', 'closed'])
})

test('a row holds the medians, the spread and the ratio of ours to the peer', async () => {
  const { rows } = await run(
    suiteOf([seconds], { ours: [{ time: 1 }, { time: 9 }, { time: 2 }], peer: [{ time: 4 }, { time: 3 }, { time: 5 }] }),
  )
  expect(rows).toEqual([
    {
      suite: 'made-up',
      case: 'case',
      metric: 'time',
      unit: 's',
      better: 'lower',
      value: 2,
      min: 1,
      max: 9,
      runs: 3,
      peer: 'peer',
      peerValue: 4,
      peerMin: 3,
      peerMax: 5,
      peerRuns: 3,
      ratio: 0.5,
    },
  ])
})

test('each of ours stands beside each peer, and alone where there is none', async () => {
  const rows = (
    await run(suiteOf([seconds], { 'ours a': [{ time: 1 }], 'ours b': [{ time: 2 }], peer: [{ time: 4 }], other: [{ time: 8 }] }))
  ).rows
  expect(rows.map((row) => [row.case, row.peer, row.ratio])).toEqual([
    ['case, ours a', 'peer', 0.25],
    ['case, ours a', 'other', 0.125],
    ['case, ours b', 'peer', 0.5],
    ['case, ours b', 'other', 0.25],
  ])
  expect((await run(suiteOf([seconds], { ours: [{ time: 1 }] }))).rows).toHaveLength(1)
})

test('an exact figure past its limit breaks it, and one at its limit keeps it', async () => {
  const ratio = async (value: number): Promise<boolean[]> =>
    (await run(suiteOf([bytes], { ours: [{ bytes: value }], peer: [{ bytes: 100 }] }))).rows.map(keepsLimit)
  expect(await ratio(50)).toEqual([true])
  expect(await ratio(51)).toEqual([false])
})

test('a limit on a figure that depends on the machine is refused', async () => {
  await expect(run(suiteOf([{ ...seconds, limits: { ours: { peer: 1 } } }], { ours: [{ time: 1 }] }))).rejects.toThrow(TypeError)
})

test('a run with a wrong result gives no result at all, and the case is still closed', async () => {
  const order: string[] = []
  await expect(run(suiteOf([seconds], { ours: [] }, order))).rejects.toThrow('the run of ours went wrong')
  expect(order).toEqual(['ours', 'closed'])
})

test('a run that never ends is given up, and the case is closed', async () => {
  const order: string[] = []
  const suite = suiteOf([seconds], {}, order)
  const [subject] = await suite.cases({ short: true, wanted: () => true, note: () => undefined })
  if (subject === undefined) throw new TypeError('no case')
  const open: Case['open'] = async (context) => {
    const contenders: Contender[] = [{ name: 'ours', ours: true, run: () => new Promise(() => undefined) }]
    return { ...(await subject.open(context)), contenders }
  }
  const stuck: Suite = { ...suite, cases: async () => [{ ...subject, open }] }
  await expect(runSuite(stuck, { short: true, command: 'test', runTimeoutMs: 5, onProgress: () => undefined })).rejects.toThrow(
    'the run of ours went wrong',
  )
  expect(order).toEqual(['closed'])
})

test('the short form runs each contender once and says that it was short', async () => {
  const result = await run(suiteOf([seconds], { ours: [{ time: 1 }], peer: [{ time: 2 }] }), true)
  expect(result.short).toBe(true)
  expect(result.rows[0]?.runs).toBe(1)
})

test('a slow contender runs once, without a warm-up, and its row says so', async () => {
  const order: string[] = []
  const suite = suiteOf([seconds], { ours: [{ time: 1 }], peer: [{ time: 2 }] }, order)
  const [subject] = await suite.cases({ short: false, wanted: () => true, note: () => undefined })
  if (subject === undefined) throw new TypeError('no case')
  const open: Case['open'] = async (context) => {
    const opened = await subject.open(context)
    return { ...opened, contenders: opened.contenders.map((contender) => (contender.ours ? contender : { ...contender, slow: true })) }
  }
  const { rows } = await run({ ...suite, cases: async () => [{ ...subject, warmups: 1, open }] })
  expect(order).toEqual(['ours', 'ours', 'peer', 'ours', 'ours', 'closed'])
  expect(rows).toMatchObject([{ runs: 3, peerRuns: 1 }])
})

test('peers of a case that we have nothing for stand alone, with no value of ours and no ratio', async () => {
  const { rows } = await run(suiteOf([bytes], { peer: [{ bytes: 100 }], other: [{ bytes: 90 }] }))
  expect(rows.map(({ peer, peerValue }) => [peer, peerValue])).toEqual([
    ['peer', 100],
    ['other', 90],
  ])
  for (const row of rows) for (const key of ['value', 'runs', 'ratio']) expect(row).not.toHaveProperty(key)
  expect(rows.every(keepsLimit)).toBe(true)
})

test('with many peers a table has a line for each, ours first, and the ratio of ours to it', async () => {
  const peers = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name, index) => [name, [{ bytes: 50 * (index + 1) }]]))
  const table = markdownTable(await run(suiteOf([bytes], { ours: [{ bytes: 25 }], ...peers })))
  const lines = table.split('\n').filter((line) => line.startsWith('| case |'))
  expect(lines).toEqual([
    '| case | by | runs | bytes, B |',
    '| case | **ours** | 3 | 25 |',
    '| case | a | 3 | 50; 0.500× |',
    '| case | b | 3 | 100; 0.250× |',
    '| case | c | 3 | 150; 0.167× |',
    '| case | d | 3 | 200; 0.125× |',
    '| case | e | 3 | 250; 0.100× |',
  ])
})

test('with many peers and several of ours, each contender has one line, and a broken limit is said', async () => {
  const peers = Object.fromEntries(['peer', 'b', 'c', 'd', 'e'].map((name) => [name, [{ bytes: 100 }]]))
  const limits = { 'ours x': { peer: 0.5 }, 'ours y': { peer: 0.5 } }
  const suite = suiteOf([{ ...bytes, limits }], { 'ours x': [{ bytes: 50 }], 'ours y': [{ bytes: 51 }], ...peers })
  const lines = markdownTable(await run(suite)).split('\n')
  expect(lines.filter((line) => line.startsWith('| case |')).slice(1, 5)).toEqual([
    '| case | **ours x** | 3 | 50 |',
    '| case | **ours y** | 3 | 51, limit BROKEN |',
    '| case | peer | 3 | 100 |',
    '| case | b | 3 | 100 |',
  ])
})

test('tables state the data, the machine and the command', async () => {
  const result = await run(suiteOf([bytes], { ours: [{ bytes: 80 }], peer: [{ bytes: 100 }] }))
  expect(terminalTable(result)).toContain('100; 0.800×, limit 0.5 BROKEN')
  const table = markdownTable(result)
  for (const stated of [
    'made up, 3 bytes, seed 5',
    '`test`',
    result.machine.cpu,
    process.version,
    '| case | bytes, B | 80 | 3 | 100; 0.800×',
  ])
    expect(table).toContain(stated)
})

test('the report fills the place of a table, keeps the text around it and makes a place for a new suite', () => {
  const filled = withTables('before\n<!-- table made-up -->\nold\n<!-- end -->\nafter\n', new Map([['made-up', 'new']]))
  expect(filled).toBe('before\n<!-- table made-up -->\nnew\n<!-- end -->\nafter\n')
  expect(withTables('# Title\n', new Map([['made-up', 'new']]))).toBe('# Title\n')
  expect(withPlaces('# Title\n', [{ suite: 'made-up' }])).toBe('# Title\n\n## made-up\n<!-- table made-up -->\n<!-- end -->\n')
  expect(() => withTables('<!-- table made-up -->', new Map([['made-up', 'new']]))).toThrow('has no <!-- end --> after it')
})

/** As `suiteOf`, its only case under each of these names. */
function suiteOfCases(names: readonly string[], time = 1): Suite {
  const suite = suiteOf([seconds], { ours: [{ time }], 'ours too': [{ time }], peer: [{ time: 2 }] })
  return { ...suite, cases: async (context) => (await suite.cases(context)).flatMap((one) => names.map((name) => ({ ...one, name }))) }
}

test('each case is told when it is done, with what was measured before it', async () => {
  const told: string[][] = []
  const onCase = async ({ data, cases }: SuiteResult): Promise<void> => {
    expect(Object.keys(cases ?? {})).toEqual(Object.keys(data))
    told.push(Object.keys(data))
  }
  await runSuite(suiteOfCases(['a', 'b']), { short: false, command: 'test', onProgress: () => undefined, onCase })
  expect(told).toEqual([['a'], ['a', 'b']])
})

test('a case that need not run is left out, and the suite can tell before it makes its data', async () => {
  const wanted: boolean[] = []
  const suite = suiteOfCases(['a', 'b'])
  const asking: Suite = {
    ...suite,
    cases: async (context) => {
      wanted.push(context.wanted('a'), context.wanted('b'))
      return suite.cases(context)
    },
  }
  const result = await runSuite(asking, { short: false, command: 'test', skips: (name) => name === 'a', onProgress: () => undefined })
  expect([wanted, Object.keys(result.data)]).toEqual([[false, true], ['b']])
})

test('a case measured again takes the place of what was kept of it, and the others stay', async () => {
  const measure = async (names: readonly string[], time: number, command: string): Promise<SuiteResult> =>
    runSuite(suiteOfCases(names, time), { short: false, command, onProgress: () => undefined })
  const [kept, fresh] = [await measure(['a', 'a b', 'c'], 1, 'whole'), await measure(['a'], 5, 'again')]
  const merged = mergeResults(kept, fresh)
  expect(Object.keys(merged.data)).toEqual(['a', 'a b', 'c'])
  expect(Object.values(merged.cases ?? {}).map(({ command }) => command)).toEqual(['again', 'whole', 'whole'])
  expect(merged.rows.filter((row) => row.case === 'a, ours').map(({ value }) => value)).toEqual([5])
  expect(merged.rows.filter((row) => row.case === 'a b, ours').map(({ value }) => value)).toEqual([1])
  expect(merged.rows).toHaveLength(kept.rows.length)
  const table = markdownTable(merged)
  expect(table).toContain('Last measured')
  for (const [name, command] of [
    ['a', 'again'],
    ['c', 'whole'],
  ])
    expect(table).toMatch(new RegExp(`data of \\*${name}\\*.*by \`${command}\``))
  expect(markdownTable(kept)).toMatch(/^Measured .*by `whole`/m)
})

test('a case that reads like one of ours in another is refused', async () => {
  await expect(run(suiteOfCases(['a', 'a, b']))).rejects.toThrow(TypeError)
})

test('figures of another machine do not stay beside new ones', async () => {
  const kept = await run(suiteOfCases(['a', 'b']))
  const fresh = await run(suiteOfCases(['a']))
  expect(mergeResults({ ...kept, machine: { ...kept.machine, cpu: 'another' } }, fresh)).toBe(fresh)
})
