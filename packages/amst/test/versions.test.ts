import { once } from 'node:events'
import { connect as connectTcp, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { allowanceOf } from '../src/connect.ts'
import { readGreeting } from '../src/greeting.ts'
import { encodeHello } from '../src/hello.ts'
import { connect, listen } from '../src/index.ts'
import { DEFAULT_LIMITS } from '../src/limits.ts'

const party = { node: 'other', instance: new Uint8Array(16).fill(7), streams: 1, allowance: allowanceOf(DEFAULT_LIMITS) }

async function answerTo(fields: object): Promise<unknown> {
  const server = await listen({ nodeId: 'b', plaintext: true })
  onTestFinished(() => server.close())
  const socket = connectTcp(server.address).on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  socket.write(encodeHello({ kind: 'open', ...party, previous: new Uint8Array(8), ...fields } as never))
  return (await readGreeting(socket)).hello
}

async function callTo(fields: object): Promise<{ readonly wireVersion: number }> {
  const secret = new Uint8Array(16)
  const server = createServer((socket) => {
    onTestFinished(() => void socket.destroy())
    socket
      .on('error', () => undefined)
      .write(encodeHello({ kind: 'accept', ...party, secret, tag: secret.subarray(8), ...fields } as never))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('no port')
  const session = await connect({ host: '127.0.0.1', port: bound.port }, { nodeId: 'a', plaintext: true, streams: 1 })
  return session.stats()
}

test('a session speaks the highest version of both ends', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true })
  onTestFinished(() => server.close())
  const session = await connect(server.address, { nodeId: 'a', plaintext: true })
  for await (const accepted of server) {
    expect([session.stats().wireVersion, accepted.stats().wireVersion]).toEqual([1, 1])
    break
  }
  await session.close()
})

test.each([{ versions: [1, 9] }, { versions: [1, 1] }, {}])('a caller that says %j is answered in version 1', async (fields) => {
  expect(await answerTo(fields)).toMatchObject({ kind: 'accept', version: 1 })
})

test('a caller with no version in common is refused, and told why', async () => {
  expect(await answerTo({ versions: [2, 9] })).toMatchObject({
    kind: 'refuse',
    code: 'ERR_AMST_VERSION',
    message: expect.stringContaining('update the older one'),
  })
})

test.each([[[2, 1]], [[0, 1]], [[1]], [[1, 1, 1]], [[1, 1.5]], ['1'], [[1, 2 ** 31]]])(
  'a caller that says versions %j is cut off',
  async (versions) => {
    await expect(answerTo({ versions })).rejects.toMatchObject({ code: 'ERR_AMST_HANDSHAKE' })
  },
)

test('a caller takes no version that it did not offer, and a listener that says none for version 1', async () => {
  await expect(callTo({ version: 2 })).rejects.toMatchObject({ code: 'ERR_AMST_VERSION' })
  await expect(callTo({ version: 0 })).rejects.toMatchObject({ code: 'ERR_AMST_HANDSHAKE' })
  expect(await callTo({})).toMatchObject({ wireVersion: 1 })
})
