import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Address } from '@dwcp/interface'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { connect, createTransport, listen } from '../src/index.ts'

const here = fileURLToPath(new URL('..', import.meta.url))
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(`${here}node_modules/.amst-test-`)
  const [, example = ''] = /```ts\n([^]*?)```/.exec(await readFile(`${here}README.md`, 'utf8')) ?? []
  await writeFile(`${folder}/example.ts`, example)
  await build({
    entry: { child: `${here}test/child.ts`, example: `${folder}/example.ts` },
    config: false,
    format: 'esm',
    outDir: folder,
    outExtension: () => ({ js: '.mjs' }),
    noExternal: [/./],
    shims: true,
    banner: { js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);" },
    target: 'node20',
    silent: true,
    esbuildOptions: (options) => {
      options.conditions = ['@dwcp/source', 'import', 'default']
    },
  })
}, 60_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

function start(...role: string[]): ChildProcess {
  const child = fork(`${folder}/child.mjs`, role, { execArgv: [] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function addressOf(child: ChildProcess): Promise<Address> {
  const [address] = await once(child, 'message')
  return address
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(1_000_000)
}

test('the example of the README runs', async () => {
  const child = fork(`${folder}/example.mjs`, { execArgv: [], silent: true })
  const output: Buffer[] = []
  child.stdout?.on('data', (bytes) => output.push(bytes))
  expect(await once(child, 'close')).toEqual([0, null])
  expect(Buffer.concat(output).toString()).toMatch(/^disk 12\n\{\s+lengthBytes: 12,\s+digest: 'xxh3-128:[0-9a-f]{32}'\s+\}\n$/)
})

test('a receiver killed in the middle of an object is a typed error for its sender', async () => {
  const child = start('serve')
  await using session = await connect(await addressOf(child), { nodeId: 'a', plaintext: true })
  const sending = session.send({ stream: endless() })
  const request = session.request('nobody-answers-in-time', new Uint8Array(1)).catch((error: unknown) => error)
  child.once('message', () => child.kill('SIGKILL'))
  await expect(sending).rejects.toMatchObject({ code: 'ERR_AMST_PEER_LOST', retryable: true })
  expect(await session.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
  expect(await request).toBeInstanceOf(Error)
  await expect(session.send(new Uint8Array(1))).rejects.toMatchObject({ code: 'ERR_AMST_CLOSED' })
})

test('a sender killed in the middle of an object is a typed error for its reader', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true })
  onTestFinished(() => server.close())
  const child = start('call', server.address.host, String(server.address.port))
  for await (const session of server) {
    for await (const transfer of session.incoming) {
      const reading = (async () => {
        for await (const chunk of transfer.stream) if (chunk.byteLength > 0) child.kill('SIGKILL')
      })()
      await expect(reading).rejects.toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
    }
    expect(await session.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
    break
  }
})

test('a node that was killed and started again is dialled again, and the watcher sees it go and come', async () => {
  let child = start('node')
  const address = await addressOf(child)
  const directory = { lookup: () => [address], async *changes(): AsyncGenerator<string> {} }
  await using transport = await createTransport({ self: 'a', directory, plaintext: true })
  const echoes: number[] = []
  let heard = (): void => undefined
  transport.receive('echo', (_from, payload) => {
    echoes.push(payload[0] ?? -1)
    heard()
  })
  const echo = (n: number): Promise<void> =>
    new Promise((resolve) => {
      heard = resolve
      expect(transport.send('child', 'echo', Uint8Array.of(n))).toBe(true)
    })
  const changes = transport.peers()[Symbol.asyncIterator]()
  const up = changes.next()
  await echo(1)
  expect((await up).value).toMatchObject({ kind: 'up', peer: { nodeId: 'child' } })
  child.kill('SIGKILL')
  expect((await changes.next()).value).toMatchObject({ kind: 'down' })
  child = start('node', '', String(address.port))
  await addressOf(child)
  const startedMs = performance.now()
  expect((await changes.next()).value).toMatchObject({ kind: 'up' })
  expect(performance.now() - startedMs).toBeLessThan(3000)
  await echo(2)
  expect(echoes).toEqual([1, 2])
})
