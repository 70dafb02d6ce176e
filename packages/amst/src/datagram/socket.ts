import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { TokenBucket } from '../token-bucket.js'
import { sessionTagOf } from './seal.js'

/** An IP address and a UDP port. */
export interface UdpAddress {
  readonly address: string
  readonly port: number
}

export type TakeDatagram = (datagram: Buffer, from: UdpAddress) => void

/** Waiting for the kernel; past it datagrams are dropped, as they are anywhere on their way. */
const QUEUE_BYTES = 262_144
/** Datagrams that do not open, over all sessions of the port, per second: a seventh of a core at most. */
const FORGED_PER_SECOND = 5000

/** One UDP port and the sessions that share it. */
export class DatagramSocket implements Disposable {
  readonly port: number
  readonly forged: TokenBucket = new TokenBucket(FORGED_PER_SECOND, 0)
  readonly #socket: Socket
  /** By session tag. */
  readonly #takers = new Map<string, TakeDatagram>()
  #isClosed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.address().port
    socket.on('message', (datagram, { address, port }) => {
      const tag = sessionTagOf(datagram)
      if (tag !== undefined) this.#takers.get(tag)?.(datagram, { address, port })
    })
    // What the network says about one datagram is no news: it is lost like any other.
    socket.on('error', () => undefined)
    socket.unref()
  }

  /** @returns undefined where the port cannot be had. */
  static open(host: string, port: number): Promise<DatagramSocket | undefined> {
    const socket = createSocket({
      type: isIPv6(host) ? 'udp6' : 'udp4',
      // Only addresses are sent to: nothing is to be asked, and nothing waited for.
      lookup: (address, _options, callback) => callback(null, address, isIPv6(address) ? 6 : 4),
    })
    return new Promise((resolve) => {
      socket.once('error', () => {
        socket.close()
        resolve(undefined)
      })
      socket.bind(port, host, () => {
        socket.removeAllListeners('error')
        resolve(new DatagramSocket(socket))
      })
    })
  }

  /** Hands over what claims to be of that session, until disposed. */
  route(tag: Uint8Array, take: TakeDatagram): Disposable {
    const key = Buffer.from(tag).toString('latin1')
    this.#takers.set(key, take)
    return { [Symbol.dispose]: () => void this.#takers.delete(key) }
  }

  /** @returns false when it was dropped here. */
  send(datagram: Buffer, { address, port }: UdpAddress): boolean {
    if (this.#isClosed || this.#socket.getSendQueueSize() > QUEUE_BYTES) return false
    this.#socket.send(datagram, port, address, () => undefined)
    return true
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }
}
