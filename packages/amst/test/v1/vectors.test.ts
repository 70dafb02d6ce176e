import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { sendV1 } from '../../src/index.ts'
import { chunksIn, dialled, endOf, firstOf, listening, recording, VECTOR_SHA256, VECTORS } from './wire.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const chunks = VECTORS.flatMap(chunksIn)
const object = Buffer.alloc(300_000)
for (const chunk of chunks) object.set(chunk.subarray(16), chunk.readUInt32BE(4))

test('the fixtures are the transfer that a v1 node made', () => {
  expect(VECTORS.map(({ byteLength }) => byteLength)).toEqual([234_528, 0, 65_552])
  expect(sha256(object)).toBe(VECTOR_SHA256)
})

test('what a v1 node sent on its three connections arrives as its object, and says what v1 does not check', async () => {
  const server = await listening()
  const sockets = await Promise.all(VECTORS.map(() => dialled(server.address)))
  const ends = sockets.map(endOf)
  for (const [k, socket] of sockets.entries()) socket.end(VECTORS[k] ?? '')
  const transfer = await firstOf(server)
  expect(transfer).toMatchObject({ from: '127.0.0.1', lengthBytes: 300_000 })
  expect(sha256(await transfer.bytes())).toBe(VECTOR_SHA256)
  expect(await Promise.all(ends)).toEqual(['ended', 'ended', 'ended'])
  expect(server.stats()).toMatchObject({
    protocol: 'v1',
    security: 'plaintext',
    integrity: 'none',
    transfersOpen: 0,
    transfersStored: 1,
    transfersFailed: 0,
    connectionsRefused: 0,
    receivedBytes: 300_080,
  })
})

test.each([
  ['one connection after the other', [0, 1, 2]],
  ['one after the other, the last one first', [2, 1, 0]],
])('the same bytes arrive by %s', async (_, order) => {
  const server = await listening()
  const received = firstOf(server).then((transfer) => transfer.bytes())
  for (const k of order) {
    const socket = await dialled(server.address)
    socket.end(VECTORS[k] ?? '')
    if (k === 1) await endOf(socket)
  }
  expect(sha256(await received)).toBe(VECTOR_SHA256)
})

test('the same bytes arrive in pieces of any length', async () => {
  const server = await listening()
  const received = firstOf(server).then((transfer) => transfer.bytes())
  await Promise.all(
    VECTORS.map(async (stream, k) => {
      const socket = await dialled(server.address)
      socket.setNoDelay()
      for (let at = 0, length = 1; at < stream.byteLength; at += length, length = (length * (5 + k)) % 16_381) {
        await new Promise((resolve) => socket.write(stream.subarray(at, at + length), resolve))
      }
      socket.end()
    }),
  )
  expect(sha256(await received)).toBe(VECTOR_SHA256)
})

test('what sendV1 sends of that object are the chunks of the v1 node, byte for byte, on as many connections', async () => {
  const receiver = await recording()
  const sent = await sendV1(receiver.address, object, { plaintext: true, connections: 3 })
  const streams = await Promise.all(receiver.streams)
  const ours = streams.flatMap(chunksIn).map((chunk) => chunk.toString('hex'))
  expect(ours.sort()).toEqual(chunks.map((chunk) => chunk.toString('hex')).sort())
  expect(streams).toHaveLength(3)
  expect(sent).toEqual({
    protocol: 'v1',
    security: 'plaintext',
    integrity: 'none',
    lengthBytes: 300_000,
    chunks: 5,
    connections: 3,
    wasClosedByPeer: true,
  })
})

test('the headers that docs/wire/v1-amst.md shows are those of the v1 node', async () => {
  const page = await readFile(new URL('../../../../docs/wire/v1-amst.md', import.meta.url), 'utf8')
  for (const chunk of chunks) {
    const words = [0, 4, 8, 12].map((at) => chunk.readUInt32BE(at).toString(16).padStart(8, '0'))
    expect(page).toContain(`\`${words.join(' ')}\``)
  }
})
