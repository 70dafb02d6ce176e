import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callNode, controlPath, openControlSocket } from './control-socket.js'
import { readJsonLines } from './json-lines.js'
import type { ControlHandler } from './serve.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dwcp-control-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const echo: Readonly<Record<string, ControlHandler>> = {
  echo: async (args) => args,
  fail: async () => {
    throw Object.assign(new Error('it went wrong'), { code: 'ERR_SOME_CODE' })
  },
  count: async ({ to }, { emit }) => {
    for (let index = 1; index <= Number(to); index++) emit({ index })
    return 'counted'
  },
  wait: (_args, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
}

async function raw(): Promise<Socket> {
  const socket = connect(controlPath(directory))
  await once(socket, 'connect')
  return socket
}

/** Everything that the node says to these bytes until it hangs up. */
async function said(bytes: string | Uint8Array): Promise<readonly Record<string, unknown>[]> {
  const socket = await raw()
  socket.end(bytes)
  const lines = (await text(socket)).trim()
  return lines === '' ? [] : lines.split('\n').map((line) => JSON.parse(line))
}

describe('a control socket', () => {
  test('is for its user alone, whatever the umask', async () => {
    const mask = process.umask(0)
    try {
      await using _socket = await openControlSocket(directory, echo)
      expect((await stat(controlPath(directory))).mode & 0o777).toBe(0o600)
      expect(process.umask()).toBe(0)
    } finally {
      process.umask(mask)
    }
  })

  test('answers calls, events first, errors with their code', async () => {
    await using _socket = await openControlSocket(directory, echo)
    const caller = await callNode(directory)
    const events: unknown[] = []
    expect(await caller.call('echo', { a: [1, 'x'] })).toEqual({ a: [1, 'x'] })
    expect(await caller.call('count', { to: 3 }, { onEvent: (event) => events.push(event) })).toBe('counted')
    expect(events).toEqual([{ index: 1 }, { index: 2 }, { index: 3 }])
    await expect(caller.call('fail')).rejects.toMatchObject({ code: 'ERR_SOME_CODE', message: 'it went wrong' })
    await expect(caller.call('nothing')).rejects.toMatchObject({
      code: 'ERR_CLI_CONTROL',
      message: expect.stringContaining('there are echo, fail'),
    })
    await expect(caller.call('toString')).rejects.toMatchObject({ code: 'ERR_CLI_CONTROL' })
    caller.close()
    await expect(caller.call('echo')).rejects.toMatchObject({ code: 'ERR_CLI_CONTROL' })
  })

  test('cancels an operation when its caller says so, and when the caller hangs up', async () => {
    let hungUp: (() => void) | undefined
    const gone = new Promise<void>((resolve) => (hungUp = resolve))
    const started: (() => void)[] = []
    const wait: ControlHandler = (_args, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          if (String(signal.reason).includes('hung up')) hungUp?.()
          reject(signal.reason)
        })
        started.shift()?.()
      })
    await using _socket = await openControlSocket(directory, { wait })
    const caller = await callNode(directory)
    const abort = new AbortController()
    const begun = new Promise<void>((resolve) => started.push(resolve))
    const call = caller.call('wait', {}, { signal: abort.signal })
    await begun
    abort.abort()
    await expect(call).rejects.toMatchObject({ code: 'ERR_CLI_INTERRUPTED', message: 'cancelled by the caller' })
    await expect(caller.call('wait', {}, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
    const begunAgain = new Promise<void>((resolve) => started.push(resolve))
    const left = caller.call('wait')
    left.catch(() => undefined)
    await begunAgain
    caller.close()
    await gone
  })

  test('tells a caller that waits when the node goes', async () => {
    const socket = await openControlSocket(directory, echo)
    const caller = await callNode(directory)
    const call = caller.call('wait')
    await caller.call('echo')
    const end = socket[Symbol.asyncDispose]()
    await expect(call).rejects.toMatchObject({ code: 'ERR_CLI_CONTROL', message: expect.stringContaining('hung up') })
    await end
    await expect(callNode(directory)).rejects.toMatchObject({ code: 'ERR_CLI_NO_NODE' })
  })

  test('takes a line of exactly the bound and hangs up on one byte more, before it is whole', async () => {
    const line = JSON.stringify({ id: 1, op: 'echo', args: { x: '' } })
    const padded = (bytes: number): string => line.replace('""', `"${'y'.repeat(bytes - line.length)}"`)
    await using _socket = await openControlSocket(directory, echo, { maxLineBytes: 100 })
    expect(await said(`${padded(100)}\n`)).toMatchObject([{ id: 1, result: {} }])
    expect(await said(`${padded(101)}\n`)).toMatchObject([
      { id: 0, error: { code: 'ERR_CLI_CONTROL', message: expect.stringContaining('100 bytes') } },
    ])
    const endless = await raw()
    endless.on('error', () => undefined)
    endless.write('z'.repeat(101))
    expect(await text(endless)).toContain('ERR_CLI_CONTROL')
  })

  test.each([
    '[]',
    '{}',
    'null',
    '"x"',
    '{"id":1}',
    '{"id":0,"op":"echo"}',
    '{"id":1.5,"op":"echo"}',
    '{"id":1,"op":"echo","args":[]}',
    '{"cancel":"x"}',
    '{',
    'GET / HTTP/1.1',
  ])('hangs up on %s, saying why', async (line) => {
    await using _socket = await openControlSocket(directory, echo)
    expect(await said(`${line}\n`)).toMatchObject([{ id: 0, error: { code: 'ERR_CLI_CONTROL' } }])
  })

  test('survives any bytes', async () => {
    await using _socket = await openControlSocket(directory, echo)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        for (const reply of await said(bytes)) expect(reply).toHaveProperty('error.code', 'ERR_CLI_CONTROL')
      }),
      { numRuns: 50 },
    )
    const caller = await callNode(directory)
    expect(await caller.call('echo', { still: 'here' })).toEqual({ still: 'here' })
    caller.close()
  })

  test('refuses more operations at once than its bound, and a number that is in use', async () => {
    await using _socket = await openControlSocket(directory, echo, { maxOpen: 2 })
    const wait = (id: number): string => JSON.stringify({ id, op: 'wait' })
    const lines = await said([wait(1), wait(1), wait(2), wait(3)].map((line) => `${line}\n`).join(''))
    expect(lines).toContainEqual({ id: 1, error: { code: 'ERR_CLI_CONTROL', message: expect.stringContaining('number each one anew') } })
    expect(lines).toContainEqual({ id: 3, error: { code: 'ERR_CLI_CONTROL', message: '2 operations are under way; wait for one to end' } })
  })

  test('takes the place of one that a dead node left, and not of one that is alive', async () => {
    await writeFile(controlPath(directory), '')
    await using _socket = await openControlSocket(directory, echo)
    await expect(openControlSocket(directory, echo)).rejects.toMatchObject({ code: 'ERR_CLI_NODE_RUNNING' })
    const caller = await callNode(directory)
    expect(await caller.call('echo')).toEqual({})
    caller.close()
  })

  test('refuses a directory whose path no socket can have', async () => {
    await expect(openControlSocket(join(directory, 'x'.repeat(100)), echo)).rejects.toMatchObject({ code: 'ERR_CLI_USAGE' })
  })

  test('a caller fails when the other side is not a node', async () => {
    const server = createServer((socket) => socket.end('hello\n'))
    server.listen(controlPath(directory))
    await once(server, 'listening')
    const caller = await callNode(directory)
    await expect(caller.call('echo')).rejects.toMatchObject({ code: 'ERR_CLI_CONTROL' })
    server.close()
  })
})

test('lines come whole, however their bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.json(), { maxLength: 5 }), fc.integer({ min: 1, max: 7 }), async (values, step) => {
      const bytes = Buffer.from(values.map((value) => `${value}\n`).join(''))
      const pieces = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) => bytes.subarray(index * step, (index + 1) * step))
      const lines: unknown[] = []
      for await (const line of readJsonLines(Readable.from(pieces), 1 << 16)) lines.push(line)
      expect(lines).toEqual(values.map((value) => JSON.parse(value)))
    }),
  )
})
