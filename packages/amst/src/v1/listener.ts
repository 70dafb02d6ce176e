import { createServer, isIPv6, type Server as NetServer, type Socket } from 'node:net'
import { type Address, type Clock, type Logger, silentLogger, systemClock } from '@dwcp/interface'
import { AsyncQueue } from '../async-queue.js'
import { amstError, messageOf } from '../errors.js'
import { Arrival } from './arrival.js'
import type { ChunkHeader } from './chunk.js'
import { Connection } from './connection.js'
import { resolveV1Limits, type V1Limits } from './limits.js'
import { addressList, requirePlaintext } from './plaintext.js'
import { resetSocket } from './reset.js'
import type { V1ListenOptions, V1Server, V1ServerStats } from './server.js'
import { V1_TERMS, type V1Transfer } from './transfer.js'

const LOOPBACK = '127.0.0.1'

/** Whoever sends from one address: v1 has no other name for anyone. */
interface Sender {
  readonly address: string
  readonly connections: Set<Connection>
  arrival: Arrival | undefined
}

export class V1Listener implements V1Server {
  readonly #host: string
  readonly #from: ReturnType<typeof addressList>
  readonly #limits: V1Limits
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #server: NetServer
  readonly #senders = new Map<string, Sender>()
  readonly #queue: AsyncQueue<V1Transfer> = new AsyncQueue()
  #address: Address = { host: '', port: 0 }
  #connections = 0
  #open = 0
  #stored = 0
  #failed = 0
  #refused = 0
  #receivedBytes = 0
  #isClosed = false

  constructor(options: V1ListenOptions) {
    this.#host = options.host ?? LOOPBACK
    requirePlaintext(options.plaintext, this.#host)
    this.#from = addressList(options.from)
    this.#limits = resolveV1Limits(options.limits)
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    // A sender that has sent its end still waits for ours, which says that its transfer is stored.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#meet(socket))
  }

  async start(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, this.#host, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    this.#server.on('error', (error) => this.#logger.error({ error: error.message }, 'the v1 listener cannot accept'))
    const bound = this.#server.address()
    if (bound !== null && typeof bound === 'object') this.#address = { host: bound.address, port: bound.port }
  }

  get address(): Address {
    return this.#address
  }

  stats(): V1ServerStats {
    return {
      ...V1_TERMS,
      connections: this.#connections,
      transfersOpen: this.#open,
      transfersStored: this.#stored,
      transfersFailed: this.#failed,
      connectionsRefused: this.#refused,
      receivedBytes: this.#receivedBytes,
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<V1Transfer> {
    return this.#queue[Symbol.asyncIterator]()
  }

  async close(): Promise<void> {
    this.#stop()
    const senders = [...this.#senders.values()]
    const reason = amstError('ERR_AMST_CLOSED', 'the v1 listener was closed before anybody took the transfer')
    const arrivals = senders.flatMap(({ arrival }) => arrival ?? [])
    for (const arrival of arrivals) if (!arrival.isTaken) arrival.reject(reason)
    for (const sender of senders) this.#cutIdle(sender)
    await Promise.all(arrivals.map(({ over }) => over))
    await Promise.all(senders.flatMap(({ connections }) => [...connections].map(({ closed }) => closed)))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  destroy(reason: Error = amstError('ERR_AMST_CLOSED', 'the v1 listener was destroyed')): void {
    this.#stop()
    for (const { arrival, connections } of this.#senders.values()) {
      arrival?.reject(reason)
      for (const connection of connections) connection.reset()
    }
  }

  #stop(): void {
    this.#isClosed = true
    this.#server.close()
    this.#queue.end()
  }

  #meet(socket: Socket): void {
    socket.on('error', () => undefined)
    const address = socket.remoteAddress ?? ''
    const sender = this.#senders.get(address) ?? { address, connections: new Set(), arrival: undefined }
    const unwanted = this.#unwanted(sender)
    if (unwanted !== undefined) {
      this.#note(address, unwanted)
      return resetSocket(socket)
    }
    this.#connections += 1
    this.#senders.set(address, sender)
    const connection = new Connection(socket, {
      limits: this.#limits,
      clock: this.#clock,
      arrivalFor: (header) => this.#arrivalFor(sender, header),
      mayBeSilent: () => sender.arrival !== undefined,
      received: (bytes) => (this.#receivedBytes += bytes),
      refused: (reason) => this.#note(address, messageOf(reason)),
    })
    sender.connections.add(connection)
    void connection.closed.then(() => {
      this.#connections -= 1
      sender.connections.delete(connection)
      this.#forget(sender)
    })
  }

  #unwanted({ address, connections }: Sender): string | undefined {
    if (this.#isClosed) return 'closing'
    if (!this.#from.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return 'not one of "from"'
    if (this.#connections >= this.#limits.connections) return `${this.#limits.connections} connections are open`
    if (connections.size >= this.#limits.connectionsPerAddress) return `${connections.size} connections of this address are open`
    return undefined
  }

  /**
   * The transfer that a connection's first chunk is of: the one under way, or the next once that is stored.
   * @throws what broke the one under way; `ERR_AMST_LIMIT`, `ERR_AMST_CLOSED`.
   */
  async #arrivalFor(sender: Sender, header: ChunkHeader): Promise<Arrival> {
    // Bounded by the transfers under way of this address: each turn waits for the end of one.
    while (sender.arrival !== undefined && !sender.arrival.wants(header)) {
      const broken = await sender.arrival.over
      // Nothing tells what would be of the next transfer from what was of this one.
      if (broken) throw broken
    }
    return sender.arrival ?? this.#begin(sender, header)
  }

  #begin(sender: Sender, header: ChunkHeader): Arrival {
    if (this.#isClosed) throw amstError('ERR_AMST_CLOSED', 'the v1 listener is closed')
    if (this.#open >= this.#limits.transfers) throw amstError('ERR_AMST_LIMIT', `${this.#limits.transfers} v1 transfers are open`)
    const arrival = new Arrival(sender.address, header, { limits: this.#limits, clock: this.#clock })
    sender.arrival = arrival
    this.#open += 1
    this.#queue.push(arrival)
    void arrival.over.then((broken) => {
      sender.arrival = undefined
      this.#open -= 1
      if (broken) {
        this.#failed += 1
        this.#queue.drop(arrival)
        this.#logger.debug({ remote: sender.address, error: broken.message }, 'a v1 transfer failed')
        this.#cutIdle(sender)
      } else this.#stored += 1
      if (this.#isClosed) this.#cutIdle(sender)
      this.#forget(sender)
    })
    return arrival
  }

  #cutIdle({ arrival, connections }: Sender): void {
    if (arrival === undefined) for (const connection of connections) if (connection.isSilent) connection.reset()
  }

  #forget({ address, arrival, connections }: Sender): void {
    if (arrival === undefined && connections.size === 0) this.#senders.delete(address)
  }

  #note(remote: string, reason: string): void {
    this.#refused += 1
    this.#logger.debug({ remote, reason }, 'a v1 connection was refused')
  }
}
