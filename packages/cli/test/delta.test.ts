import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lastObject, run } from './command-line.ts'

let home: string
let older: string
let newer: string
const content = Buffer.from(Array.from({ length: 20_000 }, (_, line) => `line ${line} of ${(line * 7919) % 1000}\n`).join(''))
const edited = Buffer.concat([content.subarray(50_000), Buffer.from('something new'), content.subarray(0, 50_000)])

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dwcp-delta-'))
  older = join(home, 'older')
  newer = join(home, 'newer')
  await writeFile(older, content)
  await writeFile(newer, edited)
})
afterAll(() => rm(home, { recursive: true, force: true }))

test('a file goes through encode, stat and decode', async () => {
  const [delta, output] = [join(home, 'one.delta'), join(home, 'one')]
  const encoded = lastObject(await run('delta', 'encode', '--base', older, newer, '-o', delta, '--level', 'small', '--json'))
  expect(encoded).toMatchObject({ rawBytes: edited.length, wireBytes: (await readFile(delta)).length, level: 'small' })
  expect(lastObject(await run('delta', 'stat', delta, '--json'))).toMatchObject({ baseBytes: content.length, targetBytes: edited.length })
  expect(lastObject(await run('delta', 'decode', '--base', older, delta, '-o', output, '--json'))).toMatchObject({ verified: true })
  expect((await readFile(output)).equals(edited)).toBe(true)
})

test('a person is told sizes, ratio and speed', async () => {
  const delta = join(home, 'two.delta')
  expect((await run('delta', 'encode', '--base', older, newer, '-o', delta)).stdout).toMatch(/KiB became .* B \(\d+\.\d:1\) in .*\/s\n$/)
  expect((await run('delta', 'stat', delta)).stdout).toMatch(/needs a base of \d+ bytes, XXH3-128 [0-9a-f]{32}\n/)
  expect((await run('delta', 'decode', '--base', older, delta, '-o', join(home, 'two'))).stdout).toContain('written and verified')
})

test('several bases are taken in their order, and none is fine too', async () => {
  const [delta, output] = [join(home, 'three.delta'), join(home, 'three')]
  await run('delta', 'encode', '--base', older, '--base', newer, newer, '-o', delta)
  expect((await run('delta', 'decode', '--base', older, '--base', newer, delta, '-o', output)).status).toBe(0)
  expect((await readFile(output)).equals(edited)).toBe(true)
  expect((await run('delta', 'decode', '--base', newer, '--base', older, delta, '-o', join(home, 'other'))).stderr).toContain(
    'ERR_HDE_BASELINE_MISSING',
  )
  await run('delta', 'encode', newer, '-o', delta, '--force')
  expect((await run('delta', 'decode', delta, '-o', output, '--force')).status).toBe(0)
})

test('Ctrl-C stops the work that is under way, and leaves nothing behind', { timeout: 20_000 }, async () => {
  const folder = await mkdtemp(join(home, 'interrupted-'))
  // No base and 96 MiB of words, which take seconds at this level.
  const large = join(home, 'large')
  const words = Buffer.from(Array.from({ length: 1 << 20 }, (_, at) => `${Math.imul(at, 0x9e3779b1) >>> 8} `).join(''))
  await writeFile(large, Buffer.concat(Array.from({ length: 12 }, (_, at) => words.subarray(at))))
  const watcher = watch(folder)
  const begun = once(watcher, 'change')
  const running = run('delta', 'encode', large, '-o', join(folder, 'out'), '--level', 'small')
  await begun
  watcher.close()
  process.emit('SIGINT')
  expect(await running).toMatchObject({ status: 130, stderr: expect.stringContaining('ERR_CLI_INTERRUPTED') })
  expect(await readdir(folder)).toEqual([])
})

test('a stream goes from the standard input to the standard output, and reports go to the standard error', async () => {
  const main = join(import.meta.dirname, '..', 'dist', 'main.js')
  const through = (input: Uint8Array, ...words: readonly string[]): { readonly stdout: Buffer; readonly stderr: string } => {
    const { stdout, stderr } = spawnSync(process.execPath, [main, 'delta', ...words], { input })
    return { stdout, stderr: stderr.toString() }
  }
  const { stdout: delta, stderr } = through(edited, 'encode', '--base', older, '-', '-o', '-')
  expect(stderr).toMatch(/ became /)
  expect(through(delta, 'stat', '-').stdout.toString()).toContain(`needs a base of ${content.length} bytes`)
  const { stdout: decoded } = through(delta, 'decode', '--base', older, '-', '-o', '-', '--json')
  expect(decoded.equals(edited)).toBe(true)
  expect(through(delta.subarray(0, -1), 'decode', '--base', older, '-', '-o', '-').stderr).toContain('ERR_HDE_CORRUPT')
})

test('a file that is not there is one line, without a stack', async () => {
  const nowhere = join(home, 'nowhere')
  for (const words of [
    ['encode', nowhere, '-o', join(home, 'never')],
    ['decode', nowhere, '-o', join(home, 'never')],
    ['stat', nowhere],
  ]) {
    const { status, stderr } = await run('delta', ...words)
    expect([status, stderr]).toEqual([1, `dwcp: ENOENT: no such file or directory, open '${nowhere}'\n`])
  }
  expect((await run('delta', 'encode', home, '-o', join(home, 'never'))).stderr).toContain('neither a file nor a block device')
})

test('what fails leaves nothing behind, and nothing is replaced unasked', async () => {
  const folder = await mkdtemp(join(home, 'empty-'))
  const output = join(folder, 'out')
  expect((await run('delta', 'decode', older, '-o', output)).stderr).toContain('ERR_HDE_CORRUPT')
  expect((await run('delta', 'encode', join(home, 'nowhere'), '-o', output)).status).toBe(1)
  expect((await run('delta', 'encode', '--base', join(home, 'nowhere'), newer, '-o', output)).status).toBe(1)
  expect(await readdir(folder)).toEqual([])
  const { status, stderr } = await run('delta', 'encode', newer, '-o', older)
  expect([status, stderr]).toEqual([2, expect.stringContaining('--force')])
  expect((await readFile(older)).equals(content)).toBe(true)
})
