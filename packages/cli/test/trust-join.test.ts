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
