import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'tsup'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codecBackend, trackDirtyPages } from '../src/index.ts'

// Built here, so that the test depends on no earlier build; in node_modules, so that dependencies resolve as in dist.
const folder = join(import.meta.dirname, `../node_modules/.dwcp-bundles-${process.pid}`)
const entries = ['index', 'codec', 'hash', 'socket', 'stream', 'memory'] as const

beforeAll(async () => {
  await build({
    config: false,
    silent: true,
    entry: entries.map((entry) => join(import.meta.dirname, `../src/${entry}.ts`)),
    outDir: folder,
    format: ['esm', 'cjs'],
    shims: true,
    target: 'node20',
    treeshake: true,
    noExternal: ['@dwcp/interface'],
    esbuildOptions(options) {
      options.conditions = ['@dwcp/source']
    },
  })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a script in a process of its own, where `F` is the folder of the bundles, and parses what it prints. */
async function run(script: string, env: Record<string, string> = {}): Promise<unknown> {
  const text = `import { createRequire } from 'node:module'\nconst F = ${JSON.stringify(folder)}\n${script}`
  const child = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', text], { env: { ...process.env, ...env } })
  return JSON.parse(child.stdout)
}

const probe = trackDirtyPages(() => new WebAssembly.Memory({ initial: 1 }).buffer)
probe.close()

const USE = {
  index: 'm.codecBackend().zstd.kind',
  codec: 'm.codecBackend().zstd.kind',
  hash: '(await m.loadHash()).backend.kind',
  socket: 'm.socketBackend().kind',
  stream: 'm.streamBackend(true).kind',
  memory: 'm.trackDirtyPages(() => new WebAssembly.Memory({ initial: 1 }).buffer).backend',
} as const

describe.each(entries)('the entry %s, alone', (entry) => {
  const expected = entry === 'memory' ? probe.backend : codecBackend().zstd.kind
  const twin = entry === 'memory' ? 'compare' : 'js'

  test('finds the addon as a module, and as CommonJS', async () => {
    const script = `const m = await import(F + '/${entry}.js'); console.log(JSON.stringify(${USE[entry]}))`
    const required = `const m = createRequire(F + '/')(F + '/${entry}.cjs'); console.log(JSON.stringify(${USE[entry]}))`
    expect(await Promise.all([run(script), run(required)])).toEqual([expected, expected])
  })

  test('works without it when DWCP_NATIVE=off', async () => {
    const script = `const m = await import(F + '/${entry}.js'); console.log(JSON.stringify(${USE[entry]}))`
    expect(await run(script, { DWCP_NATIVE: 'off' })).toBe(twin)
  })
})

test("the README's quick start runs", async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8')
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]?.replace("'@dwcp/native-rdma'", `'${folder}/index.js'`) ?? ''
  expect(code).toContain('zstdDecompress')
  const work = run(`${code.replaceAll('console.log(', 'void (')}\nconsole.log(true)`)
  if (codecBackend().zstd.canEncode) expect(await work).toBe(true)
  else await expect(work).rejects.toThrow('ERR_NATIVE_UNAVAILABLE')
})

test('in a worker thread dirty pages are exact and jobs complete', async () => {
  const result = await run(`
    import { Worker } from 'node:worker_threads'
    const worker = new Worker(\`
      const { parentPort } = require('node:worker_threads')
      const m = require(\${JSON.stringify(F + '/index.cjs')})
      const memory = new WebAssembly.Memory({ initial: 32, maximum: 128 })
      const tracker = m.trackDirtyPages(() => memory.buffer)
      const bytes = new Uint8Array(memory.buffer)
      for (const page of [3, 77, 500]) bytes[page * 4096 + 9] = 1
      const first = [...tracker.collect()]
      memory.grow(32)
      new Uint8Array(memory.buffer)[600 * 4096] = 1
      m.lz4Compress(new Uint8Array(100000)).then(async (block) => {
        const back = await m.lz4Decompress(block, { lengthBytes: 100000 })
        parentPort.postMessage([first, [...tracker.collect()], back.length])
      })
    \`, { eval: true, execArgv: [] })
    worker.once('message', (message) => console.log(JSON.stringify(message)))`)
  expect(result).toEqual([[3, 77, 500], [600], 100_000])
})

test('a worker terminated in the middle of codec jobs takes nothing down with it', async () => {
  const result = await run(`
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    const script = \`
      const { parentPort } = require('node:worker_threads')
      const m = require(\${JSON.stringify(F + '/index.cjs')})
      const bytes = Uint8Array.from({ length: 100000 }, (_, at) => (at * at) >> 7)
      const memory = new WebAssembly.Memory({ initial: 32 })
      const tracker = m.trackDirtyPages(() => memory.buffer)
      let jobs = 0
      const go = async () => {
        for (;;) {
          await m.lz4Decompress(await m.lz4Compress(bytes), { lengthBytes: bytes.length })
          await m.zstdDecompress(bytes, { maxBytes: 9 }).catch(() => {})
          if (++jobs === 20) parentPort.postMessage(tracker.backend)
        }
      }
      for (let chain = 0; chain < 8; chain += 1) go()\`
    let terminated = 0
    for (; terminated < 12; terminated += 1) {
      const worker = new Worker(script, { eval: true, execArgv: [] })
      await once(worker, 'message')
      await worker.terminate()
    }
    console.log(terminated)`)
  expect(result).toBe(12)
})

test('a worker terminated in the middle of streams takes nothing down with it', async () => {
  const result = await run(`
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    const script = \`
      const { parentPort } = require('node:worker_threads')
      const net = require('node:net')
      const m = require(\${JSON.stringify(F + '/stream.cjs')})
      const bodyBytesMax = new Map([[4, 300000]])
      const secrets = (isCaller) => m.streamSecrets({ shared: new Uint8Array(32), serial: 1, isCaller })
      let batches = 0
      const server = net.createServer(async (socket) => {
        const stream = await m.openFrameStream(socket, { bodyBytesMax, secrets: secrets(false) })
        for await (const frames of stream.frames) if ((batches += frames.length) > 20) parentPort.postMessage(stream.backend.kind)
      }).listen(0, '127.0.0.1', () => {
        for (let at = 0; at < 3; at += 1) {
          const socket = net.connect(server.address().port, '127.0.0.1', async () => {
            const stream = await m.openFrameStream(socket, { bodyBytesMax, secrets: secrets(true) })
            for (;;) if (!stream.write({ type: 4, id: 0, sequence: 0, ack: 0, body: new Uint8Array(200000) })) await stream.drained()
          })
        }
      })\`
    let terminated = 0
    for (; terminated < 8; terminated += 1) {
      const worker = new Worker(script, { eval: true, execArgv: [] })
      await once(worker, 'message')
      await worker.terminate()
    }
    console.log(terminated)`)
  expect(result).toBe(8)
})
