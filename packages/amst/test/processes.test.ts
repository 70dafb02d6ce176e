import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Address } from '@dwcp/interface'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { connect, createTransport, fileSource, listen, openTransferJournal } from '../src/index.ts'
import { drawsFrom } from './draws.ts'
import { until } from './pair.ts'

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

/** Nobody is waited for. */
const AT_ONCE = { reconnectMs: 1 }

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(1_000_000)
}

test('the example of the README runs', async () => {
  const child = fork(`${folder}/example.mjs`, { execArgv: [], silent: true })
  const output: Buffer[] = []
  child.stdout?.on('data', (bytes) => output.push(bytes))
  expect(await once(child, 'close')).toEqual([0, null])
  expect(Buffer.concat(output).toString()).toMatch(/^disk 12\n\{\s+lengthBytes: 12,\s+digest: 'blocks-xxh3-128:[0-9a-f]{32}'\s+\}\n$/)
})

test('a receiver killed in the middle of an object is a typed error for its sender', async () => {
  const child = start('serve')
  await using session = await connect(await addressOf(child), { nodeId: 'a', plaintext: true, limits: AT_ONCE })
  const sending = session.send({ stream: endless() })
  const request = session.request('nobody-answers-in-time', new Uint8Array(1)).catch((error: unknown) => error)
  child.once('message', () => child.kill('SIGKILL'))
  await expect(sending).rejects.toMatchObject({ code: 'ERR_AMST_PEER_LOST', retryable: true })
  expect(await session.closed).toMatchObject({ code: 'ERR_AMST_PEER_LOST' })
  expect(await request).toBeInstanceOf(Error)
  await expect(session.send(new Uint8Array(1))).rejects.toMatchObject({ code: 'ERR_AMST_CLOSED' })
})

test('a sender killed in the middle of an object is a typed error for its reader', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true, limits: AT_ONCE })
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

const KILLS = Number(process.env['DWCP_TRANSFER_KILLS'] ?? 10)
const SEED = Number(process.env['DWCP_SEED'] ?? Date.now() % 1_000_000)
const FILE_BYTES = 64 * 1_048_576 + 4097

async function fileToSend(): Promise<{ readonly at: string; readonly from: string; readonly bytes: Buffer }> {
  const at = await mkdtemp(join(tmpdir(), 'amst-kills-'))
  onTestFinished(() => rm(at, { recursive: true }))
  const bytes = randomBytes(FILE_BYTES)
  await writeFile(join(at, 'from'), bytes)
  return { at, from: join(at, 'from'), bytes }
}

test(
  `a receiver killed ${KILLS} times at random bytes has each file in the end, and each byte was sent about once (seed ${SEED})`,
  async () => {
    const draw = drawsFrom(SEED)
    const { at, from, bytes } = await fileToSend()
    let port = 0
    for (let [kills, files] = [0, 0]; kills < KILLS; files += 1) {
      let [killed, sentBytes] = [0, 0]
      // Until the file is there: the last kill is followed by a session that nobody kills.
      for (;;) {
        const child = start('keep', at, String(port))
        port = (await addressOf(child)).port
        const session = await connect({ host: '127.0.0.1', port }, { nodeId: 'a', plaintext: true, limits: AT_ONCE })
        const goal = kills < KILLS ? draw() * (FILE_BYTES / 10) : Number.POSITIVE_INFINITY
        const source = await fileSource(from)
        const read = async (offset: number, lengthBytes: number): Promise<Uint8Array> => {
          if (session.stats().sentBytes >= goal) child.kill('SIGKILL')
          return source.read(offset, lengthBytes)
        }
        const done = await session
          .send({ ...source, read }, { name: `to${files}`, resume: `file ${files}` })
          .catch((error: unknown) => error)
        sentBytes += session.stats().sentBytes
        session.destroy()
        child.kill('SIGKILL')
        if (!(done instanceof Error)) break
        expect(done).toMatchObject({ retryable: true })
        kills += 1
        killed += 1
      }
      expect(bytes.equals(await readFile(join(at, `to${files}`)))).toBe(true)
      expect((await readdir(at)).toSorted()).toEqual(['from', 'journal', `to${files}`])
      await rm(join(at, `to${files}`))
      // What was on its way, or in the dead process, and the initial window of each session.
      expect(sentBytes - FILE_BYTES).toBeLessThan((killed + 1) * 8 * 1_048_576)
    }
  },
  120_000 + KILLS * 3000,
)

test(
  `a sender killed ${KILLS} times at random bytes has sent each file in the end, once (seed ${SEED})`,
  async () => {
    const draw = drawsFrom(SEED + 1)
    const { at, from, bytes } = await fileToSend()
    await using journal = await openTransferJournal(join(at, 'journal'))
    const server = await listen({ nodeId: 'b', plaintext: true })
    onTestFinished(() => server.close())
    const completed: boolean[] = []
    const serving = (async () => {
      for await (const session of server) {
        void (async () => {
          for await (const transfer of session.incoming)
            void transfer.saveTo(join(at, transfer.name), { journal }).then(
              ({ isRepeat }) => completed.push(isRepeat),
              () => undefined,
            )
        })()
      }
    })()
    // Until as many were killed, and the file that the last was sending is there.
    for (let [kills, files] = [0, 0], isUnderWay = true; kills < KILLS || isUnderWay; ) {
      const goal = kills < KILLS ? String(Math.floor((draw() * FILE_BYTES) / 5)) : 'Infinity'
      const child = start('give', from, String(server.address.port), `file ${files}`, goal)
      const told = once(child, 'message')
      const isEnded = once(child, 'exit')
      isUnderWay = !(await Promise.race([told.then(() => true), isEnded.then(() => false)]))
      if (isUnderWay) {
        expect(await isEnded).toEqual([null, 'SIGKILL'])
        kills += 1
        continue
      }
      expect((await told)[0]).toMatchObject({ receipt: { lengthBytes: FILE_BYTES } })
      child.kill('SIGKILL')
      // The sender may hear of it before the receiver's own call returns.
      await until(() => completed.includes(false))
      // Exactly once, however often it was completed.
      expect(completed.splice(0).filter((isRepeat) => !isRepeat)).toHaveLength(1)
      expect(bytes.equals(await readFile(join(at, `file ${files}`)))).toBe(true)
      await rm(join(at, `file ${files}`))
      files += 1
    }
    server.destroy()
    await serving
  },
  120_000 + KILLS * 3000,
)
