import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { TlsCredentials } from '@dwcp/interface'
import { type FrameStream, openFrameStream, releaseBody, type StreamSecrets, streamSecrets } from '@dwcp/native-rdma/stream'
import { type Carrier, type ListenSettings, pattern } from './carrier.js'

const TYPE = { length: 1, chunk: 4, done: 2 } as const
const BODY_BYTES_MAX = new Map<number, number>([
  [TYPE.length, 8],
  [TYPE.chunk, 2 ** 20],
  [TYPE.done, 0],
])
const LABEL = 'EXPORTER-dwcp-benchmark'

/**
 * One connection of `@dwcp/native-rdma/stream`: digests verified, or sealed with keys that a connection of `node:tls` beside it exports.
 */
export const frameCarrier = (backend: 'native' | 'js'): Carrier => ({
  async listen(settings) {
    const serve = async (socket: Socket, secrets?: StreamSecrets): Promise<void> => {
      const stream = await openFrameStream(socket, { bodyBytesMax: BODY_BYTES_MAX, backend, ...(secrets ? { secrets } : {}) })
      await receiveObjects(stream, settings)
    }
    const { host, tls } = settings
    const server = tls
      ? createTlsServer({ ...tls, minVersion: 'TLSv1.3', requestCert: true }, (control) => void acceptSealed(control, host, serve))
      : createServer((socket) => void serve(socket))
    return { port: await portOf(server.listen(0, host)) }
  },
  async connect({ host, port, tls }) {
    const { socket, secrets } = tls ? await connectSealed(host, port, tls) : { socket: await connected(host, port), secrets: undefined }
    const stream = await openFrameStream(socket, { bodyBytesMax: BODY_BYTES_MAX, backend, ...(secrets ? { secrets } : {}) })
    const answers = stream.frames[Symbol.asyncIterator]()
    return async (bytes) => {
      const length = Buffer.alloc(8)
      length.writeBigUInt64BE(BigInt(bytes))
      stream.write({ type: TYPE.length, id: 0, sequence: 0, ack: 0, body: length })
      for (const body of pattern(bytes)) if (!stream.write({ type: TYPE.chunk, id: 0, sequence: 0, ack: 0, body })) await stream.drained()
      await answers.next()
    }
  },
})

async function receiveObjects(stream: FrameStream, { onBytes, onEnd }: ListenSettings): Promise<void> {
  let left = 0
  for await (const frames of stream.frames) {
    for (const { type, body, intact } of frames) {
      if (!intact) throw new Error('a frame arrived damaged on loopback')
      if (type === TYPE.length) left = Number(Buffer.from(body).readBigUInt64BE())
      if (type !== TYPE.chunk) continue
      left -= body.byteLength
      onBytes(body)
      releaseBody(body)
      if (left > 0) continue
      onEnd()
      stream.write({ type: TYPE.done, id: 0, sequence: 0, ack: 0, body: new Uint8Array(0) })
    }
  }
}

async function acceptSealed(
  control: TLSSocket,
  host: string,
  serve: (socket: Socket, secrets: StreamSecrets) => Promise<void>,
): Promise<void> {
  control.on('error', () => undefined)
  const data = createServer()
  const port = await portOf(data.listen(0, host))
  const head = Buffer.alloc(2)
  head.writeUInt16BE(port)
  control.write(head)
  const socket = await new Promise<Socket>((came) => data.once('connection', came))
  data.close()
  await serve(socket, streamSecrets({ shared: exported(control), serial: 1, isCaller: false }))
}

async function connectSealed(host: string, port: number, tls: TlsCredentials): Promise<{ socket: Socket; secrets: StreamSecrets }> {
  const control = connectTls({ ...tls, host, port, minVersion: 'TLSv1.3', checkServerIdentity: () => undefined })
  await once(control, 'secureConnect')
  const hello = await new Promise<Buffer>((came) => control.once('data', came))
  return {
    socket: await connected(host, hello.readUInt16BE()),
    secrets: streamSecrets({ shared: exported(control), serial: 1, isCaller: true }),
  }
}

const exported = (control: TLSSocket): Buffer => control.exportKeyingMaterial(32, LABEL, Buffer.alloc(0))

async function connected(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  return socket
}

async function portOf(server: { address(): AddressInfo | string | null } & NodeJS.EventEmitter): Promise<number> {
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening on TCP')
  return address.port
}
