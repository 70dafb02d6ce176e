import type { Socket } from 'node:net'
import { addonWith } from './addon.js'
import type { Backend } from './backend.js'
import { streamError, unavailable } from './errors.js'
import { loadHash } from './hash.js'
import { descriptorOf } from './socket.js'
import type { FrameStream, FrameStreamOptions } from './stream-contract.js'
import { SocketFrameStream } from './stream-js.js'
import { NativeFrameStream } from './stream-native.js'
import { streamSettings } from './stream-settings.js'

export type { Backend } from './backend.js'
export type { NativeErrorCode } from './errors.js'
export type { FrameStream, FrameStreamOptions } from './stream-contract.js'
export type { ReceivedStreamFrame, StreamFrame } from './stream-frame.js'
export { type StreamSecrets, type StreamSecretsOptions, streamSecrets } from './stream-seal.js'

/**
 * Who would carry frames on a plain TCP socket here; `sealed`: with secrets.
 * @public
 */
export function streamBackend(sealed = false): Backend {
  return choose(sealed).backend
}

/**
 * Carries frames on a connected socket from now on, of which nothing else may be read or written any more. By the addon a native thread
 * takes the connection over: it hashes or seals, sends, receives and verifies there, and the socket itself is closed (its server does not
 * count it any more). Otherwise, and on a socket of `node:tls`, the socket is used as it is. Both speak the same bytes.
 *
 * @throws RangeError for an option outside its range; `ERR_NATIVE_UNAVAILABLE` where `backend` asks for what is not here;
 * `ERR_NATIVE_PEER_LOST` where the socket is lost before.
 *
 * @example
 * ```ts
 * import { createServer, connect, type Socket } from 'node:net'
 * import { openFrameStream } from '@dwcp/native-rdma/stream'
 * const bodyBytesMax = new Map([[4, 65_536]])
 * const server = createServer(async (socket) => {
 *   const stream = await openFrameStream(socket, { bodyBytesMax })
 *   for await (const frames of stream.frames) console.log(frames.length)
 *   server.close()
 * }).listen(0, async () => {
 *   const socket = connect(Object(server.address()).port)
 *   await new Promise((done) => socket.once('connect', done))
 *   const stream = await openFrameStream(socket, { bodyBytesMax })
 *   stream.write({ type: 4, id: 1, sequence: 0, ack: 0, body: new Uint8Array(1000) })
 *   await stream.close()
 * })
 * ```
 * @public
 */
export async function openFrameStream(socket: Socket, options: FrameStreamOptions): Promise<FrameStream> {
  const settings = streamSettings(options)
  const { addon, backend } = choose(settings.secrets !== undefined)
  const isPlain = !('encrypted' in socket)
  if (options.backend === 'native' && (!addon || !isPlain))
    throw unavailable('a native stream', isPlain ? backend.reason : 'the socket is one of node:tls')
  const isNative = addon !== undefined && isPlain && options.backend !== 'js'
  const hash = isNative ? undefined : await loadHash()
  socket.pause().setNoDelay(true)
  // What libuv still has to send must be on its way before another thread sends.
  if (isNative && socket.writableLength > 0) await new Promise((flushed) => socket.write('', flushed))
  const received = Buffer.concat([options.received ?? new Uint8Array(0), ...readBuffered(socket)])
  if (hash) {
    const reason = isPlain ? (options.backend === 'js' ? 'asked for' : backend.reason) : 'on a socket of node:tls'
    return new SocketFrameStream(socket, { kind: 'js', reason }, hash, received, settings)
  }
  const fd = descriptorOf(socket)
  if (!addon || fd === undefined) throw streamError('ERR_NATIVE_PEER_LOST', 'the socket is not connected')
  try {
    return new NativeFrameStream(addon, backend, fd, received, settings)
  } finally {
    // The stream has a descriptor of its own: libuv lets go of this one without ending the connection.
    socket.destroy()
  }
}

/**
 * Gives the memory of a received body back for the next one, sooner than the garbage collector would: what was there is there no more.
 * Does nothing for what is not all of its buffer.
 * @public
 */
export function releaseBody(body: Uint8Array): void {
  const { buffer } = body
  if (buffer instanceof ArrayBuffer && body.byteLength === buffer.byteLength) addonWith('stream').addon?.streamGiveBack(buffer)
}

function choose(sealed: boolean): ReturnType<typeof addonWith> {
  const stream = addonWith('stream')
  if (!sealed || stream.addon === undefined) return stream
  const seal = addonWith('seal')
  return seal.addon === undefined
    ? seal
    : { ...stream, backend: { kind: 'native', reason: `${stream.backend.reason}, ${seal.backend.reason}` } }
}

/** What Node read before anyone asked. */
function readBuffered(socket: Socket): Buffer[] {
  const parts: Buffer[] = []
  for (let part: unknown = socket.read(); part instanceof Buffer; part = socket.read()) parts.push(part)
  return parts
}
