import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openSession } from './connect.js'

test('a call that is given up before its hello leaves no connection behind', async ({ onTestFinished }) => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).resume())
    socket.once('close', () => sockets.delete(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new RangeError('it has no port')
  const asking = (): void => {
    throw new RangeError('the peer was faster')
  }
  for (let call = 0; call < 5; call += 1) {
    const opening = openSession({ host: '127.0.0.1', port: address.port }, { nodeId: 'a', plaintext: true, streams: 4 }, { asking })
    await expect(opening).rejects.toThrow('the peer was faster')
  }
  await sleep(300)
  expect(sockets.size).toBe(0)
})
