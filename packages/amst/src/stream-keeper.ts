import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { type Address, type Clock, isDwcpError, type Logger } from '@dwcp/interface'
import { Backoff } from './backoff.js'
import { within } from './deadline.js'
import { dial } from './dial.js'
import { amstError, asError } from './errors.js'
import { type JoinableSession, joinStream } from './join.js'
import type { TcpSession } from './session.js'

export interface KeeperEnvironment {
  readonly clock: Clock
  readonly logger: Logger
  /** To join once. */
  readonly timeoutMs: number
  /** Of the peer: the one that was called, and others that it told. */
  readonly addresses: readonly Address[]
  /** Of the listener. */
  readonly most: number
  /** How many streams there are to be now to the first address; to each other it is one less. */
  readonly wanted: () => number
  /** Connections to the first address that carry nothing yet. */
  readonly dialled: Promise<Socket>[]
  /** Looks at the path again. @returns whether streams opened now are of another kind, or know it to be longer than `minRttMs`. */
  readonly measure: (socket: Socket, minRttMs: number) => boolean
}

const FIRST_PAUSE_MS = 20
const PAUSE_MAX_MS = 5000
/** Until another address is tried again. */
const RETRY_MS = 10_000
/** The address that was called: the session stands and falls with the streams to it. */
const CALLED = 0

/** Keeps the streams of a session at the end that dialled: joins them, and again where they die. The first is there already. */
export class StreamKeeper {
  readonly #session: TcpSession
  readonly #joinable: JoinableSession
  readonly #environment: KeeperEnvironment
  /** To which address, by index. */
  readonly #kept = new Map<number, number>([[0, CALLED]])
  #isReplacing = false
  /** Until the peer has answered on them. */
  readonly #joining = new Map<number, Backoff>()
  /** Other addresses that are tried just now, or not before a while. */
  readonly #trying = new Set<number>()
  readonly #waiting = new Set<number>()
  readonly #over = new AbortController()

  constructor(session: TcpSession, joinable: JoinableSession, environment: KeeperEnvironment) {
    this.#session = session
    this.#joinable = joinable
    this.#environment = environment
    // One listener for each stream that joins.
    setMaxListeners(0, this.#over.signal)
    void session.closed.then(() => {
      this.#over.abort(amstError('ERR_AMST_CLOSED', 'the session is over'))
      this.#hurry()
      letGo(environment.dialled)
    })
  }

  /** As many as are wanted now; what is under way on streams that go arrives, or goes out again on those that stay. */
  adjust(): void {
    for (const at of this.#environment.addresses.keys()) {
      if (at === CALLED) while (this.#missing(at) > 0 && this.#keepNext(at)) continue
      else void this.#reach(at)
      const surplus = [...this.#kept].filter(([, to]) => to === at).map(([index]) => index)
      for (const index of surplus.toSorted((a, b) => b - a).slice(0, Math.max(0, -this.#missing(at)))) this.#retire(index)
    }
  }

  died(index: number): void {
    const at = this.#kept.get(index)
    if (at === undefined) return
    if (at !== CALLED) this.#giveUp(index, at)
    else if (this.#missing(at) < 0) this.#kept.delete(index)
    else if (!this.#joining.has(index)) void this.#keep(index, at)
  }

  /** Opens fresh streams in place of those on this one's path: one of these goes for each that comes, and the rest in the end. */
  async replace(stream: number): Promise<void> {
    const at = this.#kept.get(stream)
    const { addresses, clock, dialled, measure, timeoutMs } = this.#environment
    const address = at === undefined ? undefined : addresses[at]
    if (at === undefined || address === undefined || this.#isReplacing) return
    this.#isReplacing = true
    try {
      const former = [...this.#kept].filter(([index, to]) => index > 0 && to === at).map(([index]) => index)
      const known = this.#session.stats().streams.filter(({ index }) => this.#kept.get(index) === at)
      const minRttMs = Math.min(...known.flatMap((one) => one.minRttMs ?? []))
      const socket = await within(clock, timeoutMs, this.#over.signal, address, (signal) => dial(address, {}, signal))
      if (!measure(socket, minRttMs)) return void socket.destroy()
      dialled.push(Promise.resolve(socket))
      const succeed = async (index: number): Promise<void> => {
        await this.#keep(index, at)
        const next = former.shift()
        if (next !== undefined) this.#retire(next)
      }
      const joins: Promise<void>[] = []
      const count = this.#environment.wanted() - 1
      for (let index = this.#free(); joins.length < count && index !== undefined; index = this.#free()) joins.push(succeed(index))
      await Promise.all(joins)
      for (const index of former) this.#retire(index)
    } catch (error) {
      this.#environment.logger.debug({ peer: this.#session.peer.nodeId, error: asError(error).message }, 'no fresh streams')
    } finally {
      letGo(dialled)
      this.#isReplacing = false
    }
  }

  /** Opens the streams to another address; the first shows whether it can be had. */
  async #reach(at: number): Promise<void> {
    if (this.#trying.has(at) || this.#waiting.has(at) || this.#missing(at) <= 0) return
    this.#trying.add(at)
    const isReached = await this.#keepNext(at)
    this.#trying.delete(at)
    if (isReached) while (this.#missing(at) > 0 && this.#keepNext(at)) continue
  }

  /** Streams to an address that there should be; negative: those that are too many. */
  #missing(at: number): number {
    const wanted = this.#environment.wanted() - (at === CALLED ? 0 : 1)
    return wanted - [...this.#kept.values()].filter((to) => to === at).length
  }

  #retire(index: number): void {
    this.#kept.delete(index)
    this.#session.retireStream(index)
  }

  /** Another path is of use where it is there, and the session does without where it is not. */
  #giveUp(index: number, at: number): void {
    this.#kept.delete(index)
    if (this.#waiting.has(at)) return
    this.#waiting.add(at)
    this.#environment.clock.after(RETRY_MS, () => {
      this.#waiting.delete(at)
      if (!this.#session.isOver) void this.#reach(at)
    })
  }

  /** The least that no stream has, or had until it is gone; undefined where the session has as many as it may. */
  #free(): number | undefined {
    for (let index = 1; index < this.#environment.most; index += 1)
      if (!this.#kept.has(index) && !this.#joining.has(index) && !this.#session.hasStream(index)) return index
    return undefined
  }

  /** @returns undefined where no more are allowed; else whether it came, once that is known. */
  #keepNext(at: number): Promise<boolean> | undefined {
    const index = this.#free()
    return index === undefined ? undefined : this.#keep(index, at)
  }

  /** Resolves once it is there, or given up. */
  #keep(index: number, at: number): Promise<boolean> {
    this.#kept.set(index, at)
    const { clock } = this.#environment
    this.#joining.set(index, new Backoff({ firstMs: FIRST_PAUSE_MS, maxMs: PAUSE_MAX_MS, clock }))
    return this.#join(index, at).finally(() => this.#joining.delete(index))
  }

  async #join(index: number, at: number): Promise<boolean> {
    const { addresses, clock, dialled, logger, timeoutMs } = this.#environment
    const address = addresses[at]
    while (address && !this.#session.isOver && this.#kept.has(index)) {
      try {
        const joined = await within(clock, timeoutMs, this.#over.signal, address, (signal) =>
          joinStream(this.#joinable, index, address, signal, index > 0 && at === CALLED ? dialled.shift() : undefined),
        )
        if (await this.#session.addStream(index, joined)?.settled) {
          // The path is there again: for the others too.
          if (at === CALLED) this.#hurry()
          return true
        }
      } catch (error) {
        const reason = asError(error)
        logger.debug({ peer: this.#session.peer.nodeId, stream: index, error: reason.message }, 'a stream could not join')
        if (at === CALLED && this.#session.isDisconnected && !isPassing(reason)) this.#session.lose(reason)
      }
      if (at !== CALLED) this.#giveUp(index, at)
      else if (!this.#session.isOver) await this.#joining.get(index)?.pause()
    }
    return false
  }

  #hurry(): void {
    for (const backoff of this.#joining.values()) backoff.reset()
  }
}

/** Whether another attempt may find it otherwise. */
const isPassing = (error: Error): boolean =>
  isDwcpError(error) && ['ERR_AMST_UNREACHABLE', 'ERR_AMST_TIMEOUT', 'ERR_AMST_HANDSHAKE', 'ERR_AMST_LIMIT'].includes(error.code)

/** Closes connections that nobody took. */
export function letGo(dialled: Promise<Socket>[]): void {
  for (const other of dialled.splice(0))
    void other.then(
      (socket) => socket.destroy(),
      () => undefined,
    )
}
