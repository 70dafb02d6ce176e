import { type Clock, DwcpError, isDwcpError, type MessageTransport, type NodeId } from '@dwcp/interface'
import { encode } from '@msgpack/msgpack'
import * as v from 'valibot'
import { decodeBounded } from './bounded-msgpack.js'

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
  /** Answers remembered for questions that come again, and questions being answered at once; more go unanswered until they come again. @defaultValue 1024 */
  readonly maxRemembered?: number
  /** Questions of one peer that are being answered at once. @defaultValue 256 */
  readonly maxAnsweringPerPeer?: number
}

type Envelope =
  | { readonly kind: 'ask'; readonly id: string; readonly body: unknown }
  | { readonly kind: 'answer'; readonly id: string; readonly body: unknown }
  | { readonly kind: 'refusal'; readonly id: string; readonly reason: string; readonly code: string; readonly retryable: boolean }

const EnvelopeSchema: v.GenericSchema<Envelope> = v.variant('kind', [
  v.strictObject({ kind: v.literal('ask'), id: v.pipe(v.string(), v.maxLength(64)), body: v.unknown() }),
  v.strictObject({ kind: v.literal('answer'), id: v.pipe(v.string(), v.maxLength(64)), body: v.unknown() }),
  v.strictObject({
    kind: v.literal('refusal'),
    id: v.pipe(v.string(), v.maxLength(64)),
    reason: v.pipe(v.string(), v.maxLength(4096)),
    code: v.pipe(v.string(), v.maxLength(64)),
    retryable: v.boolean(),
  }),
])

interface Waiting {
  readonly to: NodeId
  resolve(body: unknown): void
  reject(error: unknown): void
}

export function createAsker(options: AskerOptions): Asker {
  const { transport, channel, clock, answer, resendMs = 200, maxRemembered = 1024, maxAnsweringPerPeer = 256 } = options
  const waiting = new Map<string, Waiting>()
  /** By asker and question; undefined while it is being answered. */
  const answers = new Map<string, Envelope | undefined>()
  const answering = new Map<NodeId, number>()
  let disposed = false
  const post = (to: NodeId, envelope: Envelope): boolean => transport.send(to, channel, encode(envelope), { class: 'consensus' })
  const count = (from: NodeId, change: 1 | -1): void => {
    const now = (answering.get(from) ?? 0) + change
    if (now === 0) answering.delete(from)
    else answering.set(from, now)
  }
  /** Never at the cost of an answer under way: it would be worked out twice. */
  const makeRoom = (): boolean => {
    if (answers.size < maxRemembered) return true
    for (const [key, envelope] of answers) if (envelope !== undefined) return answers.delete(key)
    return false
  }

  const reply = async (from: NodeId, id: string, body: unknown): Promise<void> => {
    const key = JSON.stringify([from, id])
    if (answers.has(key)) {
      const known = answers.get(key)
      // Otherwise the first question is still being answered, and its answer is on its way to all.
      if (known !== undefined) post(from, known)
      return
    }
    if ((answering.get(from) ?? 0) >= maxAnsweringPerPeer || !makeRoom()) return
    answers.set(key, undefined)
    count(from, 1)
    const envelope = await answer(from, body).then(
      (value): Envelope => ({ kind: 'answer', id, body: value }),
      (error: unknown) => refusal(id, error),
    )
    count(from, -1)
    const fits =
      encode(envelope).length <= transport.maxMessageBytes ? envelope : refusal(id, new Error('the answer is too long to be sent'))
    answers.set(key, fits)
    if (!disposed) post(from, fits)
  }

  const receiver = transport.receive(channel, (from, payload) => {
    // A peer that only claims its name may claim ours, and cannot be answered.
    if (from.nodeId === transport.self) return
    const envelope = v.safeParse(EnvelopeSchema, decodeBounded(payload))
    if (!envelope.success) return
    const { output } = envelope
    if (output.kind === 'ask') return void reply(from.nodeId, output.id, output.body)
    const pending = waiting.get(output.id)
    if (pending === undefined || pending.to !== from.nodeId) return
    if (output.kind === 'answer') pending.resolve(output.body)
    else {
      const { reason, code, retryable } = output
      pending.reject(new DwcpError('ERR_MIGRATION_REFUSED', reason, { retryable, details: { peer: from.nodeId, peerCode: code } }))
    }
  })

  return {
    ask: (to, question, { timeoutMs, signal }) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted()
        if (disposed) throw closed()
        const id = crypto.randomUUID()
        let timer: Disposable | undefined
        const settle = (finish: () => void): void => {
          waiting.delete(id)
          timer?.[Symbol.dispose]()
          deadline[Symbol.dispose]()
          signal?.removeEventListener('abort', onAbort)
          finish()
        }
        const onAbort = (): void => settle(() => reject(signal?.reason))
        const send = (): void => {
          try {
            post(to, { kind: 'ask', id, body: question })
            timer = clock.after(resendMs, send)
          } catch (error) {
            settle(() => reject(error))
          }
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
      disposed = true
      receiver[Symbol.dispose]()
      for (const pending of [...waiting.values()]) pending.reject(closed())
    },
  }
}

function closed(): DwcpError {
  return new DwcpError('ERR_MIGRATION_CLOSED', 'this node is closing')
}

function refusal(id: string, error: unknown): Envelope {
  const reason = (error instanceof Error ? error.message : String(error)).slice(0, 4096)
  const [code, retryable] = isDwcpError(error) ? [error.code, error.retryable] : ['', false]
  return { kind: 'refusal', id, reason, code, retryable }
}
