import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { type Address, type Clock, type Logger, type NodeId, type Principal, silentLogger, systemClock } from '@dwcp/interface'
import { loadHash } from '@dwcp/native-rdma/hash'
import { parseAddress } from './address.js'
import { checkRate, resolveClasses } from './class-shares.js'
import { dialDatagrams } from './datagram/open-path.js'
import { within } from './deadline.js'
import { dial } from './dial.js'
import { amstError } from './errors.js'
import type { Allowance, Hello } from './hello.js'
import { greet } from './join.js'
import { type AmstLimits, resolveLimits } from './limits.js'
import { isWide, type SessionMode } from './mode.js'
import type { RateLimit, RateOptions } from './rate-limit.js'
import { endWhenRevoked, exportedKey, identify, type SecurityOptions, securityFor } from './security.js'
import { type Session, TcpSession } from './session.js'
import { isFar, roundTripMs } from './stream.js'
import { letGo, StreamKeeper } from './stream-keeper.js'
import { StreamSearch } from './stream-search.js'
import { agreeVersion, WIRE_VERSIONS } from './wire-version.js'

/** Whom to dial as, whom to expect, and within which bounds. */
export interface ConnectOptions extends SecurityOptions, RateOptions {
  /** Refuse anyone else at that address. @defaultValue whoever the configured authorities vouch for */
  readonly expect?: NodeId
  /**
   * TCP connections of the session (all but one of them once more for each other path), 1 to the listener's `streamsPerSession`. A function
   * is asked again each second, and the session grows or shrinks to it. 'auto': 17 where the path is taken for a long one (see `mode`),
   * since many start faster there, and 4 elsewhere; then more or fewer as they deliver more, on a long path only where it has no BBR.
   * @defaultValue 'auto'
   */
  readonly streams?: StreamCount | (() => StreamCount)
  /** What the path is taken for, until `setMode`. @defaultValue 'auto': a long one from a round trip of 2 ms on */
  readonly mode?: SessionMode
  /** What the peer is asked to send at most, in bytes per second, from 1. @defaultValue no limit */
  readonly receiveBytesPerSecond?: number
  /** Opens as many streams to each other address that the listener tells, for what goes that way beside. @defaultValue true */
  readonly paths?: boolean
  /** Offers datagrams over UDP, where the listener does too. @defaultValue false */
  readonly datagrams?: boolean
  readonly signal?: AbortSignal
  /** For the connection and its hello. @defaultValue 10 s */
  readonly timeoutMs?: number
  readonly limits?: Partial<AmstLimits>
  readonly clock?: Clock
  /** @defaultValue silent */
  readonly logger?: Logger
}

/** A number from 1, or as many as a path of its kind is given. */
export type StreamCount = number | 'auto'

/** What the transport adds. */
export interface DialHooks {
  /** This process's mark. */
  readonly instance?: Uint8Array
  /** The tag of the last session with this peer. */
  readonly previous?: Uint8Array
  /** Instead of the limit of that name: the transport dials by itself. */
  readonly reconnectMs?: number
  readonly unhandled?: (peer: Principal) => (channel: string, payload: Uint8Array) => void
  /** What the session shares with others, instead of a limit of its own. */
  readonly sharedRate?: RateLimit
  /** The hello is about to leave. */
  readonly asking?: () => void
}

export interface OpenedSession {
  readonly session: TcpSession
  /** The other process's mark. */
  readonly instance: string
  readonly tag: Uint8Array
}

const CONNECT_TIMEOUT_MS = 10_000
/** With the first, which carries no objects beside others. */
const STREAMS_AUTO = { near: 4, wideArea: 17 } as const
/** Than streams that are there know: else fresh ones would know no better. */
const FARTHER = 1.5
/** How often a number of streams that is a function is asked again. */
const ADJUST_MS = 1000
const NO_TAG = new Uint8Array(8)

/**
 * Opens a session. It is there with its first stream; the others join while it is used, and are replaced when they die.
 *
 * @throws `ERR_AMST_UNREACHABLE`, `ERR_AMST_TIMEOUT`, `ERR_AMST_TLS`, `ERR_AMST_SECURITY_MISMATCH`, `ERR_AMST_IDENTITY`,
 * `ERR_AMST_UNTRUSTED`, `ERR_AMST_PLAINTEXT_REFUSED`, `ERR_AMST_REFUSED`, `ERR_AMST_VERSION`, `ERR_AMST_HANDSHAKE`, or `signal.reason`.
 */
export async function connect(address: Address | string, options: ConnectOptions): Promise<Session> {
  return (await openSession(parseAddress(address), options, {})).session
}

export async function openSession(address: Address, options: ConnectOptions, hooks: DialHooks): Promise<OpenedSession> {
  options.signal?.throwIfAborted()
  const security = securityFor(options, address.host)
  const limits = resolveLimits(options.limits)
  const classes = resolveClasses(options.classes)
  const allowance = allowanceOf(limits, hooks.reconnectMs)
  const { rateBytesPerSecond = Number.POSITIVE_INFINITY, receiveBytesPerSecond = Number.POSITIVE_INFINITY, streams = 'auto' } = options
  let mode = options.mode ?? 'auto'
  checkRate(rateBytesPerSecond)
  checkRate(receiveBytesPerSecond, 'receiveBytesPerSecond')
  let isPathFar = false
  const near = new StreamSearch(STREAMS_AUTO.near, limits.streamsPerSession)
  const far = new StreamSearch(STREAMS_AUTO.wideArea, limits.streamsPerSession, STREAMS_AUTO.wideArea)
  const wanted = (): number => {
    const count = countOf(streams)
    const auto = (isWide(mode, isPathFar) ? far : near).count
    return Math.min(count === 'auto' ? auto : count, limits.streamsPerSession)
  }
  const clock = options.clock ?? systemClock
  const hello: Hello = {
    kind: 'open',
    node: options.nodeId,
    instance: hooks.instance ?? randomBytes(16),
    streams: wanted(),
    allowance,
    previous: hooks.previous ?? NO_TAG,
    versions: WIRE_VERSIONS,
  }
  const logger = options.logger ?? silentLogger
  const timeoutMs = options.timeoutMs ?? CONNECT_TIMEOUT_MS
  const dialled: Promise<Socket>[] = []
  let isGivenUp = false
  return within(clock, timeoutMs, options.signal, address, async (signal) => {
    // The others' connections are made while the first proves who it is: a round trip less before they carry anything.
    const connected = (socket: Socket): void => {
      if (isGivenUp) return
      isPathFar = isFar(socket)
      for (let index = 1; index < wanted(); index += 1) dialled.push(dial(address, {}, signal))
      for (const other of dialled) other.catch(() => undefined)
    }
    // Each of them has a listener.
    setMaxListeners(0, signal)
    const loading = loadHash()
    let socket: Socket | undefined
    try {
      socket = await dial(address, options, signal, connected)
      hooks.asking?.()
      const greeting = await greet(socket, { address, security: options }, hello, signal)
      const answer = greeting.hello
      const hash = await loading
      if (answer.kind !== 'accept') throw amstError('ERR_AMST_HANDSHAKE', `the listener answered "open" with "${answer.kind}"`)
      const wireVersion = agreeVersion([answer.version, answer.version])
      const peer = identify(socket, answer.node, options)
      if (options.expect !== undefined && options.expect !== peer.nodeId) {
        throw amstError(
          'ERR_AMST_IDENTITY',
          `"${options.expect}" was expected at ${address.host}:${address.port} and "${peer.nodeId}" answered`,
        )
      }
      const joinable = {
        security: options,
        secret: answer.secret,
        tag: answer.tag,
        key: exportedKey(socket, answer.secret),
        serial: 0,
      }
      const session = new TcpSession({
        peer,
        remote: address,
        security,
        wireVersion,
        limits,
        allowance: answer.allowance,
        clock,
        logger,
        hash,
        classes,
        sharedRate: hooks.sharedRate,
        reconnectMs: Math.min(allowance.reconnectMs, answer.allowance.reconnectMs),
        unhandled: hooks.unhandled?.(peer),
        streamDied: (index) => keeper.died(index),
        modeChanged: () => {
          mode = session.mode
          keeper.adjust()
        },
        freshStreams: (index) => void keeper.replace(index),
      })
      const others = (options.paths ?? true) ? (answer.addresses ?? []).map(parseAddress) : []
      const keeper = new StreamKeeper(session, joinable, {
        addresses: [address, ...others],
        clock,
        logger,
        timeoutMs,
        wanted: () => Math.min(wanted(), answer.streams),
        dialled,
        most: answer.streams,
        measure: (other, minRttMs) => {
          isPathFar = isFar(other)
          return isWide(mode, isPathFar) && roundTripMs(other) > minRttMs * FARTHER
        },
      })
      endWhenRevoked(session, options.trust)
      session.setRate(rateBytesPerSecond)
      if (receiveBytesPerSecond !== Number.POSITIVE_INFINITY) session.setRate(receiveBytesPerSecond, 'receive')
      if (options.datagrams && answer.datagramPort !== undefined) {
        const shared = { shared: joinable.key ?? answer.secret, tag: answer.tag, isCaller: true }
        await dialDatagrams(session, socket, answer.datagramPort, shared, clock)
      }
      session.addStream(0, { socket, rest: greeting.rest })
      session.setMode(mode)
      const deliveredOf = deliveryMeter(session, clock)
      const adjust = (): void => {
        if (session.isOver) return
        const delivered = deliveredOf()
        if (countOf(streams) === 'auto') {
          if (!isWide(mode, isPathFar)) near.observe(delivered)
          // Without BBR chance loss bounds what each stream has, and more of them are all that helps.
          else if (session.stats().streams.every(({ congestionControl }) => congestionControl !== 'bbr')) far.observe(delivered)
        }
        keeper.adjust()
        clock.after(ADJUST_MS, adjust)
      }
      if (typeof streams === 'number') keeper.adjust()
      else adjust()
      letGo(dialled)
      return { session, instance: Buffer.from(answer.instance).toString('hex'), tag: answer.tag }
    } catch (error) {
      isGivenUp = true
      socket?.destroy()
      letGo(dialled)
      throw error
    }
  })
}

function countOf(streams: NonNullable<ConnectOptions['streams']>): StreamCount {
  const count = typeof streams === 'function' ? streams() : streams
  if (count === 'auto' || (Number.isInteger(count) && count >= 1)) return count
  throw new RangeError(`streams must be a positive integer, not ${count}`)
}

/**
 * @returns what gives bytes per second since it was last asked, both ways; undefined where a limit held it, or no object was under way all
 * the time: what short ones deliver says more of who sends them than of the path.
 */
function deliveryMeter(session: TcpSession, clock: Clock): () => number | undefined {
  const look = () => {
    const { objectsOpen, objectsReceived, objectsSent, rateHeldMs, receivedBytes, sentBytes } = session.stats()
    return { atMs: clock.monotonicMs(), bytes: sentBytes + receivedBytes, rateHeldMs, objectsOpen, over: objectsSent + objectsReceived }
  }
  let last = look()
  return () => {
    const [before, now] = [last, look()]
    last = now
    const isWhole =
      before.objectsOpen > 0 &&
      now.objectsOpen >= before.objectsOpen &&
      now.over === before.over &&
      now.rateHeldMs === before.rateHeldMs &&
      now.atMs > before.atMs
    return isWhole ? ((now.bytes - before.bytes) * 1000) / (now.atMs - before.atMs) : undefined
  }
}

export const allowanceOf = (limits: AmstLimits, reconnectMs: number = limits.reconnectMs): Allowance => ({
  chunkBytes: limits.chunkBytes,
  initialWindowBytes: limits.initialWindowBytes,
  objectWindowBytes: limits.objectWindowBytes,
  openObjects: limits.openObjects,
  metadataBytes: limits.metadataBytes,
  messageBytes: limits.messageBytes,
  pendingRequests: limits.pendingRequests,
  reconnectMs,
})
