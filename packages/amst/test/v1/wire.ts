import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { Address } from '@dwcp/interface'
import { onTestFinished } from 'vitest'
import { listenV1, type V1ListenOptions, type V1Server, type V1Transfer } from '../../src/index.ts'

/** All bytes of the three connections of one transfer that a running v1 node sent. */
export const VECTORS: readonly Buffer[] = [0, 1, 2].map((k) => readFileSync(new URL(`../v1-vectors/stream-${k}.bin`, import.meta.url)))
export const VECTOR_SHA256 = '5bc9c661d725e818eb225a0440ec0bebdebea23d108c7fd8b0ed6a664bbdc643'

/** A chunk as the description of v1 has it, written without the code under test. */
export function chunkOf(
  id: number,
  offset: number,
  payload: Uint8Array,
  totalBytes: number,
  lengthBytes: number = payload.byteLength,
): Buffer {
  const bytes = Buffer.alloc(16 + payload.byteLength)
  new Uint32Array(bytes.buffer, bytes.byteOffset, 4).set([id, offset, lengthBytes, totalBytes])
  bytes.subarray(0, 16).swap32()
  bytes.set(payload, 16)
  return bytes
}

/** An object in chunks, in order. */
export function chunksOf(object: Uint8Array, chunkBytes: number): Buffer[] {
  return Array.from({ length: Math.ceil(object.byteLength / chunkBytes) }, (_, id) =>
    chunkOf(id, id * chunkBytes, object.subarray(id * chunkBytes, (id + 1) * chunkBytes), object.byteLength),
  )
}

/** The chunks of what one connection carried. */
export function chunksIn(stream: Buffer): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < stream.byteLength; ) {
    const end = at + 16 + stream.readUInt32BE(at + 8)
    chunks.push(stream.subarray(at, end))
    at = end
  }
  return chunks
}

export async function listening(options: Partial<V1ListenOptions> = {}): Promise<V1Server> {
  const server = await listenV1({ plaintext: true, ...options })
  onTestFinished(() => server.destroy())
  return server
}

export async function firstOf(server: V1Server): Promise<V1Transfer> {
  for await (const transfer of server) return transfer
  throw new Error('the listener was closed')
}

/** A connection of a v1 sender that is played by hand. */
export async function dialled(address: TcpNetConnectOpts): Promise<Socket> {
  const socket = connect({ ...address, allowHalfOpen: true })
  socket.on('error', () => undefined).resume()
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** A connection that the listener does not want. */
export function refused(address: TcpNetConnectOpts): Promise<'ended' | 'reset'> {
  const socket = connect({ ...address })
  onTestFinished(() => void socket.destroy())
  return endOf(socket.resume())
}

/** How a connection came to its end, seen from the sender. */
export function endOf(socket: Socket): Promise<'ended' | 'reset'> {
  return new Promise((resolve) => {
    socket.once('end', () => resolve('ended')).once('error', () => resolve('reset'))
  })
}

/** A v1 receiver that only notes what each connection carried, and ends it when the sender does. */
export async function recording(): Promise<{ readonly address: Address; readonly streams: Promise<Buffer>[] }> {
  const streams: Promise<Buffer>[] = []
  const server = createServer((socket) => {
    const parts: Buffer[] = []
    socket.on('error', () => undefined).on('data', (part) => parts.push(part))
    streams.push(new Promise((resolve) => socket.once('close', () => resolve(Buffer.concat(parts)))))
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const bound = server.address()
  return { address: { host: '127.0.0.1', port: bound !== null && typeof bound === 'object' ? bound.port : 0 }, streams }
}
