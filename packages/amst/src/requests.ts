import type { Clock, Logger } from '@dwcp/interface'
import { decodeLabelled, decodeTrouble, encodeLabelled, encodeTrouble } from './body.js'
import { amstError, codeOf, messageOf } from './errors.js'
import { FRAME, type FrameType } from './frame.js'

/** Answers the requests of a channel; undefined is an empty answer. */
export type ChannelHandler = (payload: Uint8Array) => Promise<Uint8Array | undefined>

/** How long to wait for an answer. */
export interface RequestOptions {
  readonly signal?: AbortSignal
  /** @defaultValue 30 s */
  readonly timeoutMs?: number
}

interface Pending {
  readonly channel: string
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (reason: unknown) => void
}

export interface RequestEnvironment {
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: { readonly pendingRequests: number; readonly channels: number; readonly messageBytes: number }
  /** What the peer takes. */
  readonly peerPendingRequests: number
  readonly control: (type: FrameType, id: number, body: Uint8Array) => void
  /** Messages on channels that nobody handles. */
  readonly unhandled: ((channel: string, payload: Uint8Array) => void) | undefined
}

const REQUEST_TIMEOUT_MS = 30_000

/** Requests of both sides of one session, and the handlers of this one. */
export class Requests {
  readonly #environment: RequestEnvironment
  readonly #handlers = new Map<string, ChannelHandler>()
  readonly #pending = new Map<number, Pending>()
  #nextId = 1
  #answering = 0

  constructor(environment: RequestEnvironment) {
    this.#environment = environment
  }

  get pending(): number {
    return this.#pending.size
  }

  handle(channel: string, handler: ChannelHandler): Disposable {
    if (this.#handlers.has(channel)) throw new RangeError(`channel "${channel}" already has a handler: dispose of it first`)
    const limit = this.#environment.limits.channels
    if (this.#handlers.size >= limit)
      throw amstError('ERR_AMST_LIMIT', `${limit} channels have handlers: raise limits.channels`, { details: { limit } })
    this.#handlers.set(channel, handler)
    return {
      [Symbol.dispose]: () => {
        if (this.#handlers.get(channel) === handler) this.#handlers.delete(channel)
      },
    }
  }

  async request(channel: string, payload: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const limit = this.#environment.peerPendingRequests
    if (this.#pending.size >= limit)
      throw amstError('ERR_AMST_LIMIT', `${limit} requests wait for an answer, which is what the peer takes`, { retryable: true })
    const id = this.#nextId
    const body = encodeLabelled(channel, payload)
    this.#nextId = (this.#nextId + 1) >>> 0
    const timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS
    let abort = (): void => undefined
    let timer: Disposable | undefined
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        this.#pending.set(id, { channel, resolve, reject })
        abort = () => reject(options.signal?.reason)
        options.signal?.addEventListener('abort', abort, { once: true })
        timer = this.#environment.clock.after(timeoutMs, () =>
          reject(amstError('ERR_AMST_TIMEOUT', `no answer on channel "${channel}" within ${timeoutMs} ms`, { retryable: true })),
        )
        this.#environment.control(FRAME.request, id, body)
      })
    } finally {
      this.#pending.delete(id)
      timer?.[Symbol.dispose]()
      options.signal?.removeEventListener('abort', abort)
    }
  }

  takeMessage(body: Buffer): void {
    const { label, payload } = decodeLabelled(body)
    const handler = this.#handlers.get(label)
    if (!handler) return this.#environment.unhandled?.(label, payload)
    Promise.resolve()
      .then(() => handler(payload))
      .catch((error: unknown) =>
        this.#environment.logger.error({ channel: label, error: messageOf(error) }, 'the handler of a notification threw'),
      )
  }

  takeRequest(id: number, body: Buffer): void {
    const { label, payload } = decodeLabelled(body)
    const handler = this.#handlers.get(label)
    if (!handler) return this.#fail(id, 'ERR_AMST_NO_HANDLER', `nobody handles channel "${label}"`)
    const limit = this.#environment.limits.pendingRequests
    if (this.#answering >= limit) return this.#fail(id, 'ERR_AMST_LIMIT', `${limit} requests are being answered`)
    this.#answering += 1
    Promise.resolve()
      .then(() => handler(payload))
      .then((answer) => this.#answer(id, answer ?? new Uint8Array(0)))
      .catch((error: unknown) => this.#fail(id, codeOf(error), messageOf(error)))
      .finally(() => {
        this.#answering -= 1
      })
  }

  takeResponse(id: number, body: Buffer): void {
    this.#pending.get(id)?.resolve(body)
  }

  takeFailure(id: number, body: Buffer): void {
    const { code, message } = decodeTrouble(body)
    const pending = this.#pending.get(id)
    pending?.reject(
      amstError('ERR_AMST_REQUEST_FAILED', `the peer could not answer on "${pending.channel}": ${message}`, {
        details: { peerCode: code },
      }),
    )
  }

  failAll(reason: Error): void {
    for (const { reject } of this.#pending.values()) reject(reason)
  }

  #answer(id: number, answer: Uint8Array): void {
    const limitBytes = this.#environment.limits.messageBytes
    if (answer.byteLength > limitBytes)
      throw new RangeError(`an answer of ${answer.byteLength} bytes is past ${limitBytes}: send an object`)
    this.#environment.control(FRAME.response, id, answer)
  }

  #fail(id: number, code: string, message: string): void {
    this.#environment.control(FRAME.failure, id, encodeTrouble(code, message))
  }
}
