import { randomBytes } from 'node:crypto'
import { createServer, isIP, type Server as NetServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import {
  type Address,
  type Clock,
  type CredentialSource,
  isDwcpError,
  type Logger,
  type NodeId,
  type Principal,
  silentLogger,
  systemClock,
  type TlsCredentials,
} from '@dwcp/interface'
import { type Hash, loadHash } from '@dwcp/native-rdma/hash'
import { streamSecrets } from '@dwcp/native-rdma/stream'
import { formatAddress, isLiteral } from './address.js'
import { AsyncQueue } from './async-queue.js'
import { type ClassShares, resolveClasses } from './class-shares.js'
import { allowanceOf, type OpenedSession } from './connect.js'
import { routeDatagrams } from './datagram/open-path.js'
import { DatagramSocket } from './datagram/socket.js'
import { EnrollmentDesk } from './enrollment.js'
import { type AmstError, amstError, messageOf } from './errors.js'
import { type Greeting, readGreeting } from './greeting.js'
import { ADDRESSES_MAX, encodeHello, type Hello } from './hello.js'
import { type AmstLimits, resolveLimits } from './limits.js'
import { RateLimit } from './rate-limit.js'
import { ReplayWindow } from './replay-window.js'
import { endWhenRevoked, exportedKey, fingerprint, identify, type Security, securityFor, tlsOptions, vouchFor } from './security.js'
import type { ListenOptions, Server } from './server.js'
import { type Session, TcpSession } from './session.js'
import type { Stream } from './stream.js'
import { agreeVersion } from './wire-version.js'

/** What the transport adds. */
export interface ListenHooks {
  readonly instance?: Uint8Array
  /** Why this peer's session is not wanted now. */
  readonly admit?: (peer: Principal, instance: string, previous: Uint8Array) => AmstError | undefined
  /** Takes the session instead of the queue, before its first frame. */
  readonly opened?: (opened: OpenedSession) => void
  /** Instead of the limit of that name: the transport dials by itself. */
  readonly reconnectMs?: number
  /** What its sessions share with others, instead of a limit of its own. */
  readonly sharedRate?: RateLimit
  readonly unhandled?: (peer: Principal) => (channel: string, payload: Uint8Array) => void
}

interface Joinable {
  readonly session: TcpSession
  readonly fingerprint: string
  readonly streams: number
  /** Of its TLS connection; absent under plaintext. */
  readonly key: Uint8Array | undefined
  /** Of the sealed streams that have joined. */
  readonly serials: ReplayWindow
}

/** What an OpenSSL client shows as "protocol version": fatal alert 70, in plaintext. */
const ALERT_PROTOCOL_VERSION = Uint8Array.of(0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46)
const TLS_HANDSHAKE_RECORD = 0x16
/** For a refusal to reach the caller before the connection is cut. */
const REFUSE_LINGER_MS = 1000

export class Listener implements Server {
  readonly nodeId: NodeId
  readonly #options: ListenOptions
  readonly #hooks: ListenHooks
  readonly #security: Security
  readonly #limits: AmstLimits
  readonly #classes: ClassShares
  readonly #rate: RateLimit
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #hash: Hash
  readonly #instance: Uint8Array
  /** Other addresses of this listener. */
  readonly #others: readonly string[]
  readonly #server: NetServer
  readonly #tlsServer: TlsServer | undefined
  readonly #desk: EnrollmentDesk | undefined
  /** By session secret, in hex. */
  readonly #sessions = new Map<string, Joinable>()
  /** By tag, in hex. */
  readonly #tagged = new Map<string, Joinable>()
  /** Connections that have not shown who they are, by remote address and port. */
  readonly #strangers = new Map<string, { destroy(): unknown }>()
  readonly #queue: AsyncQueue<Session> = new AsyncQueue()
  #address: Address = { host: '', port: 0 }
  #datagrams: DatagramSocket | undefined
  #rotations: AsyncIterator<TlsCredentials> | undefined
  #isClosed = false

  static async create(options: ListenOptions, hooks: ListenHooks): Promise<Listener> {
    return new Listener(options, hooks, await loadHash())
  }

  private constructor(options: ListenOptions, hooks: ListenHooks, hash: Hash) {
    this.nodeId = options.nodeId
    this.#options = options
    this.#hooks = hooks
    this.#hash = hash
    this.#limits = resolveLimits(options.limits)
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#classes = resolveClasses(options.classes)
    this.#rate = hooks.sharedRate ?? new RateLimit(this.#clock, options.rateBytesPerSecond)
    this.#instance = hooks.instance ?? randomBytes(16)
    this.#others = otherAddresses(options.addresses ?? [])
    this.#security = securityFor(options, options.host ?? '127.0.0.1')
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#meet(socket))
    if (!options.tls) return
    if (options.enroll) this.#desk = new EnrollmentDesk(options.enroll)
    // Not rejected by Node, which would only cut the connection: #checkCertificate does, and says so.
    this.#tlsServer = createTlsServer({
      ...tlsOptions(options.tls),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: this.#limits.handshakeTimeoutMs,
    })
      .on('secureConnection', (socket) => this.#checkCertificate(socket))
      .on('tlsClientError', (error, socket) => {
        this.#logger.debug({ error: error.message }, 'a TLS handshake broke')
        socket.destroy()
      })
    if ('rotations' in options.tls) this.#rotate(this.#tlsServer, options.tls)
  }

  get address(): Address {
    return this.#address
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#options.port ?? 0, this.#options.host ?? '127.0.0.1', () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    this.#server.on('error', (error) => this.#logger.error({ error: error.message }, 'the listener cannot accept'))
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') return
    this.#address = { host: bound.address, port: bound.port }
    if (!this.#options.datagrams) return
    this.#datagrams = (await DatagramSocket.open(bound.address, bound.port)) ?? (await DatagramSocket.open(bound.address, 0))
    if (!this.#datagrams) this.#logger.warn({}, 'there is no UDP port: datagrams go with the messages')
  }

  [Symbol.asyncIterator](): AsyncIterator<Session> {
    return this.#queue[Symbol.asyncIterator]()
  }

  setRate(bytesPerSecond: number): void {
    this.#rate.set(bytesPerSecond)
  }

  async close(): Promise<void> {
    this.#stop()
    await Promise.all([...this.#sessions.values()].map(({ session }) => session.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  destroy(reason?: Error): void {
    this.#stop()
    for (const { session } of [...this.#sessions.values()]) session.destroy(reason)
  }

  /** The next handshakes are made with each new certificate. */
  #rotate(server: TlsServer, source: CredentialSource): void {
    const rotations = source.rotations()[Symbol.asyncIterator]()
    this.#rotations = rotations
    const follow = async (): Promise<void> => {
      for (let step = await rotations.next(); !step.done; step = await rotations.next()) server.setSecureContext(tlsOptions(step.value))
    }
    follow().catch((error: unknown) => this.#logger.error({ error: messageOf(error) }, 'new certificates are no longer taken up'))
  }

  #stop(): void {
    this.#isClosed = true
    // Not awaited: a source that has nothing to say may never answer.
    this.#rotations?.return?.()?.catch(() => undefined)
    this.#server.close()
    this.#datagrams?.[Symbol.dispose]()
    for (const socket of this.#strangers.values()) socket.destroy()
    this.#queue.end()
  }

  /** A new connection: bounded in number and time until it has said who it is. */
  #meet(socket: Socket): void {
    socket.on('error', () => undefined)
    const key = remoteKey(socket)
    if (this.#isClosed || this.#strangers.size >= this.#limits.unauthenticatedConnections) return void socket.destroy()
    this.#strangers.set(key, socket)
    const timer = this.#clock.after(this.#limits.handshakeTimeoutMs, () => {
      if (this.#strangers.get(key) === socket) socket.destroy()
    })
    socket.once('close', () => {
      timer[Symbol.dispose]()
      if (this.#strangers.get(key) === socket) this.#strangers.delete(key)
    })
    if (this.#tlsServer) this.#secure(socket, this.#tlsServer)
    else void this.#greet(socket)
  }

  /** Looks at the first byte, so that a plaintext peer hears what is wrong. */
  #secure(socket: Socket, tlsServer: TlsServer): void {
    socket.once('data', (first) => {
      socket.pause()
      if (first[0] === TLS_HANDSHAKE_RECORD) {
        socket.unshift(first)
        tlsServer.emit('connection', socket)
      } else if (first[0] === 'A'.charCodeAt(0)) {
        socket.unshift(first)
        void this.#greetSealed(socket)
      } else socket.destroy()
    })
    socket.resume()
  }

  /** Nothing of a caller's is read before its certificate is found good, and it is trusted. */
  #checkCertificate(socket: TLSSocket): void {
    if (this.#desk && fingerprint(socket) === 'none') return void this.#enroll(socket, this.#desk)
    try {
      if (!socket.authorized) {
        throw amstError('ERR_AMST_TLS', `its authorities do not vouch for your certificate: ${messageOf(socket.authorizationError)}`)
      }
      vouchFor(socket, this.#options)
      void this.#greet(socket)
    } catch (error) {
      socket.on('error', () => undefined)
      this.#strangers.delete(remoteKey(socket))
      this.#refuse(socket, error)
    }
  }

  /** A stranger until its connection is over. */
  async #enroll(socket: TLSSocket, desk: EnrollmentDesk): Promise<void> {
    socket.on('error', () => undefined)
    try {
      await desk.answer(socket)
    } catch (error) {
      this.#refuse(socket, error)
    }
  }

  async #greet(socket: Socket): Promise<void> {
    socket.on('error', () => undefined)
    const key = remoteKey(socket)
    try {
      const greeting = await readGreeting(socket)
      if (greeting.hello.kind === 'open') this.#open(socket, greeting, greeting.hello)
      else if (greeting.hello.kind === 'join') this.#join(socket, greeting, greeting.hello)
      else throw amstError('ERR_AMST_HANDSHAKE', `a caller said "${greeting.hello.kind}"`)
    } catch (error) {
      this.#refuse(socket, error)
    } finally {
      this.#strangers.delete(key)
    }
  }

  /** Outside TLS nothing is taken but a stream that is sealed with the keys of a session. */
  async #greetSealed(socket: Socket): Promise<void> {
    const key = remoteKey(socket)
    try {
      const { hello, rest } = await readGreeting(socket)
      if (hello.kind !== 'seal') throw amstError('ERR_AMST_SECURITY_MISMATCH', 'this listener speaks TLS 1.3 only')
      const joinable = this.#tagged.get(Buffer.from(hello.tag).toString('hex'))
      const { index, serial } = hello
      // Without a word: the caller takes what comes for sealed frames.
      if (joinable?.key === undefined || index >= joinable.streams || !joinable.serials.isNew(serial)) return void socket.destroy()
      const secrets = streamSecrets({ shared: joinable.key, serial, isCaller: false })
      const prove = (): boolean => joinable.serials.take(serial)
      // Still a stranger, though its socket is taken over: until its first frame opens.
      this.#prove(key, joinable.session.addStream(index, { socket, rest, secrets, prove }))
    } catch (error) {
      this.#strangers.delete(key)
      this.#refuse(socket, error)
    }
  }

  #prove(key: string, stream: Stream | undefined): void {
    if (stream === undefined) return void this.#strangers.delete(key)
    const destroy = (): void => stream.fail(amstError('ERR_AMST_REFUSED', 'the caller did not show the keys of its session'))
    const stranger = { destroy }
    this.#strangers.set(key, stranger)
    const timer = this.#clock.after(this.#limits.handshakeTimeoutMs, destroy)
    void stream.settled.then(() => {
      timer[Symbol.dispose]()
      if (this.#strangers.get(key) === stranger) this.#strangers.delete(key)
    })
  }

  #open(socket: Socket, { rest }: Greeting, hello: Extract<Hello, { kind: 'open' }>): void {
    const remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    const peer = identify(socket, hello.node, this.#options)
    const instance = Buffer.from(hello.instance).toString('hex')
    if (this.#isClosed) throw amstError('ERR_AMST_REFUSED', 'it is closing')
    const wireVersion = agreeVersion(hello.versions)
    if (this.#options.accept?.(peer, remote) === false) throw amstError('ERR_AMST_REFUSED', `"${peer.nodeId}" is not accepted here`)
    if (this.#sessions.size >= this.#limits.sessions) this.#makeRoom()
    if (this.#sessions.size >= this.#limits.sessions) throw amstError('ERR_AMST_LIMIT', `${this.#limits.sessions} sessions are open`)
    const unwanted = this.#hooks.admit?.(peer, instance, hello.previous)
    if (unwanted) throw unwanted
    const secret = randomBytes(16)
    const tag = randomBytes(8)
    // The caller may want more later than it opens with.
    const streams = this.#limits.streamsPerSession
    const allowance = allowanceOf(this.#limits, this.#hooks.reconnectMs)
    const session = new TcpSession({
      peer,
      remote,
      security: this.#security,
      wireVersion,
      limits: this.#limits,
      allowance: hello.allowance,
      clock: this.#clock,
      logger: this.#logger,
      hash: this.#hash,
      classes: this.#classes,
      sharedRate: this.#rate,
      reconnectMs: Math.min(allowance.reconnectMs, hello.allowance.reconnectMs),
      unhandled: this.#hooks.unhandled?.(peer),
    })
    const [secretHex, tagHex] = [secret.toString('hex'), tag.toString('hex')]
    const joinable = { session, fingerprint: fingerprint(socket), streams, key: exportedKey(socket, secret), serials: new ReplayWindow() }
    this.#sessions.set(secretHex, joinable)
    this.#tagged.set(tagHex, joinable)
    void session.closed.then(() => {
      this.#sessions.delete(secretHex)
      this.#tagged.delete(tagHex)
    })
    socket.write(
      encodeHello({
        kind: 'accept',
        node: this.nodeId,
        instance: this.#instance,
        streams,
        allowance,
        secret,
        tag,
        version: wireVersion,
        ...this.#datagramPort(),
        ...this.#otherAddresses(),
      }),
    )
    if (this.#datagrams) routeDatagrams(session, this.#datagrams, { shared: joinable.key ?? secret, tag, isCaller: false }, this.#clock)
    endWhenRevoked(session, this.#options.trust)
    if (this.#hooks.opened) this.#hooks.opened({ session, instance, tag })
    else this.#queue.push(session)
    session.addStream(0, { socket, rest })
  }

  #otherAddresses(): { addresses?: readonly string[] } {
    if (this.#others.length === 0) return {}
    const { port } = this.#address
    return { addresses: this.#others.map((other) => (isIP(other) === 0 ? other : formatAddress({ host: other, port }))) }
  }

  #datagramPort(): { datagramPort?: number } {
    if (!this.#datagrams) return {}
    return { datagramPort: this.#datagrams.port === this.#address.port ? 0 : this.#datagrams.port }
  }

  #join(socket: Socket, { rest }: Greeting, hello: Extract<Hello, { kind: 'join' }>): void {
    const joinable = this.#sessions.get(Buffer.from(hello.secret).toString('hex'))
    // One answer for both, so that a guess learns nothing.
    if (!joinable || joinable.fingerprint !== fingerprint(socket)) throw amstError('ERR_AMST_REFUSED', 'no such session')
    this.#checkIndex(hello.index, joinable)
    socket.write(encodeHello({ kind: 'joined' }))
    joinable.session.addStream(hello.index, { socket, rest })
  }

  /** Who waits for a caller that may not come back is worth less than one that is there. */
  #makeRoom(): void {
    for (const [secret, { session }] of this.#sessions) {
      if (!session.isDisconnected) continue
      this.#sessions.delete(secret)
      return session.lose(amstError('ERR_AMST_LIMIT', `${this.#limits.sessions} sessions are open`, { retryable: true }))
    }
  }

  #checkIndex(index: number, { streams }: Joinable): void {
    if (index >= streams) throw amstError('ERR_AMST_LIMIT', `stream ${index} is past the ${streams} of this session`)
  }

  #refuse(socket: Socket, error: unknown): void {
    this.#logger.debug({ remote: socket.remoteAddress, error: messageOf(error), cause: causeOf(error) }, 'a caller was refused')
    if (socket.destroyed || !isDwcpError(error)) return void socket.destroy()
    const isTls = error.code === 'ERR_AMST_SECURITY_MISMATCH' && this.#security === 'plaintext'
    // Who does not speak AMST is told nothing.
    if (error.code === 'ERR_AMST_HANDSHAKE') return void socket.destroy()
    const timer = this.#clock.after(REFUSE_LINGER_MS, () => socket.destroy())
    socket.once('close', () => timer[Symbol.dispose]())
    socket.resume()
    socket.end(isTls ? ALERT_PROTOCOL_VERSION : encodeHello({ kind: 'refuse', code: error.code, message: error.message.slice(0, 500) }))
  }
}

/** @throws RangeError */
function otherAddresses(given: readonly (Address | string)[]): readonly string[] {
  const addresses = given.map((address) => (typeof address === 'string' ? address : formatAddress(address)))
  const wrong = addresses.find((address) => isIP(address) === 0 && !isLiteral(address))
  if (wrong !== undefined) throw new RangeError(`"${wrong}" is no IP literal, such as 192.0.2.1, 192.0.2.1:7400 or [2001:db8::1]:7400`)
  if (addresses.length > ADDRESSES_MAX) throw new RangeError(`addresses has ${addresses.length}, and at most ${ADDRESSES_MAX} are told`)
  return addresses
}

const causeOf = (error: unknown): string | undefined => (error instanceof Error && error.cause ? messageOf(error.cause) : undefined)

const remoteKey = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`
