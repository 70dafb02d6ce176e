import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { lastObject, run } from './command-line.ts'

const main = join(import.meta.dirname, '..', 'dist', 'main.js')
let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dwcp-trust-'))
  vi.stubEnv('XDG_STATE_HOME', join(home, 'state'))
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await rm(home, { recursive: true, force: true })
})

test('a cluster from the first key to a revocation, as people type it', async () => {
  const at = (name: string) => ['--identity', join(home, name)] as const
  expect((await run('identity', 'show', ...at('op'))).stdout).toContain('no identity in')
  const founded = await run('trust', 'init', '--cluster', 'lab', '--node-id', 'op', ...at('op'), '--json')
  expect(lastObject(founded)).toMatchObject({ cluster: 'lab', nodeId: 'op' })
  expect((await stat(join(home, 'op'))).mode & 0o777).toBe(0o700)
  expect(lastObject(await run('identity', 'show', ...at('op'), '--json'))).toMatchObject({ nodeId: 'op', certificate: { cluster: 'lab' } })

  // By the operator's word.
  const file = (name: string) => join(home, name)
  expect((await run('identity', 'request', '--node-id', 'a', ...at('a'), '-o', file('a.req'))).status).toBe(0)
  expect((await run('identity', 'show', ...at('a'))).stdout).toContain('no certificate')
  expect((await run('trust', 'add', file('a.req'), '--role', 'worker', ...at('op'), '-o', file('a.bundle'))).status).toBe(0)
  expect((await run('identity', 'install', file('a.bundle'), ...at('a'))).stdout).toContain('a is a member of cluster lab')

  // By a token.
  const { token } = lastObject(await run('trust', 'invite', '--node-id', 'b', '--domain', 'trusted', ...at('op'), '--json'))
  const asked = await run('identity', 'request', '--node-id', 'b', '--token', String(token), ...at('b'))
  await writeFile(file('b.join'), asked.stdout)
  await writeFile(file('b.bundle'), (await run('trust', 'add', file('b.join'), ...at('op'))).stdout)
  expect((await run('identity', 'install', file('b.bundle'), '--token', String(token), ...at('b'))).status).toBe(0)
  await run('identity', 'request', '--node-id', 'c', '--token', String(token), ...at('c'), '-o', file('c.join'))
  expect(await run('trust', 'add', file('c.join'), ...at('op'))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('ERR_SECURITY_TOKEN_USED'),
  })

  const listed = await run('trust', 'list', ...at('op'))
  expect(listed.stdout).toMatch(/^a +trusted +worker +sha-256:/m)
  expect(listed.stdout).toMatch(/^b +trusted +sha-256:/m)
  expect(listed.stdout).toMatch(/^b, used by sha-256:/m)
  expect(listed.stdout).not.toContain(String(token))

  // What one knows goes to another.
  expect(lastObject(await run('trust', 'list', ...at('a'), '--json'))['members']).toHaveLength(2)
  await writeFile(file('all'), (await run('trust', 'export', ...at('op'))).stdout)
  expect((await run('trust', 'add', file('all'), ...at('a'))).stdout).toContain('3 statements are in force')
  expect(lastObject(await run('trust', 'list', ...at('a'), '--json'))['members']).toHaveLength(3)
  await writeFile(file('news'), (await run('trust', 'rotate', ...at('op'))).stdout)
  const revoked = await run('trust', 'revoke', 'b', ...at('op'))
  expect(revoked).toMatchObject({ status: 0, stderr: 'b is revoked\n' })
  await writeFile(file('news'), (await readFile(file('news'), 'utf8')) + revoked.stdout)
  expect((await run('trust', 'add', file('news'), ...at('a'))).stdout).toContain('3 statements are in force')
  expect(lastObject(await run('trust', 'list', ...at('a'), '--json'))).toMatchObject({ revoked: [{ nodeId: 'b' }] })
  expect((await run('trust', 'add', file('all'), ...at('a'))).stdout).toContain('left out: ')

  for (const name of ['op', 'a', 'b']) {
    for (const command of ['show', 'request'])
      expect((await run('identity', command, ...at(name), '--json')).stdout).not.toContain('PRIVATE')
  }
})

test('files go between members, and no longer to or from one that is revoked', { timeout: 60_000 }, async () => {
  const at = (name: string) => ['--identity', join(home, name)] as const
  const file = (name: string) => join(home, name)
  await run('trust', 'init', '--cluster', 'lab', '--node-id', 'store', ...at('store'))
  await run('identity', 'request', '--node-id', 'sender', ...at('sender'), '-o', file('sender.req'))
  await run('trust', 'add', file('sender.req'), ...at('store'), '-o', file('sender.bundle'))
  await run('identity', 'install', file('sender.bundle'), ...at('sender'))
  await writeFile(file('one'), 'a file')
  await mkdir(file('served'))
  const child = spawn(process.execPath, [main, 'serve', '--dir', file('served'), '--port', '0', '--json', ...at('store')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = await once(createInterface(child.stdout), 'line')
  const { address, id } = JSON.parse(line)
  expect(id).toBe('store')
  const to = `dwcp://127.0.0.1:${address.port}/`
  expect(await run('send', file('one'), to, ...at('sender'))).toMatchObject({ status: 0 })
  expect(await readFile(join(home, 'served', 'one'), 'utf8')).toBe('a file')
  // An identity that nobody has certified, and one that is revoked.
  await run('identity', 'request', '--node-id', 'stranger', ...at('stranger'), '-o', file('stranger.req'))
  expect(await run('send', file('one'), to, ...at('stranger'))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('ERR_SECURITY_MISSING'),
  })
  await run('trust', 'revoke', 'sender', ...at('store'))
  expect(await run('send', file('one'), to, ...at('sender'))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('ERR_AMST_UNTRUSTED'),
  })
})

test('errors name what is missing', async () => {
  expect(await run('trust', 'list')).toMatchObject({ status: 1, stderr: expect.stringContaining('ERR_SECURITY_MISSING') })
  await writeFile(join(home, 'empty'), '')
  expect((await run('identity', 'install', join(home, 'empty'))).stderr).toContain('ERR_SECURITY_CERTIFICATE')
  expect((await run('identity', 'request', '--token', 'nonsense')).stderr).toContain('ERR_SECURITY_TOKEN')
})
