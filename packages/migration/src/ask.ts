import { type Clock, DwcpError, type MessageTransport, type NodeId } from '@dwcp/interface'
import { decode, encode } from '@msgpack/msgpack'
import * as v from 'valibot'

/**
 * Questions and answers over a transport that delivers at most once. A question is sent again until it is answered, so a
 * responder must give the same answer to the same question; it runs once per id while the answer is remembered.
 */
export interface Asker extends Disposable {
  /** Rejects with `ERR_MIGRATION_UNANSWERED` (retryable) after `timeoutMs`, or with `signal.reason`. */
  ask(to: NodeId, question: unknown, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<unknown>
}

export interface AskerOptions {
  readonly transport: MessageTransport
  readonly channel: string
  readonly clock: Clock
  /** Answers a peer's question; what it throws reaches the peer as `ERR_MIGRATION_REFUSED`. */
  readonly answer: (from: NodeId, question: unknown) => Promise<unknown>
  /** How long a lost question or answer costs. @defaultValue 200 */
  readonly resendMs?: number
  /** Answers remembered for questions that come again, and questions being answered at once. @defaultValue 1024 */
  readonly maxRemembered?: number
}

type Envelope =
  | { readonly kind: 'ask'; readonly id: string; readonly body: unknown }
  | { readonly kind: 'answer'; readonly id: string; readonly body: unknown }
  | { readonly kind: 'refusal'; readonly id: string; readonly reason: string }

const EnvelopeSchema: v.GenericSchema<Envelope> = v.variant('kind', [
  v.strictObject({ kind: v.literal('ask'), id: v.pipe(v.string(), v.maxLength(64)), body: v.unknown() }),
  v.strictObject({ kind: v.literal('answer'), id: v.pipe(v.string(), v.maxLength(64)), body: v.unknown() }),
  v.strictObject({ kind: v.literal('refusal'), id: v.pipe(v.string(), v.maxLength(64)), reason: v.pipe(v.string(), v.maxLength(4096)) }),
])

interface Waiting {
  readonly to: NodeId
  resolve(body: unknown): void
  reject(error: unknown): void
}

export function createAsker(options: AskerOptions): Asker {
  const { transport, channel, clock, answer, resendMs = 200, maxRemembered = 1024 } = options
  const waiting = new Map<string, Waiting>()
  const answers = new Map<string, Promise<Envelope>>()
  const post = (to: NodeId, envelope: Envelope): boolean => transport.send(to, channel, encode(envelope), { class: 'consensus' })

  const reply = (from: NodeId, id: string, body: unknown): void => {
    const key = `${from} ${id}`
    let result = answers.get(key)
    if (result === undefined) {
      if (answers.size >= maxRemembered) answers.delete(answers.keys().next().value ?? '')
      result = answer(from, body).then(
        (value): Envelope => ({ kind: 'answer', id, body: value }),
        (error: unknown): Envelope => ({ kind: 'refusal', id, reason: reasonOf(error).slice(0, 4096) }),
      )
      answers.set(key, result)
      // Only the first question is answered from here; repeats find the promise settled or wait with it.
      void result.then((envelope) => post(from, envelope))
      return
    }
    void Promise.race([result, undefined]).then((settled) => settled !== undefined && post(from, settled))
  }

  const receiver = transport.receive(channel, (from, payload) => {
    const envelope = v.safeParse(EnvelopeSchema, decodeOrUndefined(payload))
    if (!envelope.success) return
    const { output } = envelope
    if (output.kind === 'ask') return reply(from.nodeId, output.id, output.body)
    const pending = waiting.get(output.id)
    if (pending === undefined || pending.to !== from.nodeId) return
    if (output.kind === 'answer') pending.resolve(output.body)
    else pending.reject(new DwcpError('ERR_MIGRATION_REFUSED', output.reason, { details: { peer: from.nodeId } }))
  })

  return {
    ask: (to, question, { timeoutMs, signal }) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted()
        const id = crypto.randomUUID()
        let timer: Disposable
        const settle = (finish: () => void): void => {
          waiting.delete(id)
          timer[Symbol.dispose]()
          deadline[Symbol.dispose]()
          signal?.removeEventListener('abort', onAbort)
          finish()
        }
        const onAbort = (): void => settle(() => reject(signal?.reason))
        const send = (): void => {
          post(to, { kind: 'ask', id, body: question })
          timer = clock.after(resendMs, send)
        }
        const deadline = clock.after(timeoutMs, () =>
          settle(() =>
            reject(
              new DwcpError('ERR_MIGRATION_UNANSWERED', `${to} did not answer within ${timeoutMs} ms; is it running and reachable?`, {
                retryable: true,
                details: { peer: to },
              }),
            ),
          ),
        )
        waiting.set(id, { to, resolve: (body) => settle(() => resolve(body)), reject: (error) => settle(() => reject(error)) })
        signal?.addEventListener('abort', onAbort, { once: true })
        send()
      }),
    [Symbol.dispose]() {
      receiver[Symbol.dispose]()
      for (const pending of [...waiting.values()]) pending.reject(new DwcpError('ERR_MIGRATION_CLOSED', 'this node is closing'))
    },
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function decodeOrUndefined(payload: Uint8Array): unknown {
  try {
    return decode(payload)
  } catch {
    // Not a message of ours: the schema refuses undefined.
    return undefined
  }
}
