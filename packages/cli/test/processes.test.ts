import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { HashChainVerifier, hashChain } from '@dwcp/core'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MAIN = join(import.meta.dirname, '..', 'dist', 'main.js')
if (!existsSync(MAIN)) throw new Error('these tests run the built command: pnpm build')

let home: string
const children: ChildProcess[] = []
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dwcp-processes-'))
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await rm(home, { recursive: true, force: true })
})

const env = (): NodeJS.ProcessEnv => ({ ...process.env, XDG_STATE_HOME: home })

/** A command that stays; resolves with the first record of that kind. */
async function begin(
  words: readonly string[],
  event: string,
): Promise<{ readonly child: ChildProcess; readonly record: Record<string, unknown> }> {
  const child = spawn(process.execPath, [MAIN, ...words, '--json'], { env: env(), stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines = createInterface({ input: child.stdout })
  for await (const line of lines) {
    const record = JSON.parse(line)
    if (record.event !== event) continue
    child.stdout.resume()
    return { child, record }
  }
  throw new Error(`${words.join(' ')} ended before it said "${event}"`)
}

async function command(...words: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...words, '--json'], { env: env() })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

async function ask(): Promise<{ readonly node: unknown; readonly status: ReturnType<typeof hashChain.decode> }> {
  const { node, hex } = await command('request', 'chain', '--hex', '00')
  return { node, status: hashChain.decode(Buffer.from(String(hex), 'hex')) }
}

test('run, node, migrate, request and end, each in a process of its own', { timeout: 60_000 }, async () => {
  const a = await begin(['run', 'hash-chain', '--id', 'chain', '--node-id', 'a'], 'workload')
  const b = await begin(['node', '--node-id', 'b'], 'listening')
  const { port } = b.record['address'] as { readonly port: number }
  const verifier = new HashChainVerifier()

  const before = await ask()
  expect(before.node).toBe('a')
  expect(verifier.verify(before.status)).toBe(true)

  expect(await command('migrate', 'chain', '--to', `127.0.0.1:${port}`, '--downtime', '5s')).toMatchObject({ from: 'a', to: 'b', epoch: 2 })
  const after = await ask()
  expect(after.node).toBe('b')
  expect(after.status.links).toBeGreaterThan(before.status.links)
  expect(verifier.verify(after.status)).toBe(true)

  // A node is told to end and ends in order; one that is killed is told apart from those that live.
  a.child.kill('SIGTERM')
  expect(await once(a.child, 'exit')).toEqual([0, null])
  expect((await ask()).node).toBe('b')
  b.child.kill('SIGKILL')
  await once(b.child, 'exit')
  expect(existsSync(join(home, 'dwcp', 'b', 'control.sock'))).toBe(true)
  expect(await command('ps')).toEqual({ nodes: [] })

  const again = await begin(['node', '--node-id', 'b'], 'listening')
  expect(await command('ps')).toMatchObject({
    nodes: [{ id: 'b', workloads: [{ id: 'chain', state: 'ended', reason: expect.stringContaining('lost') }] }],
  })
  again.child.kill('SIGINT')
  expect(await once(again.child, 'exit')).toEqual([0, null])
})

test('node takes any free port where its own is taken, and says which', { timeout: 60_000 }, async () => {
  const taken = createServer().listen(7400, '127.0.0.1')
  // Where another process of this host has the port, it is taken as well.
  await Promise.race([once(taken, 'listening'), once(taken, 'error').catch(() => undefined)])
  try {
    const { child, record } = await begin(['node', '--node-id', 'elsewhere'], 'listening')
    expect((record['address'] as { readonly port: number }).port).not.toBe(7400)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  } finally {
    taken.close()
  }
})
