import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { type Address, type Clock, isDwcpError, type Logger, type NodeId, type Principal, silentLogger, systemClock } from '@dwcp/interface'
import { loadHash } from '@dwcp/native-rdma/hash'
import { Backoff } from './backoff.js'
import { checkRate, resolveClasses } from './class-shares.js'
import { parseAddress } from './dial.js'
import { amstError, asError } from './errors.js'
import type { Allowance, Hello } from './hello.js'
import { greet, joinStream } from './join.js'
import { type AmstLimits, resolveLimits } from './limits.js'
import type { RateLimit, RateOptions } from './rate-limit.js'
import { endWhenRevoked, exportedKey, identify, type SecurityOptions, securityFor } from './security.js'
import { type Session, TcpSession } from './session.js'
import { isOverWideArea } from './stream.js'

/** Whom to dial as, whom to expect, and within which bounds. */
export interface ConnectOptions extends SecurityOptions, RateOptions {
  /** Refuse anyone else at that address. @defaultValue whoever the configured authorities vouch for */
  readonly expect?: NodeId
  /**
   * TCP connections of the session, 1 to the listener's `streamsPerSession`. A function is asked again each second, and the session grows
   * or shrinks to it. 'auto': 16 where the round trip takes 2 ms or more, since many start faster there, and 4 elsewhere.
   * @defaultValue 'auto'
   */
  readonly streams?: number | 'auto' | (() => number)
  /** What the peer is asked to send at most, in bytes per second, from 1. @defaultValue no limit */
  readonly receiveBytesPerSecond?: number
  readonly signal?: AbortSignal
  /** For the connection and its hello. @defaultValue 10 s */
  readonly timeoutMs?: number
  readonly limits?: Partial<AmstLimits>
  readonly clock?: Clock
  /** @defaultValue silent */
  readonly logger?: Logger
}

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
const STREAMS_AUTO = { near: 4, wideArea: 16 } as const
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
  checkRate(rateBytesPerSecond)
  checkRate(receiveBytesPerSecond, 'receiveBytesPerSecond')
  let isWideArea = false
  const wanted = (): number => Math.min(streamsOf(streams, isWideArea), limits.streamsPerSession)
  const hash = await loadHash()
  const clock = options.clock ?? systemClock
  const hello: Hello = {
    kind: 'open',
    node: options.nodeId,
    instance: hooks.instance ?? randomBytes(16),
    streams: wanted(),
    allowance,
    previous: hooks.previous ?? NO_TAG,
  }
  const timeoutMs = options.timeoutMs ?? CONNECT_TIMEOUT_MS
  return within(clock, timeoutMs, options.signal, address, async (signal) => {
    const { socket, greeting } = await greet(address, options, hello, signal, hooks.asking)
    try {
      const answer = greeting.hello
      isWideArea = isOverWideArea(socket)
      if (answer.kind !== 'accept') throw amstError('ERR_AMST_HANDSHAKE', `the listener answered "open" with "${answer.kind}"`)
      const peer = identify(socket, answer.node, options)
      if (options.expect !== undefined && options.expect !== peer.nodeId) {
        throw amstError(
          'ERR_AMST_IDENTITY',
          `"${options.expect}" was expected at ${address.host}:${address.port} and "${peer.nodeId}" answered`,
        )
      }
      const joinable = { address, security: options, secret: answer.secret, tag: answer.tag, key: exportedKey(socket, answer.secret) }
      const over = new AbortController()
      // One listener for each stream that joins.
      setMaxListeners(0, over.signal)
      const kept = new Set<number>()
      const pauses = new Set<Backoff>()
      const keep = (index: number): void => {
        kept.add(index)
        void keepStream(index)
      }
      const session = new TcpSession({
        peer,
        remote: address,
        security,
        limits,
        allowance: answer.allowance,
        clock,
        logger: options.logger ?? silentLogger,
        hash,
        classes,
        sharedRate: hooks.sharedRate,
        reconnectMs: Math.min(allowance.reconnectMs, answer.allowance.reconnectMs),
        unhandled: hooks.unhandled?.(peer),
        streamDied: (index) => (index < wanted() ? keep(index) : kept.delete(index)),
      })
      const keepStream = async (index: number): Promise<void> => {
        const backoff = new Backoff({ firstMs: 20, maxMs: 5000, clock })
        pauses.add(backoff)
        while (!session.isOver && kept.has(index)) {
          try {
            const joined = await within(clock, timeoutMs, over.signal, address, (joining) => joinStream(joinable, index, joining))
            pauses.delete(backoff)
            session.addStream(index, joined)
            // The path is there again: for the others too.
            for (const pause of pauses) pause.reset()
            return
          } catch (error) {
            const reason = asError(error)
            options.logger?.debug({ peer: peer.nodeId, stream: index, error: reason.message }, 'a stream could not join')
            if (session.isDisconnected && !isPassing(reason)) session.lose(reason)
            if (!session.isOver) await backoff.pause()
          }
        }
        pauses.delete(backoff)
      }
      endWhenRevoked(session, options.trust)
      void session.closed.then(() => {
        over.abort(amstError('ERR_AMST_CLOSED', 'the session is over'))
        for (const pause of pauses) pause.reset()
      })
      session.setRate(rateBytesPerSecond)
      if (receiveBytesPerSecond !== Number.POSITIVE_INFINITY) session.setRate(receiveBytesPerSecond, 'receive')
      session.addStream(0, { socket, rest: greeting.rest })
      kept.add(0)
      const adjust = (): void => {
        if (session.isOver) return
        const count = Math.min(wanted(), answer.streams)
        for (let index = 1; index < count; index += 1) if (!kept.has(index)) keep(index)
        for (const index of [...kept]) {
          if (index < count || session.carriesObjects) continue
          kept.delete(index)
          session.dropStream(index)
        }
        if (typeof streams === 'function') clock.after(ADJUST_MS, adjust)
      }
      adjust()
      return { session, instance: Buffer.from(answer.instance).toString('hex'), tag: answer.tag }
    } catch (error) {
      socket.destroy()
      throw error
    }
  })
}

function streamsOf(streams: NonNullable<ConnectOptions['streams']>, isWideArea: boolean): number {
  if (streams === 'auto') return isWideArea ? STREAMS_AUTO.wideArea : STREAMS_AUTO.near
  const count = typeof streams === 'number' ? streams : streams()
  if (Number.isInteger(count) && count >= 1) return count
  throw new RangeError(`streams must be a positive integer, not ${count}`)
}

/** Whether another attempt may find it otherwise. */
const isPassing = (error: Error): boolean =>
  isDwcpError(error) && ['ERR_AMST_UNREACHABLE', 'ERR_AMST_TIMEOUT', 'ERR_AMST_HANDSHAKE', 'ERR_AMST_LIMIT'].includes(error.code)

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

/** Runs `work` under a deadline and the caller's signal. */
export async function within<T>(
  clock: Clock,
  timeoutMs: number,
  outer: AbortSignal | undefined,
  address: Address,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const control = new AbortController()
  const abort = (): void => control.abort(outer?.reason)
  const timer = clock.after(timeoutMs, () =>
    control.abort(
      amstError('ERR_AMST_TIMEOUT', `${address.host}:${address.port} did not answer within ${timeoutMs} ms`, { retryable: true }),
    ),
  )
  outer?.addEventListener('abort', abort, { once: true })
  if (outer?.aborted) abort()
  try {
    return await work(control.signal)
  } finally {
    timer[Symbol.dispose]()
    outer?.removeEventListener('abort', abort)
  }
}
