import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { lastObject, run } from './command-line.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dwcp-usage-'))
  vi.stubEnv('XDG_STATE_HOME', home)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await rm(home, { recursive: true, force: true })
})

test('--version says the version of the package', async () => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8'))
  expect(await run('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
})

test.each(['demo', 'run', 'node', 'migrate', 'ps', 'request', 'end', 'serve', 'send', 'get', 'delta', 'identity', 'trust', 'doctor'])(
  '%s has a help that says what it does',
  async (command) => {
    const { status, stdout } = await run(command, '--help')
    expect(status).toBe(0)
    expect(stdout).toContain(`Usage: dwcp ${command}`)
    expect((await run('help', command)).stdout).toBe(stdout)
  },
)

test('the help of the whole lists the exit statuses', async () => {
  expect((await run('--help')).stdout).toContain('3 not possible on this host')
})

describe('wrong usage ends with 2 and says what to write', () => {
  test.each([
    [['frobnicate'], 'unknown command'],
    [['demo', '--what'], 'unknown option'],
    [['demo', '--bytes', '12X'], '--bytes 12X: write an amount'],
    [['demo', '--dirty-rate', 'fast'], '--dirty-rate fast'],
    [['demo', '--downtime', '100'], '--downtime 100: write a duration'],
    [['demo', '--workload', 'chess'], 'Allowed choices are all'],
    [['demo', '--rtt', '10ms'], 'add --link lan'],
    [['demo', '--workload', 'hash-chain', '--bytes', '1MiB'], '--bytes: the hash chain'],
    [['demo', '--workload', 'kv', '--dirty-rate', '1MiB/s'], '--dirty-rate: kv'],
    [['migrate', 'w'], "required option '--to"],
    [['run'], 'missing required argument'],
    [['run', '/nowhere.wasm', '--node-id', 'n'], 'one of hash-chain, kv, simulation'],
    [['run', 'kv', '--seed', '-1'], '--seed -1'],
    [['node', '--node-id', '../escape'], '--node-id ../escape'],
    [['node', '--listen', 'somewhere'], '--listen somewhere: write host:port'],
    [['node', '--peer', 'x'], '--peer x: write id=host:port'],
    [['node', '--mode', 'fast'], 'Allowed choices are auto'],
    [['node', '--plaintext', 'everywhere'], '--plaintext everywhere'],
    [['node', '--tls-key', 'k'], 'TLS needs all three'],
    [['node', '--plaintext', '--tls-key', 'k'], 'exclude each other'],
    [['node', '--plaintext', '--identity', 'k'], '--identity excludes'],
    [['node', '--identity', '/no/where'], 'there is none'],
    [['node', '--tls-key', '/no/k', '--tls-cert', '/no/c', '--tls-ca', '/no/a'], '--tls-'],
    [['trust', 'init'], "required option '--cluster"],
    [['trust', 'invite', '--lifetime', '25h'], '--lifetime 25h: write 1s to 24h'],
    [['trust', 'add', '/no/where'], '<file> /no/where'],
    [['trust', 'add', 'x', '--domain', 'mine'], 'Allowed choices are trusted'],
    [['identity', 'install', '-', '--token', '-'], 'cannot both be read'],
    [['identity', 'install'], 'missing required argument'],
    [['delta', 'encode', 'x'], "required option '-o, --output"],
    [['delta', 'encode', 'x', '-o', 'y', '--level', 'best'], 'Allowed choices are fast'],
    [['serve'], "required option '--dir"],
    [['serve', '--dir', 'x', '--port', '70000'], 'a number up to 65535'],
    [['serve', '--dir', 'x', '--links', 'some'], 'Allowed choices are inside'],
    [['serve', '--dir', 'x', '--plain', '--plaintext'], '--plain and --plaintext'],
    [['serve', '--dir', '/', '--max-size', 'much'], '--max-size much'],
    [['send', 'x'], 'say what to send'],
    [['send', 'x', 'http://y/'], 'write dwcp://host:port/path, or user@host:path'],
    [['send', 'x', '--', '-oProxyCommand=x:y'], 'no host begins with a dash'],
    [['get', 'a:b', 'c:d', '.'], 'from one host at a time'],
    [['send', 'x', 'dwcp://y:z/'], 'write host:port'],
    [['send', 'x', 'dwcp://y/', '--streams', '65'], '--streams 65: write auto, or a number from 1 to 64'],
    [['send', 'x', 'dwcp://y/', '--retry-for', '5'], '--retry-for 5: write a duration'],
    [['get', 'dwcp://y/'], 'say what to get'],
    [['get', 'dwcp://y/a', 'dwcp://z/b', '.'], 'from one host at a time'],
    [['request', 'w', '--hex', 'abc'], '--hex abc'],
    [['request', 'w', 'text', '--hex', '00'], 'not both'],
    [['request', 'w', '--nodes', 'a,b'], '--nodes a: write host:port'],
  ])('%j', async (words, says) => {
    const { status, stderr } = await run(...words)
    expect(stderr).toContain(says)
    expect(status).toBe(2)
  })
})

test.each(['serve', 'send', 'get'])('the help of %s has examples', async (command) => {
  expect((await run('help', command)).stdout).toMatch(new RegExp(`Examples:\n  dwcp ${command} `))
})

test('an error is one JSON object where JSON is asked for, and a line with its code for a person', async () => {
  const result = await run('demo', '--bytes', '12X', '--json')
  expect(lastObject(result)).toEqual({ error: { code: 'ERR_CLI_USAGE', message: expect.stringContaining('--bytes 12X') } })
  expect(result.stderr).toMatch(/^dwcp: ERR_CLI_USAGE: /)
})

describe('where no node runs', () => {
  test.each([[['migrate', 'w', '--to', '127.0.0.1:1']], [['end', 'w']], [['request', 'w']], [['ps', '--dir', '/nowhere']]])(
    '%j fails with ERR_CLI_NO_NODE',
    async (words) => {
      const { status, stderr } = await run(...words)
      expect(stderr).toMatch(/^dwcp: ERR_CLI_NO_NODE: /)
      expect(status).toBe(1)
    },
  )

  test('ps says so, and gives an empty list to a program', async () => {
    expect((await run('ps')).stdout).toContain('no node of this user runs')
    expect(lastObject(await run('ps', '--json'))).toEqual({ nodes: [] })
  })

  test('what a dead node left behind is no node', async () => {
    const { mkdir } = await import('node:fs/promises')
    await mkdir(join(home, 'dwcp', 'dead'), { recursive: true })
    await writeFile(join(home, 'dwcp', 'dead', 'control.sock'), '')
    expect(lastObject(await run('ps', '--json'))).toEqual({ nodes: [] })
  })
})

test('the WAN lab outside of root is refused with 3 and what to do', async () => {
  const spy = vi.spyOn(process, 'geteuid').mockReturnValue(1000)
  try {
    const { status, stderr } = await run('demo', '--link', 'wan')
    expect(stderr).toMatch(/ERR_CLI_NO_LAB: .*root/)
    expect(status).toBe(3)
  } finally {
    spy.mockRestore()
  }
})
