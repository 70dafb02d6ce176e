import type { DwcpError } from '@dwcp/interface'
import { type WasmErrorCode, wasmError } from './errors.js'

/** One question of one client. `sequence` grows with each new question and stays when the same one is asked again. */
export interface WorkloadRequest {
  readonly client: string
  readonly sequence: number
  readonly payload: Uint8Array
}

/** What a program answered a client last. */
export interface Answer {
  readonly client: string
  readonly sequence: number
  readonly payload: Uint8Array
}

export interface MailboxLimits {
  /** Clients with a question waiting or an answer kept. */
  readonly maxClients: number
  readonly maxRequestBytes: number
  readonly maxReplyBytes: number
  /** Of all requests that wait; and of all answers kept. */
  readonly maxMailboxBytes: number
}

/** What of a mailbox moves with the workload. */
export interface MailboxState {
  /** Accepted, and not yet shown to a slice. */
  readonly arrivals: readonly WorkloadRequest[]
  readonly queue: readonly WorkloadRequest[]
  /** Received by the program and not answered yet. */
  readonly open: WorkloadRequest | undefined
  /** The last answer of each client, oldest first. */
  readonly answers: readonly Answer[]
}

const NOTHING = new Uint8Array(0)

/**
 * Delivers each request once, however often it is asked and wherever the workload has moved meanwhile.
 *
 * arrivals ──slice──▶ queue ──receive──▶ open ──reply──▶ answers (one per client)
 *
 * Only what slices do changes the last three, so a recording of the slices' inputs rebuilds them exactly. Hence answers
 * are dropped oldest first and not least recently asked: asking again is no input of the program.
 */
export class Mailbox {
  readonly limits: MailboxLimits
  readonly #arrivals: WorkloadRequest[] = []
  readonly #queue: WorkloadRequest[] = []
  readonly #waiting = new Map<string, number>()
  readonly #answers = new Map<string, Answer>()
  #open: WorkloadRequest | undefined
  #waitingBytes = 0
  #answerBytes = 0

  constructor(limits: MailboxLimits, state?: MailboxState) {
    this.limits = limits
    if (state === undefined) return
    for (const answer of state.answers) this.#answers.set(answer.client, answer)
    this.#queue.push(...state.queue)
    this.#arrivals.push(...state.arrivals)
    this.#open = state.open
    for (const { client, sequence, payload } of this.#unanswered()) {
      this.#waiting.set(client, sequence)
      this.#waitingBytes += payload.length
    }
    for (const { payload } of state.answers) this.#answerBytes += payload.length
  }

  /**
   * @returns the answer if it is known, else undefined: it will come from {@link Mailbox.reply}.
   * @throws `ERR_WORKLOAD_STALE_REQUEST`, `ERR_WORKLOAD_BUSY` or `ERR_WORKLOAD_LIMIT`.
   */
  accept(request: WorkloadRequest): Uint8Array | undefined {
    const { client, sequence } = request
    const known = this.known(request)
    if (known !== undefined) return known
    const answer = this.#answers.get(client)
    if (answer !== undefined && sequence < answer.sequence) throw stale(request, answer.sequence)
    const waiting = this.#waiting.get(client)
    if (waiting !== undefined && sequence < waiting) throw stale(request, waiting)
    if (waiting === sequence) return undefined
    if (waiting !== undefined) {
      throw wasmError('ERR_WORKLOAD_BUSY', `client "${client}" still waits for request ${waiting}; ask ${sequence} after its answer`, {
        client,
        waiting,
      })
    }
    if (this.#waiting.size >= this.limits.maxClients) {
      throw wasmError('ERR_WORKLOAD_BUSY', `${this.#waiting.size} clients are waiting already; ask again later`, {
        maxClients: this.limits.maxClients,
      })
    }
    if (request.payload.length > this.limits.maxRequestBytes) {
      throw wasmError(
        'ERR_WORKLOAD_LIMIT',
        `a request of ${request.payload.length} bytes; ${this.limits.maxRequestBytes} are allowed (maxRequestBytes)`,
      )
    }
    if (this.#waitingBytes + request.payload.length > this.limits.maxMailboxBytes) {
      throw wasmError('ERR_WORKLOAD_BUSY', `requests of ${this.#waitingBytes} bytes are waiting already; ask again later`, {
        maxMailboxBytes: this.limits.maxMailboxBytes,
      })
    }
    this.#waiting.set(client, sequence)
    this.#waitingBytes += request.payload.length
    this.#arrivals.push(request)
    return undefined
  }

  /** The answer to `request`, if it was the client's last. */
  known({ client, sequence }: WorkloadRequest): Uint8Array | undefined {
    const answer = this.#answers.get(client)
    return answer?.sequence === sequence ? answer.payload : undefined
  }

  /** Requests accepted and not answered. */
  get waiting(): number {
    return this.#waiting.size
  }

  get hasArrivals(): boolean {
    return this.#arrivals.length > 0
  }

  /** Shows what has arrived to the slice that begins now. */
  admit(): readonly WorkloadRequest[] {
    const admitted = this.#arrivals.splice(0)
    this.#queue.push(...admitted)
    return admitted
  }

  /** Length in bytes of the next request, or undefined. */
  peek(): number | undefined {
    return this.#queue[0]?.payload.length
  }

  /** Opens the next request. One that is still open is answered with nothing: a program that skips it must not block its client. */
  receive(): { readonly payload: Uint8Array; readonly abandoned: Answer | undefined } | undefined {
    const next = this.#queue.shift()
    if (next === undefined) return undefined
    const abandoned = this.reply(NOTHING)
    this.#open = next
    return { payload: next.payload, abandoned }
  }

  /** Answers the open request. @returns undefined where none is open. */
  reply(payload: Uint8Array): Answer | undefined {
    if (this.#open === undefined) return undefined
    const { client, sequence } = this.#open
    const answer = { client, sequence, payload }
    this.#waitingBytes -= this.#open.payload.length
    this.#open = undefined
    this.#waiting.delete(client)
    this.#forget(client)
    this.#answers.set(client, answer)
    this.#answerBytes += payload.length
    for (const oldest of this.#answers.keys()) {
      if (oldest === client || (this.#answers.size <= this.limits.maxClients && this.#answerBytes <= this.limits.maxMailboxBytes)) break
      this.#forget(oldest)
    }
    return answer
  }

  state(): MailboxState {
    return { arrivals: [...this.#arrivals], queue: [...this.#queue], open: this.#open, answers: [...this.#answers.values()] }
  }

  #forget(client: string): void {
    this.#answerBytes -= this.#answers.get(client)?.payload.length ?? 0
    this.#answers.delete(client)
  }

  *#unanswered(): Iterable<WorkloadRequest> {
    if (this.#open !== undefined) yield this.#open
    yield* this.#queue
    yield* this.#arrivals
  }
}

function stale({ client, sequence }: WorkloadRequest, newest: number): DwcpError<WasmErrorCode> {
  return wasmError('ERR_WORKLOAD_STALE_REQUEST', `client "${client}" asks ${sequence} after ${newest}; its answer is no longer kept`, {
    client,
    sequence,
    newest,
  })
}
