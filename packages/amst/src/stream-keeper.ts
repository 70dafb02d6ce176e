import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { type Clock, isDwcpError, type Logger } from '@dwcp/interface'
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
  /** Of the listener. */
  readonly most: number
  /** How many streams there are to be now. */
  readonly wanted: () => number
  /** Connections to the peer that carry nothing yet. */
  readonly dialled: Promise<Socket>[]
  /** Looks at the path again. @returns whether streams opened now are of another kind, or know it to be longer than `minRttMs`. */
  readonly measure: (socket: Socket, minRttMs: number) => boolean
}

const FIRST_PAUSE_MS = 20
const PAUSE_MAX_MS = 5000

/** Keeps the streams of a session at the end that dialled: joins them, and again where they die. The first is there already. */
export class StreamKeeper {
  readonly #session: TcpSession
  readonly #joinable: JoinableSession
  readonly #environment: KeeperEnvironment
  readonly #kept = new Set([0])
  #isReplacing = false
  /** Until the peer has answered on them. */
  readonly #joining = new Map<number, Backoff>()
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
    const count = this.#environment.wanted()
    for (let index = this.#free(); this.#kept.size < count && index !== undefined; index = this.#free()) void this.#keep(index)
    for (const index of [...this.#kept].toSorted((a, b) => b - a)) {
      if (this.#kept.size <= count) return
      this.#retire(index)
    }
  }

  died(index: number): void {
    if (!this.#kept.has(index)) return
    if (this.#kept.size > this.#environment.wanted()) this.#kept.delete(index)
    else if (!this.#joining.has(index)) void this.#keep(index)
  }

  /** Opens fresh streams in place of those that carry objects: one of these goes for each that comes, and the rest in the end. */
  async replace(minRttMs: number): Promise<void> {
    const { clock, dialled, measure, timeoutMs } = this.#environment
    const { address } = this.#joinable
    if (this.#isReplacing) return
    this.#isReplacing = true
    try {
      const former = [...this.#kept].filter((index) => index > 0)
      const socket = await within(clock, timeoutMs, this.#over.signal, address, (signal) => dial(address, {}, signal))
      if (!measure(socket, minRttMs)) return void socket.destroy()
      dialled.push(Promise.resolve(socket))
      const succeed = async (index: number): Promise<void> => {
        await this.#keep(index)
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

  #retire(index: number): void {
    this.#kept.delete(index)
    this.#session.retireStream(index)
  }

  /** The least that no stream has, or had until it is gone; undefined where the session has as many as it may. */
  #free(): number | undefined {
    for (let index = 1; index < this.#environment.most; index += 1)
      if (!this.#kept.has(index) && !this.#joining.has(index) && !this.#session.hasStream(index)) return index
    return undefined
  }

  /** Resolves once it is there, or given up. */
  #keep(index: number): Promise<void> {
    this.#kept.add(index)
    const { clock } = this.#environment
    this.#joining.set(index, new Backoff({ firstMs: FIRST_PAUSE_MS, maxMs: PAUSE_MAX_MS, clock }))
    return this.#join(index).finally(() => this.#joining.delete(index))
  }

  async #join(index: number): Promise<void> {
    const { clock, dialled, logger, timeoutMs } = this.#environment
    const { address } = this.#joinable
    while (!this.#session.isOver && this.#kept.has(index)) {
      try {
        const joined = await within(clock, timeoutMs, this.#over.signal, address, (signal) =>
          joinStream(this.#joinable, index, signal, index === 0 ? undefined : dialled.shift()),
        )
        // The path is there again: for the others too.
        if (await this.#session.addStream(index, joined)?.settled) return this.#hurry()
      } catch (error) {
        const reason = asError(error)
        logger.debug({ peer: this.#session.peer.nodeId, stream: index, error: reason.message }, 'a stream could not join')
        if (this.#session.isDisconnected && !isPassing(reason)) this.#session.lose(reason)
      }
      if (!this.#session.isOver) await this.#joining.get(index)?.pause()
    }
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
