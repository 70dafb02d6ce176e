import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { lastObject, run } from './command-line.ts'

const main = join(import.meta.dirname, '..', 'dist', 'main.js')
let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dwcp-trust-join-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

const at = (name: string) => ['--identity', join(home, name)] as const

test('a server that invites lets one node join, which then sends it files', { timeout: 60_000 }, async () => {
  await run('trust', 'init', '--cluster', 'lab', '--node-id', 'op', ...at('op'))
  await mkdir(join(home, 'served'))
  await writeFile(join(home, 'one'), 'a file')
  const child = spawn(process.execPath, [main, 'serve', '--dir', join(home, 'served'), '--port', '0', '--invite', '--json', ...at('op')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const { address, token } = JSON.parse((await lines.next()).value)
  const where = `127.0.0.1:${address.port}`

  const joined = await run('trust', 'join', token, where, '--node-id', 'a', ...at('a'), '--json')
  expect(joined).toMatchObject({ status: 0 })
  expect(lastObject(joined)).toMatchObject({ nodeId: 'a', cluster: 'lab' })
  expect(JSON.parse((await lines.next()).value)).toMatchObject({ event: 'joined', peer: 'a' })
  expect(await run('send', join(home, 'one'), `dwcp://${where}/`, ...at('a'))).toMatchObject({ status: 0 })
  expect(await readFile(join(home, 'served', 'one'), 'utf8')).toBe('a file')

  expect(await run('trust', 'join', token, where, '--node-id', 'b', ...at('b'))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('ERR_SECURITY_TOKEN_USED'),
  })
  // Another token for the same server, from another process.
  const { token: second } = lastObject(await run('trust', 'invite', ...at('op'), '--json'))
  const main2 = spawn(process.execPath, [main, 'trust', 'join', '-', where, '--node-id', 'b', ...at('b')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  main2.stdin.end(`${String(second)}\n`)
  expect(await once(main2, 'exit')).toEqual([0, null])
})

test('a server without the authority cannot invite', async () => {
  expect(await run('serve', '--dir', home, '--port', '0', '--invite')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('cluster’s authority'),
  })
})

test('a node that invites lets others join, and its peers hear over their links of who joined and who was revoked', {
  timeout: 60_000,
}, async () => {
  await run('trust', 'init', '--cluster', 'lab', '--node-id', 'first', ...at('first'))
  const start = async (name: string, ...command: readonly string[]) => {
    const place = ['--listen', '127.0.0.1:0', '--dir', join(home, `${name}.state`), '--json']
    const child = spawn(process.execPath, [main, ...command, ...place, ...at(name)], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    const { address, token } = JSON.parse((await lines.next()).value)
    return { where: `127.0.0.1:${address.port}`, token, next: async () => JSON.parse((await lines.next()).value) }
  }
  const first = await start('first', 'run', 'hash-chain', '--invite')
  expect(await run('trust', 'join', first.token, first.where, '--node-id', 'second', ...at('second'))).toMatchObject({ status: 0 })
  const second = await start('second', 'node')
  expect(await run('migrate', 'hash-chain', '--to', second.where, '--dir', join(home, 'first.state'))).toMatchObject({ status: 0 })

  const knownBySecond = async (what: 'members' | 'revoked'): Promise<readonly string[]> => {
    const { [what]: known } = lastObject(await run('trust', 'list', ...at('second'), '--json')) as Record<typeof what, { nodeId: string }[]>
    return known.map(({ nodeId }) => nodeId)
  }
  const { token } = lastObject(await run('trust', 'invite', ...at('first'), '--json'))
  expect(await run('trust', 'join', String(token), first.where, '--node-id', 'third', ...at('third'))).toMatchObject({ status: 0 })
  await expect.poll(() => knownBySecond('members'), { timeout: 20_000 }).toEqual(['first', 'second', 'third'])
  await run('trust', 'revoke', 'third', ...at('first'))
  await expect.poll(() => knownBySecond('revoked'), { timeout: 20_000 }).toEqual(['third'])
})

test('a node without the authority cannot invite', async () => {
  expect(await run('node', '--invite', '--dir', join(home, 'none'))).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('cluster’s authority'),
  })
})
