import { expect, test } from 'vitest'
import { createPalette } from '../output.js'
import type { Conversation, DemoMigration } from './demo-options.js'
import { directionLines, summarize, summaryLines } from './demo-report.js'

const talk: Conversation = {
  answered: 1234,
  lost: 0,
  repeated: 0,
  wrong: 0,
  resent: 2,
  latencyMs: { p50: 0.5, p99: 3, max: 25 },
  gapMs: { median: 1.5, max: 26 },
}
const migration: DemoMigration = {
  workload: 'memory',
  from: 'demo-a',
  to: 'demo-b',
  epoch: 2,
  digest: 'pages-xxh3-128:00',
  totalMs: 2000,
  pausedMs: 20,
  pause: { lastRoundMs: 10, transferMs: 8, startMs: 2 },
  rawBytes: 64 * 2 ** 20,
  wireBytes: 32 * 2 ** 20,
  budgetMs: 100,
  encoding: {
    rawBytes: 64 * 2 ** 20,
    wireBytes: 32 * 2 ** 20,
    pages: { zero: 1384, unchanged: 0, duplicate: 0, delta: 0, full: 15_000 },
    payloadBytes: { raw: 0, lz4: 0, zstd: 32 * 2 ** 20, delta: 0 },
  },
  rounds: [
    {
      rawBytes: 63 * 2 ** 20,
      wireBytes: 31 * 2 ** 20,
      durationMs: 1900,
      remainingBytes: 2 ** 20,
      dirtyBytesPerSecond: 1,
      throttleRatio: 0,
      downtimeMsPredicted: 9,
    },
    {
      rawBytes: 2 ** 20,
      wireBytes: 2 ** 20,
      durationMs: 15,
      remainingBytes: 0,
      dirtyBytesPerSecond: 0,
      throttleRatio: 0,
      downtimeMsPredicted: 9,
    },
  ],
  downtimeMs: 24.5,
  before: { ...talk, gapMs: { median: 1.5, max: 4 } },
  during: talk,
  proof: { verified: true, text: 'all pages are right' },
}
const facts = { place: 'loopback', nodes: [], workloads: [] }
const plain = createPalette(false)

test('the summary adds up bytes, times and rounds, and takes the worst wait', () => {
  const report = summarize([migration, { ...migration, downtimeMs: 30 }], talk, facts)
  expect(report).toMatchObject({
    verified: true,
    downtimeMs: 30,
    totalMs: 4000,
    rawBytes: 128 * 2 ** 20,
    wireBytes: 64 * 2 ** 20,
    rounds: 4,
  })
})

test.each([
  ['a proof fails', { ...migration, proof: { verified: false, text: 'a page is wrong' } }, talk],
  ['a request is lost', migration, { ...talk, lost: 1 }],
  ['an answer is repeated', migration, { ...talk, repeated: 1 }],
  ['an answer is wrong', migration, { ...talk, wrong: 1 }],
])('nothing counts as verified when %s', (_, one, client) => {
  const report = summarize([one], client, facts)
  expect(report.verified).toBe(false)
  expect(summaryLines(report, plain)[0]).toBe('Something is not right: see ✗ above.')
})

test('a direction is told in full for the first workload and in short for the others', () => {
  const chain = { ...migration, workload: 'chain', proof: { verified: false, text: 'another last link' } }
  expect(directionLines('demo-a', 'demo-b', [migration, chain], plain)).toEqual([
    'demo-a → demo-b',
    '✓ memory  its client waited 24.5 ms (longest gap 26 ms, usual 1.50 ms)',
    '          round           raw    wire    time  left dirty',
    '          1            63 MiB  31 MiB  1.90 s       1 MiB',
    '          2 (stopped)   1 MiB   1 MiB   15 ms         0 B',
    '          64 MiB of state as 32 MiB on the wire (2.00 : 1)',
    '          2 s in all: 32 MiB/s of state, 16 MiB/s on the wire',
    '          pages: 1,384 zero, 15,000 full; packed: 32 MiB by zstd',
    '          paused for 20 ms of a budget of 100 ms: last round 10 ms, hand-over 8 ms, start 2 ms',
    '          1,234 requests answered meanwhile, the slowest in 25 ms',
    '          proved: all pages are right',
    '✗ chain   its client waited 24.5 ms (longest gap 26 ms, usual 1.50 ms)',
    '          64 MiB as 32 MiB in 2 rounds and 2 s',
    '          NOT RIGHT: another last link',
  ])
})

test('the last word has the requests and how a wait is measured', () => {
  const lines = summaryLines(summarize([migration], talk, facts), plain)
  expect(lines).toContain('  1,234 requests answered, 0 lost, 0 repeated, 0 wrong (2 sent again)')
  expect(lines).toContain('  latency p50 500 µs, p99 3 ms; longest wait for a migration 24.5 ms')
  expect(lines.at(-2)).toContain('longest gap between two answers')
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
})
