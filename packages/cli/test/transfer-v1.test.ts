import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { lastObject, run } from './command-line.ts'

const main = join(import.meta.dirname, '..', 'dist', 'main.js')

function ground(): string {
  const path = mkdtempSync(join(tmpdir(), 'dwcp-v1-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

interface Served {
  readonly child: ChildProcessByStdio<null, Readable, null>
  readonly ports: { readonly v1: number; readonly v3: number }
  /** The next event of that kind. */
  readonly event: (name: string) => Promise<Record<string, unknown>>
}

/** `dwcp serve --v1` in a process of its own. */
async function serve(directory: string): Promise<Served> {
  const words = ['serve', '--dir', directory, '--port', '0', '--v1', '0', '--json']
  const child = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const event = async (name: string): Promise<Record<string, unknown>> => {
    for (let next = await lines.next(); !next.done; next = await lines.next()) {
      const found: Record<string, unknown> = JSON.parse(next.value)
      if (found['event'] === name) return found
    }
    throw new Error(`it ended without ${name}`)
  }
  const portOf = async (name: string): Promise<number> => ((await event(name))['address'] as { port: number }).port
  return { child, ports: { v3: await portOf('listening'), v1: await portOf('listening-v1') }, event }
}

test('a file goes to a server by v1, which serves v3 at the same time', async () => {
  const [from, to] = [ground(), ground()]
  const file = join(from, 'disk.img')
  writeFileSync(file, randomBytes(3_000_001))
  const { ports, event } = await serve(to)
  const sent = await run('send', '--v1', file, `dwcp://127.0.0.1:${ports.v1}`, '--streams', '4', '--json')
  expect(sent).toMatchObject({ status: 0, stderr: '' })
  expect(lastObject(sent)).toMatchObject({
    protocol: 'v1',
    integrity: 'none',
    lengthBytes: 3_000_001,
    connections: 4,
    wasClosedByPeer: true,
  })
  const done = await event('done')
  expect(done).toMatchObject({ peer: '127.0.0.1', protocol: 'v1', integrity: 'none', lengthBytes: 3_000_001 })
  expect(readFileSync(String(done['path'])).equals(readFileSync(file))).toBe(true)
  expect(await run('send', file, `dwcp://127.0.0.1:${ports.v3}/v3`)).toMatchObject({ status: 0 })
  expect(readFileSync(join(to, 'v3', 'disk.img')).equals(readFileSync(file))).toBe(true)
  const again = await run('send', '--v1', file, `dwcp://127.0.0.1:${ports.v1}`)
  expect(again.stdout).toContain('the peer closed in order')
  await event('done')
  expect(readdirSync(to).filter((name) => name.startsWith('v1-'))).toHaveLength(2)
})

test.each([
  [['send', '--v1', 'FILE', 'dwcp://127.0.0.1:1/path'], 'carries no paths'],
  [['send', '--v1', 'FILE', 'FILE', 'dwcp://127.0.0.1:1'], 'sends one file'],
  [['send', '--v1', 'DIRECTORY', 'dwcp://127.0.0.1:1'], 'no directories'],
  [['send', '--v1', 'FILE', 'dwcp://127.0.0.1:1', '--rate', '1m'], '--v1 and --rate'],
  [['send', '--v1', 'FILE', 'dwcp://127.0.0.1:1', '--checksum'], '--v1 and --checksum'],
  [['send', '--v1', 'FILE', 'dwcp://192.0.2.1:1'], 'trusted-network'],
  [['serve', '--dir', 'DIRECTORY', '--port', '0', '--v1', '--read-only'], '--v1 and --read-only'],
  [['serve', '--dir', 'DIRECTORY', '--port', '0', '--v1', '0', '--v1-from', 'somewhere'], 'no address and no network'],
  [['serve', '--dir', 'DIRECTORY', '--address', 'example.org'], '--address example.org'],
])('%j says what is wrong', async (words, said) => {
  const [file, directory] = [join(ground(), 'f'), ground()]
  writeFileSync(file, 'x')
  mkdirSync(join(directory, 'd'))
  const result = await run(...words.map((word) => (word === 'FILE' ? file : word === 'DIRECTORY' ? directory : word)))
  expect(result.status).not.toBe(0)
  expect(result.stderr).toContain(said)
})
