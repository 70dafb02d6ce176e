import type { MessageTransport, NodeId, WorkloadId } from '@dwcp/interface'
import { decode, encode } from '@msgpack/msgpack'
import * as v from 'valibot'

/** Of workloads that this node gave away: whether it still keeps the paused copy, which it could take back. */
export interface KeptCopies extends Disposable {
  /** Asks `node`, and goes on asking; rejects with `signal.reason`. */
  isKept(node: NodeId, workload: WorkloadId, signal: AbortSignal): Promise<boolean>
}

const CHANNEL = 'kept-copy'
const RESEND_MS = 250

type Message =
  | { readonly kind: 'ask'; readonly workload: WorkloadId }
  | { readonly kind: 'answer'; readonly workload: WorkloadId; readonly kept: boolean }

const Name = v.pipe(v.string(), v.minLength(1), v.maxLength(256))
const MessageSchema: v.GenericSchema<Message> = v.variant('kind', [
  v.strictObject({ kind: v.literal('ask'), workload: Name }),
  v.strictObject({ kind: v.literal('answer'), workload: Name, kept: v.boolean() }),
])

/** @param hasCopy - Whether a departure of the workload is under way here. */
export function openKeptCopies(
  transport: Pick<MessageTransport, 'send' | 'receive'>,
  hasCopy: (workload: WorkloadId) => boolean,
): KeptCopies {
  const waiting = new Map<string, (kept: boolean) => void>()
  const send = (to: NodeId, message: Message): boolean => transport.send(to, CHANNEL, encode(message), { class: 'consensus' })
  const receiver = transport.receive(CHANNEL, ({ nodeId }, payload) => {
    const message = parse(payload)
    if (message?.kind === 'ask') send(nodeId, { kind: 'answer', workload: message.workload, kept: hasCopy(message.workload) })
    if (message?.kind === 'answer') waiting.get(`${nodeId} ${message.workload}`)?.(message.kept)
  })
  return {
    isKept(node, workload, signal) {
      const key = `${node} ${workload}`
      return new Promise((resolve, reject) => {
        signal.throwIfAborted()
        const ask = (): boolean => send(node, { kind: 'ask', workload })
        const timer = setInterval(ask, RESEND_MS).unref()
        const settle = (finish: () => void): void => {
          waiting.delete(key)
          clearInterval(timer)
          signal.removeEventListener('abort', onAbort)
          finish()
        }
        const onAbort = (): void => settle(() => reject(signal.reason))
        signal.addEventListener('abort', onAbort, { once: true })
        waiting.set(key, (kept) => settle(() => resolve(kept)))
        ask()
      })
    },
    [Symbol.dispose]: () => receiver[Symbol.dispose](),
  }
}

function parse(payload: Uint8Array): Message | undefined {
  try {
    const result = v.safeParse(MessageSchema, decode(payload))
    return result.success ? result.output : undefined
  } catch {
    // Not a message of ours.
    return undefined
  }
}
