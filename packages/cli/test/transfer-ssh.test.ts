import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { lastObject, run } from './command-line.ts'

const MIB = 2 ** 20
const SSHD = '/usr/sbin/sshd'
const dwcp = `${process.execPath} ${join(import.meta.dirname, '..', 'dist', 'main.js')}`
/** A server with keys of its own needs OpenSSH's, and its folder for privilege separation, which root makes. */
const isPossible = existsSync(SSHD) && process.geteuid?.() === 0

let home = ''
let server: ChildProcess | undefined
let ssh = ''

test('where this is judged, ssh is there to be tested with', () => {
  expect(isPossible || process.env['CI'] !== 'true').toBe(true)
})

describe.skipIf(!isPossible)('over ssh', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'dwcp-ssh-'))
    const port = await freePort()
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    for (const key of ['host', 'user']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(home, key)])
    writeFileSync(join(home, 'authorized'), readFileSync(join(home, 'user.pub')))
    writeFileSync(join(home, 'known'), `[127.0.0.1]:${port} ${readFileSync(join(home, 'host.pub'), 'utf8')}`)
    const settings = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(home, 'host')}`,
      `AuthorizedKeysFile ${join(home, 'authorized')}`,
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'PidFile none',
    ]
    writeFileSync(join(home, 'sshd_config'), `${settings.join('\n')}\n`)
    server = spawn(SSHD, ['-D', '-e', '-f', join(home, 'sshd_config')], { stdio: 'ignore' })
    await answers(port)
    ssh = `ssh -F none -p ${port} -i ${join(home, 'user')} -o BatchMode=yes -o UserKnownHostsFile=${join(home, 'known')} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes`
  }, 30_000)

  afterAll(() => {
    server?.kill()
    rmSync(home, { recursive: true, force: true })
  })

  const over = (...words: readonly string[]) => run(...words, '--ssh', ssh, '--remote-dwcp', dwcp, '--json')

  test('files go and come without a server, a certificate or a question', async () => {
    const [from, to, back] = [ground(), join(ground(), 'with a space', "and a 'quote'"), ground()]
    mkdirSync(join(from, 'd'))
    writeFileSync(join(from, 'd', 'small'), 'small')
    writeFileSync(join(from, 'large'), randomBytes(5 * MIB))
    symlinkSync('d/small', join(from, 'link'))
    const sent = await over('send', `${from}/`, `root@127.0.0.1:${to}`)
    expect(sent).toMatchObject({ status: 0, stderr: '' })
    expect(lastObject(sent)).toMatchObject({ files: 2, movedFiles: 2, failed: 0 })
    expect(readdirSync(to).sort()).toEqual(['d', 'large', 'link'])
    expect(lastObject(await over('send', `${from}/`, `root@127.0.0.1:${to}`))).toMatchObject({ movedFiles: 0 })
    const got = await over('get', `root@127.0.0.1:${to}/d`, `root@127.0.0.1:${to}/large`, back)
    expect(lastObject(got)).toMatchObject({ files: 2, movedFiles: 2, failed: 0 })
    expect(readFileSync(join(back, 'large')).equals(readFileSync(join(from, 'large')))).toBe(true)
    expect(readFileSync(join(back, 'd', 'small'), 'utf8')).toBe('small')
    expect(readdirSync(back).sort()).toEqual(['d', 'large'])
  })

  test('Ctrl-C ends the agent too, and the next run goes on with what it left', async () => {
    const [from, to] = [ground(), ground()]
    writeFileSync(join(from, 'large'), randomBytes(300 * MIB))
    const sending = over('send', join(from, 'large'), `root@127.0.0.1:${to}`)
    // Until the test's time limit ends it.
    while (!readdirSync(to, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.part'))) await turn()
    process.emit('SIGINT')
    expect((await sending).status).toBe(130)
    expect(existsSync(join(to, 'large'))).toBe(false)
    expect(lastObject(await over('send', join(from, 'large'), `root@127.0.0.1:${to}`))).toMatchObject({ movedFiles: 1, failed: 0 })
    expect(readdirSync(to)).toEqual(['large'])
  })

  test('who was not let in by ssh, and a machine without dwcp, are errors that say what to try', async () => {
    const stranger = join(home, 'stranger')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', stranger])
    const refused = await run('send', import.meta.filename, 'root@127.0.0.1:x', '--ssh', ssh.replace(join(home, 'user'), stranger))
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringMatching(/ERR_CLI_SSH: .*ended with 255 before dwcp answered/) })
    const missing = await run('send', import.meta.filename, 'root@127.0.0.1:x', '--ssh', ssh, '--remote-dwcp', '/nowhere/dwcp')
    expect(missing).toMatchObject({ status: 1, stderr: expect.stringMatching(/ended with 127 before dwcp answered/) })
    const nothing = await over('get', 'root@127.0.0.1:/nowhere/at/all', ground())
    expect(nothing.stderr).toMatch(/ERR_CLI_SSH: the other end says ENOENT/)
    const silent = await run('send', import.meta.filename, 'root@127.0.0.1:x', '--ssh', ssh, '--remote-dwcp', 'echo hello;')
    expect(silent.stderr).toContain('a line that is not JSON: hello')
  })

  test('nobody else is let in beside the caller', async () => {
    const agent = spawn(process.execPath, [join(import.meta.dirname, '..', 'dist', 'main.js'), 'transfer-agent'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    onTestFinished(() => void agent.kill('SIGKILL'))
    const { createEphemeralCredentials, connect: dial } = await import('@dwcp/core/transfer')
    const [mine, other] = [await createEphemeralCredentials('dwcp-ssh-caller'), await createEphemeralCredentials('dwcp-ssh-caller')]
    const order = { version: 1, direction: 'in', cert: mine.cert, port: 0, paths: [ground()], links: 'inside', staging: 'x' }
    agent.stdin.write(`${JSON.stringify(order)}\n`)
    const [line] = await once(agent.stdout, 'data')
    const { port, cert: ca } = JSON.parse(String(line))
    const address = { host: '127.0.0.1', port }
    await expect(dial(address, { nodeId: 'dwcp-ssh-caller', tls: { ...other, ca } })).rejects.toMatchObject({ code: 'ERR_AMST_TLS' })
    await expect(dial(address, { nodeId: 'dwcp-ssh-caller', tls: { ...mine, ca: other.cert } })).rejects.toMatchObject({
      code: 'ERR_AMST_TLS',
    })
    await expect(dial(address, { nodeId: 'x', plaintext: true })).rejects.toMatchObject({ code: 'ERR_AMST_SECURITY_MISMATCH' })
    const session = await dial(address, { nodeId: 'dwcp-ssh-caller', tls: { ...mine, ca } })
    await session.close()
    agent.stdin.end()
    expect(await once(agent, 'close')).toEqual([0, null])
  })
})

test('orders that are none are refused in words', async () => {
  for (const order of ['{}', '{"version":2}', '{"version":1,"direction":"up"}', 'nothing']) {
    const agent = spawn(process.execPath, [join(import.meta.dirname, '..', 'dist', 'main.js'), 'transfer-agent'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    agent.stdin.end(`${order}\n`)
    const [line] = await once(agent.stdout, 'data')
    expect(JSON.parse(String(line))).toMatchObject({ error: { code: expect.stringMatching(/^ERR_CLI_(SSH|CONTROL)$/) } })
    expect(await once(agent, 'close')).toEqual([1, null])
  }
})

function ground(): string {
  const path = mkdtempSync(join(tmpdir(), 'dwcp-transfer-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function freePort(): Promise<number> {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  await new Promise((resolve) => taken.close(resolve))
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Tries until somebody listens; the time limit of the set-up ends it. */
async function answers(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isThere) return
    await turn()
  }
}
