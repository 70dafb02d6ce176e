import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashChain, simulation } from '@dwcp/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { callNode } from '../src/control/control-socket.ts'
import { runForeground } from '../src/node/foreground.ts'
import { createOutput } from '../src/output.ts'
import { lastObject, run } from './command-line.ts'

interface Started {
  readonly directory: string
  readonly address: string
  readonly said: readonly Record<string, unknown>[]
  end(): Promise<void>
}

let home: string
const running: Started[] = []
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dwcp-nodes-'))
  vi.stubEnv('XDG_STATE_HOME', home)
})
afterEach(async () => {
  for (const node of running.splice(0)) await node.end()
  vi.unstubAllEnvs()
  await rm(home, { recursive: true, force: true })
})

/** A node in this process, as `dwcp run` and `dwcp node` start it. */
async function start(id: string, program?: string): Promise<Started> {
  const directory = join(home, 'dwcp', id)
  const said: Record<string, unknown>[] = []
  const end = new AbortController()
  let heard: () => void = () => undefined
  const listening = new Promise<void>((resolve) => (heard = resolve))
  const screen = {
    write(text: string) {
      said.push(JSON.parse(text))
      // With a program: once that runs.
      if (said.some(({ event, state }) => (program === undefined ? event === 'listening' : state === 'running'))) heard()
    },
  }
  const output = createOutput({ json: true, screen, env: {} })
  const ended = runForeground({
    id,
    directory,
    preferredPort: 0,
    peers: {},
    mode: 'auto',
    security: { plaintext: true },
    output,
    signal: end.signal,
    ...(program === undefined ? {} : { program: { source: program, seed: 1 } }),
  })
  await Promise.race([listening, ended])
  const address = said.find(({ event }) => event === 'listening')?.['address'] as { host: string; port: number }
  const node: Started = {
    directory,
    address: `${address.host}:${address.port}`,
    said,
    async end() {
      end.abort()
      await ended
    },
  }
  running.push(node)
  return node
}

test('a workload is moved, asked and ended from another shell', async () => {
  const a = await start('a', 'hash-chain')
  const b = await start('b')
  const before = hashChain.decode(
    Buffer.from(String(lastObject(await run('request', 'hash-chain', '--hex', '00', '--json'))['hex']), 'hex'),
  )

  const moved = await run('migrate', 'hash-chain', '--to', b.address, '--downtime', '5s', '--json')
  expect(moved.stderr).toBe('')
  expect(lastObject(moved)).toMatchObject({ event: 'migrated', workload: 'hash-chain', from: 'a', to: 'b', epoch: 2, budgetMs: 5000 })
  expect(moved.stdout).toContain('"event":"progress"')

  const answer = lastObject(await run('request', 'hash-chain', '--hex', '00', '--json', '--nodes', a.address))
  expect(answer['node']).toBe('b')
  expect(hashChain.decode(Buffer.from(String(answer['hex']), 'hex')).links).toBeGreaterThan(before.links)

  const { nodes } = lastObject(await run('ps', '--json')) as { nodes: { id: string; workloads: object[] }[] }
  expect(nodes.map(({ id, workloads }) => [id, workloads])).toEqual([
    ['a', [expect.objectContaining({ id: 'hash-chain', state: 'moved', owner: 'b' })]],
    ['b', [expect.objectContaining({ id: 'hash-chain', state: 'running' })]],
  ])
  const ps = (await run('ps')).stdout
  expect(ps).toMatch(/hash-chain {2}moved +2 {2}to b/)
  expect(ps).toMatch(/b {2}127\.0\.0\.1:\d+/)

  // Back, by the name of a peer, and for a person.
  const back = await run('migrate', 'hash-chain', '--to', 'a', '--exceed-downtime')
  expect(back.stderr).toBe('')
  expect(back.stdout).toMatch(/✓ hash-chain runs on a \(epoch 3, digest verified/)
  expect(back.stdout).toMatch(/round +raw +wire +time +left dirty/)

  expect((await run('end', 'hash-chain', '--dir', a.directory, '--reason', 'enough')).stdout).toBe('hash-chain has ended\n')
  expect(a.said).toContainEqual(expect.objectContaining({ event: 'workload', state: 'ended', reason: 'enough' }))
  expect(b.said).toContainEqual(expect.objectContaining({ event: 'workload', state: 'moved', owner: 'a' }))
  const gone = await run('end', 'hash-chain')
  expect(gone.stderr).toMatch(/^dwcp: ERR_CLI_NO_WORKLOAD: /)
})

test('text goes to a workload as it is, and an answer that is no text comes in hexadecimal', async () => {
  await start('k', 'kv')
  // 0x03 counts: not text; the answer is a zero byte and a count of 32 bits.
  expect((await run('request', 'kv', '--hex', '030000')).stdout).toBe('0000000000\n')
  expect((await run('request', 'kv', 'x')).stdout).toBe('03\n')
})

test('a migration that its caller gives up leaves the workload where it is', async () => {
  const a = await start('a', 'hash-chain')
  const b = await start('b')
  const caller = await callNode(a.directory)
  const abort = new AbortController()
  const call = caller.call('migrate', { workload: 'hash-chain', to: b.address }, { signal: abort.signal, onEvent: () => abort.abort() })
  await expect(call).rejects.toMatchObject({ code: 'ERR_CLI_INTERRUPTED' })
  caller.close()
  expect(lastObject(await run('request', 'hash-chain', '--hex', '00', '--json'))['node']).toBe('a')
})

test('Ctrl-C during migrate gives it up and says where the workload is', async () => {
  const a = await start('a', 'simulation')
  const b = await start('b')
  const shape = simulation.configure({ pages: 8192, changingPages: 8192, pagesPerSecond: 50_000, seed: 1 })
  await run('request', 'simulation', '--hex', Buffer.from(shape).toString('hex'))
  const copying = vi.waitUntil(() => a.said.some(({ phase }) => phase === 'copying'), { interval: 5, timeout: 10_000 })
  // No round leaves so little that it fits no time at all, so it is still on its way when the signal comes.
  const migration = run('migrate', 'simulation', '--to', b.address, '--downtime', '0ms')
  await copying
  process.emit('SIGINT')
  const { status, stderr } = await migration
  expect(stderr).toBe('dwcp: ERR_CLI_INTERRUPTED: the migration was given up; simulation runs on where it was\n')
  expect(status).toBe(130)
  expect(lastObject(await run('request', 'simulation', '--hex', '00', '--json'))['node']).toBe('a')
})

test('a node refuses orders that are not what they must be', async () => {
  const a = await start('a')
  const caller = await callNode(a.directory)
  for (const [op, args] of [
    ['migrate', {}],
    ['migrate', { workload: 'w', to: 7 }],
    ['migrate', { workload: 'w', to: 'b', downtimeMs: 'long' }],
    ['run', { program: 'kv', seed: 1.5 }],
    ['end', { workload: '' }],
  ] as const) {
    await expect(caller.call(op, args)).rejects.toMatchObject({ code: 'ERR_CLI_CONTROL' })
  }
  await expect(caller.call('end', { workload: 'w' })).rejects.toMatchObject({ code: 'ERR_CORE_UNKNOWN_WORKLOAD' })
  caller.close()
})

test('a second node in the same directory is refused', async () => {
  const a = await start('a')
  const { status, stderr } = await run('node', '--node-id', 'a', '--dir', a.directory)
  expect(stderr).toMatch(/^dwcp: ERR_CLI_NODE_RUNNING: /)
  expect(status).toBe(1)
})
