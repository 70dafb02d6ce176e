import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { type Carrier, pattern } from './carrier.js'

/** Before each object: its length. */
const LENGTH_BYTES = 8

/** One plain connection of `node:net`, or of `node:tls` (1.3, both ends certified), as an application would write it: 'data' events. */
export const netCarrier: Carrier = {
  async listen({ host, tls, onBytes, onEnd }) {
    const serve = (socket: Socket): void => serveObjects(socket, onBytes, onEnd)
    const server =
      tls === undefined
        ? createServer(serve)
        : createTlsServer({ ...tls, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true }, serve)
    server.listen(0, host)
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new TypeError('not listening on TCP')
    return { port: address.port } satisfies Pick<AddressInfo, 'port'>
  },
  async connect({ host, port, tls }) {
    const socket =
      tls === undefined
        ? connect({ host, port, noDelay: true })
        : connectTls({ ...tls, host, port, minVersion: 'TLSv1.3', checkServerIdentity: () => undefined })
    await once(socket, tls === undefined ? 'connect' : 'secureConnect')
    return async (bytes) => {
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeBigUInt64BE(BigInt(bytes))
      socket.write(length)
      const acknowledged = once(socket, 'data')
      for (const slice of pattern(bytes)) if (!socket.write(slice)) await once(socket, 'drain')
      await acknowledged
    }
  },
}

function serveObjects(socket: Socket, onBytes: (bytes: Uint8Array) => void, onEnd: () => void): void {
  let left = 0
  socket.setNoDelay(true)
  socket.on('error', (error) => {
    // The sender is killed at the end of a case.
    if (!('code' in error) || error.code !== 'ECONNRESET') throw error
  })
  socket.on('data', (chunk: Buffer) => {
    let bytes = chunk
    if (left === 0) {
      // The sender waits for our answer after each object, so a length never arrives in two parts on loopback.
      if (bytes.length < LENGTH_BYTES) throw new RangeError('an object began with less than its length')
      left = Number(bytes.readBigUInt64BE())
      bytes = bytes.subarray(LENGTH_BYTES)
    }
    left -= bytes.length
    if (bytes.length > 0) onBytes(bytes)
    if (left > 0) return
    onEnd()
    socket.write('k')
  })
}
