import { type Address, type Clock, isDwcpError, type Logger, type NodeId, type Principal } from '@dwcp/interface'
import { Backoff } from './backoff.js'
import type { OpenedSession } from './connect.js'
import { type AmstError, amstError, asError, messageOf } from './errors.js'
import { type Letter, Outbox } from './outbox.js'
import type { TcpSession } from './session.js'

export interface PeerLinkEnvironment {
  readonly self: NodeId
  readonly clock: Clock
  readonly logger: Logger
  readonly outbox: { readonly letters: number; readonly bytes: number }
  /** After a session was lost, how long to go on dialling unasked. */
  readonly redialMs: number
  readonly addresses: () => readonly Address[]
  readonly dial: (address: Address, previous: Uint8Array, asking: () => void, signal: AbortSignal) => Promise<OpenedSession>
  readonly up: (session: TcpSession) => void
  readonly down: (peer: Principal, reason: string) => void
}

interface Waiter {
  readonly resolve: (session: TcpSession) => void
  readonly reject: (reason: unknown) => void
}

const NO_TAG = new Uint8Array(8)

/** The one session with one peer: dialled where it is wanted and missing, or accepted; never two at a time. */
export class PeerLink {
  readonly #peer: NodeId
  readonly #environment: PeerLinkEnvironment
  readonly #outbox: Outbox
  readonly #backoff: Backoff
  readonly #over = new AbortController()
  #current: OpenedSession | undefined
  #previous: Uint8Array = NO_TAG
  #isDialling = false
  /** Our hello is on its way: the peer decides by the same rule as {@link PeerLink.admit}. */
  #isAsking = false
  #wantedUntilMs = 0
  #waiting: Waiter[] = []

  constructor(peer: NodeId, environment: PeerLinkEnvironment) {
    this.#peer = peer
    this.#environment = environment
    this.#outbox = new Outbox(environment.outbox)
    this.#backoff = new Backoff({ firstMs: 25, maxMs: 1000, clock: environment.clock })
  }

  get session(): TcpSession | undefined {
    return this.#current?.session
  }

  send(letter: Letter): boolean {
    const session = this.session
    if (session) return session.notify(letter.channel, letter.payload, letter)
    return this.#want() && this.#outbox.push(letter)
  }

  /** The session, once there is one. Rejects with `ERR_AMST_UNREACHABLE` after `timeoutMs`, or with the signal's reason. */
  async open(timeoutMs: number, signal: AbortSignal | undefined): Promise<TcpSession> {
    if (this.session) return this.session
    if (!this.#want()) throw this.#unreachable('it has no address and has not called')
    let abort = (): void => undefined
    let timer: Disposable | undefined
    let waiter: Waiter | undefined
    try {
      return await new Promise<TcpSession>((resolve, reject) => {
        waiter = { resolve, reject }
        this.#waiting.push(waiter)
        abort = () => reject(signal?.reason)
        signal?.addEventListener('abort', abort, { once: true })
        timer = this.#environment.clock.after(timeoutMs, () => reject(this.#unreachable(`no session within ${timeoutMs} ms`)))
      })
    } finally {
      timer?.[Symbol.dispose]()
      signal?.removeEventListener('abort', abort)
      this.#waiting = this.#waiting.filter((other) => other !== waiter)
    }
  }

  /** Whether the peer's own session is wanted: two that dial each other keep the one that the lesser name dialled. */
  admit(instance: string, previous: Uint8Array): AmstError | undefined {
    const current = this.#current
    if (current) {
      // Another process under that name, or one that has lost this session before we noticed.
      if (current.instance !== instance || Buffer.compare(current.tag, previous) === 0) return undefined
      return amstError('ERR_AMST_REFUSED', 'there is a session between us already', { retryable: true })
    }
    if (!this.#isAsking || this.#peer < this.#environment.self) return undefined
    return amstError('ERR_AMST_REFUSED', 'we are calling each other, and this call wins', { retryable: true })
  }

  adopt(opened: OpenedSession): void {
    const former = this.#current
    const { session } = opened
    if (this.#over.signal.aborted) return session.destroy()
    this.#current = opened
    if (former) this.#retire(former, 'the peer came back with a new session')
    this.#previous = opened.tag
    this.#backoff.reset()
    this.#environment.up(session)
    for (const letter of this.#outbox.drain()) session.notify(letter.channel, letter.payload, letter)
    for (const { resolve } of this.#waiting.splice(0)) resolve(session)
    void session.closed.then((reason) => {
      if (this.#current?.session !== session) return
      this.#current = undefined
      this.#retire(opened, reason?.message ?? 'closed')
      this.#want()
    })
  }

  /** The directory has news of this peer. */
  moved(): void {
    this.#backoff.reset()
    if (!this.#current && this.#environment.clock.monotonicMs() < this.#wantedUntilMs) this.#startDialling()
  }

  async close(): Promise<void> {
    const reason = amstError('ERR_AMST_CLOSED', 'the transport is closed')
    this.#over.abort(reason)
    this.#backoff.reset()
    for (const { reject } of this.#waiting.splice(0)) reject(reason)
    await this.#current?.session.close()
  }

  #retire({ session }: OpenedSession, reason: string): void {
    session.destroy(
      amstError('ERR_AMST_PEER_LOST', `"${this.#peer}" was lost: ${reason}`, { retryable: true, details: { peer: this.#peer } }),
    )
    this.#environment.down(session.peer, reason)
  }

  /** @returns false where nobody can be dialled. */
  #want(): boolean {
    if (this.#over.signal.aborted) return false
    this.#wantedUntilMs = this.#environment.clock.monotonicMs() + this.#environment.redialMs
    if (this.#isDialling) return true
    if (this.#environment.addresses().length === 0) return false
    this.#startDialling()
    return true
  }

  #startDialling(): void {
    if (this.#isDialling) return
    this.#isDialling = true
    this.#dialUntilDone().catch((error: unknown) =>
      this.#environment.logger.error({ peer: this.#peer, error: messageOf(error) }, 'dialling stopped'),
    )
  }

  async #dialUntilDone(): Promise<void> {
    try {
      while (!this.#current && !this.#over.signal.aborted && this.#environment.clock.monotonicMs() < this.#wantedUntilMs) {
        for (const address of this.#environment.addresses()) {
          if (this.#current || this.#over.signal.aborted) break
          await this.#dialOnce(address)
        }
        if (!this.#current && !this.#over.signal.aborted) await this.#backoff.pause()
      }
    } finally {
      this.#isDialling = false
      if (!this.#current) {
        this.#outbox.drain()
        for (const { reject } of this.#waiting.splice(0)) reject(this.#unreachable('it did not answer'))
      }
    }
  }

  async #dialOnce(address: Address): Promise<void> {
    try {
      const asking = (): void => {
        if (this.#current) throw amstError('ERR_AMST_REFUSED', 'the peer was faster')
        this.#isAsking = true
      }
      const opened = await this.#environment.dial(address, this.#previous, asking, this.#over.signal)
      if (this.#current) opened.session.destroy()
      else this.adopt(opened)
    } catch (error) {
      const code = isDwcpError(error) ? error.code : undefined
      this.#environment.logger.debug(
        { peer: this.#peer, host: address.host, port: address.port, code, error: asError(error).message },
        'a dial did not succeed',
      )
    } finally {
      this.#isAsking = false
    }
  }

  #unreachable(why: string): AmstError {
    return amstError('ERR_AMST_UNREACHABLE', `"${this.#peer}" cannot be reached: ${why}`, {
      retryable: true,
      details: { peer: this.#peer },
    })
  }
}
