import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { lastObject, run } from './command-line.ts'

const MIB = 2 ** 20
const main = join(import.meta.dirname, '..', 'dist', 'main.js')

function ground(): string {
  const path = mkdtempSync(join(tmpdir(), 'dwcp-transfer-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function start(...words: readonly string[]): ChildProcessByStdio<null, Readable, null> {
  const child = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** `dwcp serve` in a process of its own, and where it is. */
async function serve(
  directory: string,
  ...words: readonly string[]
): Promise<{ readonly child: ReturnType<typeof start>; readonly at: string; readonly port: number }> {
  const child = start('serve', '--dir', directory, '--port', '0', '--json', ...words)
  const [line] = await once(createInterface(child.stdout), 'line')
  const { address } = JSON.parse(line)
  return { child, at: `dwcp://127.0.0.1:${address.port}`, port: address.port }
}

function plant(directory: string): void {
  mkdirSync(join(directory, 'd', 'empty'), { recursive: true })
  for (let one = 0; one < 300; one += 1) writeFileSync(join(directory, 'd', `f${one}`), randomBytes(10_000))
  for (let one = 0; one < 3; one += 1) writeFileSync(join(directory, `large${one}`), randomBytes((one + 2) * 3 * MIB))
  symlinkSync('d/f1', join(directory, 'link'))
}

/** Path and bytes of each file, and when it was changed. */
function contents(directory: string): Readonly<Record<string, string>> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.startsWith('.dwcp'))
    .sort()
  return Object.fromEntries(
    names.map((name) => {
      const found = statSync(join(directory, name))
      return [name, found.isFile() ? `${Math.trunc(found.mtimeMs)} ${readFileSync(join(directory, name)).toString('base64')}` : 'directory']
    }),
  )
}

test('what is sent is there, what is got is here, and again there is nothing to do', async () => {
  const [from, to, back] = [ground(), ground(), join(ground(), 'new')]
  plant(from)
  const { at } = await serve(to)
  const sent = await run('send', `${from}/`, `${at}/in/side`, '--json')
  expect(sent.status).toBe(0)
  expect(lastObject(sent)).toMatchObject({ files: 303, movedFiles: 303, failed: 0, failures: [], totalMs: expect.any(Number) })
  expect(contents(join(to, 'in', 'side'))).toEqual(contents(from))
  const got = await run('get', `${at}/in/side/`, back)
  expect(got.stdout).toMatch(/^303 files, .*MiB in .*\/s\n$/)
  expect(contents(back)).toEqual(contents(from))
  expect(readdirSync(back)).not.toContain('.dwcp')
  expect((await run('get', `${at}/in/side/`, back)).stdout).toContain('303 files there already')
})

test('what could not be made is told, the status is 1, and the rest is there', async () => {
  const [from, to] = [ground(), ground()]
  writeFileSync(join(from, 'a'), 'a')
  symlinkSync('/etc', join(from, 'out'))
  const { at } = await serve(to)
  const sent = await run('send', `${from}/`, at)
  expect(sent.status).toBe(1)
  expect(sent.stdout).toContain('failed  out  ERR_AMST_PATH')
  expect(readFileSync(join(to, 'a'), 'utf8')).toBe('a')
})

test('a server that only lets read says so, and what is not there is said too', async () => {
  const to = ground()
  const { at } = await serve(to, '--read-only')
  expect(await run('send', import.meta.filename, at)).toMatchObject({ status: 1, stderr: expect.stringContaining('takes nothing') })
  expect(await run('get', `${at}/nothing`, ground())).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('there is no "nothing" here'),
  })
  expect((await run('send', '/nothing/here', at)).stderr).toMatch(/^dwcp: ENOENT/)
})

test('limits of a server hold', async () => {
  const from = ground()
  plant(from)
  const { at } = await serve(ground(), '--max-entries', '100', '--max-size', '1MiB')
  expect((await run('send', from, at)).stderr).toContain('more than 100 entries')
  expect((await run('send', join(from, 'large0'), at)).stderr).toContain(`more than ${MIB} bytes`)
})

test('Ctrl-C on either side ends it in order: the server with 0, the sender with 130 and how to go on', { timeout: 60_000 }, async () => {
  const [from, to] = [ground(), ground()]
  writeFileSync(join(from, 'large'), randomBytes(200 * MIB))
  const { child, at } = await serve(to)
  const sending = run('send', join(from, 'large'), at)
  await staged(to)
  process.emit('SIGINT')
  expect(await sending).toMatchObject({ status: 130, stderr: expect.stringContaining('run the same command again to go on') })
  expect((await run('send', join(from, 'large'), at, '--json')).status).toBe(0)
  expect(statSync(join(to, 'large')).size).toBe(200 * MIB)
  child.kill('SIGINT')
  expect(await once(child, 'close')).toEqual([0, null])
  expect(readdirSync(to)).toEqual(['large'])
})

const KILLS = Number(process.env['DWCP_TRANSFER_KILLS'] ?? 6)

test(`killed ${KILLS} times at any moment, either end, and run again, all is there and nothing is sent that was`, {
  timeout: 300_000 + KILLS * 5000,
}, async () => {
  const from = ground()
  plant(from)
  const whole = contents(from)
  for (let kill = 0; kill < KILLS; kill += 1) {
    const to = ground()
    const first = await serve(to)
    const sender = start('send', `${from}/`, first.at, '--retry-for', '0', '--json')
    const ended = once(sender, 'close')
    await Promise.race([staged(to), ended])
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 150))
    const victim = kill % 2 === 0 ? sender : first.child
    victim.kill('SIGKILL')
    await ended
    const there = contents(to)
    const missing = Object.keys(whole).filter((name) => whole[name] !== 'directory' && there[name] !== whole[name])
    // Nothing wrong ever has a name.
    for (const [name, what] of Object.entries(there)) expect(what, name).toBe(whole[name])
    const { child, at } = victim === sender ? first : await serve(to)
    const again = await run('send', `${from}/`, at, '--json')
    expect(again.status).toBe(0)
    expect(lastObject(again)['movedFiles']).toBeLessThanOrEqual(missing.length)
    expect(contents(to)).toEqual(whole)
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
    expect(readdirSync(to)).not.toContain('.dwcp')
  }
})

test('a server that comes back is found again, and the transfer goes on by itself', { timeout: 60_000 }, async () => {
  const [from, to] = [ground(), ground()]
  writeFileSync(join(from, 'large'), randomBytes(200 * MIB))
  const { child, at, port } = await serve(to)
  const sending = run('send', join(from, 'large'), at, '--json')
  await staged(to)
  child.kill('SIGKILL')
  await once(child, 'close')
  const again = start('serve', '--dir', to, '--port', String(port))
  const sent = await sending
  expect(sent.status).toBe(0)
  expect(sent.stdout).toContain('"event":"lost"')
  expect(lastObject(sent)).toMatchObject({ movedFiles: 1, failed: 0 })
  expect(readFileSync(join(to, 'large')).equals(readFileSync(join(from, 'large')))).toBe(true)
  again.kill('SIGTERM')
})

/** Something of a large file is there, or all of it. */
async function staged(to: string): Promise<void> {
  // Until the test's time limit ends it.
  for (;;) {
    const names = readdirSync(to, { recursive: true, encoding: 'utf8' })
    if (names.some((name) => name.endsWith('.part') && (statSync(join(to, name), { throwIfNoEntry: false })?.size ?? 0) > 0)) return
    if (names.some((name) => name.startsWith('large'))) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('--rate holds what is sent, what is asked for and what a server gives, in bits and in bytes', async () => {
  const [from, other, to] = [ground(), ground(), ground()]
  // Above what may leave at once: a burst of 50 ms, a chunk for each stream, and what the sockets hold.
  for (const directory of [from, other]) writeFileSync(join(directory, 'a'), randomBytes(6 * MIB))
  const server = await serve(from)
  const slow = await serve(other, '--rate', '4MiB/s')
  for (const words of [
    ['get', '--rate', '32m', `${server.at}/a`, to],
    ['get', `${slow.at}/a`, join(to, 'slow')],
    ['send', '--rate', '4MiB/s', join(from, 'a'), `${server.at}/copy`],
  ]) {
    const done = await run(...words, '--json')
    expect(done.status).toBe(0)
    expect(lastObject(done)).toMatchObject({ movedFiles: 1, failed: 0 })
    // At most 4 MiB a second, of 6.
    expect(lastObject(done)['totalMs']).toBeGreaterThan(1000)
  }
  for (const rate of ['fast', '0m', '0B/s']) expect((await run('send', '--rate', rate, from, server.at)).status).toBe(2)
})
