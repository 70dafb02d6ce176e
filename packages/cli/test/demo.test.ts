import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { runDemo } from '../src/demo/demo.ts'
import type { DemoReport, DemoStep } from '../src/demo/demo-options.ts'
import { lastObject, run } from './command-line.ts'

const MAIN = join(import.meta.dirname, '..', 'dist', 'main.js')
if (!existsSync(MAIN)) throw new Error('these tests run the built command: pnpm build')
/** The machine that tests run on may be busy; what a wait comes to is for benchmarks. */
const PATIENT = ['--downtime', '5s']

function isAlive(pid: number): boolean {
  try {
    // A process that has ended and was not waited for by its parent is gone too.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const demoFolders = async (): Promise<readonly string[]> => (await readdir(tmpdir())).filter((name) => name.startsWith('dwcp-demo-'))

test('demo --json ends with one object: verified, nothing lost, every number there', { timeout: 60_000 }, async () => {
  const before = await demoFolders()
  const result = await run('demo', '--json', '--bytes', '16MiB', ...PATIENT)
  expect(result.stderr).toBe('')
  expect(result.status).toBe(0)
  const report = lastObject(result) as unknown as DemoReport
  expect(report).toMatchObject({ verified: true, client: { lost: 0, repeated: 0, wrong: 0 } })
  expect(report.migrations.map(({ workload, from, to }) => [workload, from, to])).toEqual([
    ['memory', 'demo-a', 'demo-b'],
    ['chain', 'demo-a', 'demo-b'],
    ['ledger', 'demo-a', 'demo-b'],
    ['memory', 'demo-b', 'demo-a'],
    ['chain', 'demo-b', 'demo-a'],
    ['ledger', 'demo-b', 'demo-a'],
  ])
  for (const { proof, rounds, during, before: quiet, downtimeMs, rawBytes, wireBytes } of report.migrations) {
    expect(proof.verified, proof.text).toBe(true)
    expect(rounds.length).toBeGreaterThan(1)
    expect(during.answered).toBeGreaterThan(0)
    expect(downtimeMs).toBeCloseTo(Math.max(0, during.gapMs.max - quiet.gapMs.median))
    expect(rawBytes).toBeGreaterThan(0)
    expect(wireBytes).toBeGreaterThan(0)
  }
  expect(report.rawBytes).toBeGreaterThan(2 * 16 * 2 ** 20)
  expect(report.rounds).toBe(report.migrations.reduce((sum, { rounds }) => sum + rounds.length, 0))
  expect(report.downtimeMs).toBe(Math.max(...report.migrations.map(({ downtimeMs }) => downtimeMs)))
  for (const { pid } of report.nodes) expect(isAlive(pid)).toBe(false)
  expect(await demoFolders()).toEqual(before)
})

test('demo tells a person the same, without colours where no terminal is', { timeout: 60_000 }, async () => {
  const { stdout, status } = await run('demo', '--workload', 'kv', '--bytes', '1MiB', ...PATIENT)
  expect(status).toBe(0)
  expect(stdout).toContain('demo-a → demo-b')
  expect(stdout).toMatch(/✓ ledger {2}its client waited/)
  expect(stdout).toMatch(/proved: .*; all 1 MiB beside it as written/)
  expect(stdout).toContain('Everything is where it was, and right.')
  expect(stdout).not.toContain('\u001B')
})

test('an abort in the middle of a migration leaves no process and no folder behind', { timeout: 60_000 }, async () => {
  const before = await demoFolders()
  const abort = new AbortController()
  const steps: DemoStep[] = []
  const onStep = (step: DemoStep): void => {
    steps.push(step)
    if (step.kind === 'progress' && step.progress.phase === 'copying') abort.abort(new Error('enough'))
  }
  await expect(runDemo({ workload: 'simulation', bytes: 16 * 2 ** 20, signal: abort.signal, onStep })).rejects.toThrow('enough')
  const place = steps.find((step) => step.kind === 'place')
  expect(place?.nodes).toHaveLength(2)
  for (const { pid } of place?.nodes ?? []) expect(isAlive(pid)).toBe(false)
  expect(await demoFolders()).toEqual(before)
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s in the middle of a demo ends with 130 and leaves no process behind',
  { timeout: 60_000 },
  async (signal) => {
    const demo = spawn(process.execPath, [MAIN, 'demo', '--json', '--bytes', '16MiB'], { stdio: ['ignore', 'pipe', 'pipe'] })
    const pids: number[] = []
    for await (const line of createInterface({ input: demo.stdout })) {
      const step = JSON.parse(line)
      if (step.event === 'place') pids.push(...step.nodes.map(({ pid }: { pid: number }) => pid))
      if (step.event === 'progress') demo.kill(signal)
    }
    if (demo.exitCode === null) await once(demo, 'exit')
    expect(demo.exitCode).toBe(130)
    expect(pids).toHaveLength(2)
    for (const pid of pids) expect(isAlive(pid)).toBe(false)
  },
)

test('a demo that is killed takes its nodes and its client with it', { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'dwcp-killed-'))
  const env = { ...process.env, TMPDIR: directory }
  const demo = spawn(process.execPath, [MAIN, 'demo', '--json', '--bytes', '16MiB'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  let pids: number[] = []
  for await (const line of createInterface({ input: demo.stdout })) {
    if (JSON.parse(line).event !== 'begins' || pids.length > 0) continue
    pids = readFileSync(`/proc/${demo.pid}/task/${demo.pid}/children`, 'utf8').trim().split(' ').map(Number)
    demo.kill('SIGKILL')
  }
  expect(pids).toHaveLength(3)
  await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([])
  await rm(directory, { recursive: true })
})

test('amounts out of range are refused before anything starts', async () => {
  await expect(runDemo({ bytes: 1 })).rejects.toThrow(RangeError)
  await expect(runDemo({ bytes: 2 ** 31 })).rejects.toThrow(RangeError)
  await expect(runDemo({ dirtyBytesPerSecond: -1 })).rejects.toThrow(RangeError)
  await expect(runDemo({ signal: AbortSignal.abort(new Error('too late')) })).rejects.toThrow('too late')
})

test('--link runs in the WAN lab where that can be, and says why where it cannot', { timeout: 60_000 }, async () => {
  const result = await run(
    'demo',
    '--link',
    'lan',
    '--rtt',
    '5ms',
    '--rate',
    '200mbit',
    '--loss',
    '0.1%',
    '--workload',
    'hash-chain',
    '--json',
    ...PATIENT,
  )
  if (result.status === 3) expect(result.stderr).toMatch(/^dwcp: ERR_CLI_NO_LAB: .*: /)
  else {
    expect(result.stderr).toBe('')
    expect(lastObject(result)).toMatchObject({ verified: true, place: 'emulated LAN: round trip 5 ms, 200 Mbit/s, loss 0.1 %' })
    // Half of the client's questions cross the link: their answers cannot be faster than light on it.
    expect((lastObject(result) as unknown as DemoReport).migrations[1]?.before.latencyMs.p50).toBeGreaterThan(4.9)
  }
})
