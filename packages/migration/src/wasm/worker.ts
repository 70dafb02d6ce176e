import { type MessagePort, parentPort } from 'node:worker_threads'
import { isDwcpError } from '@dwcp/interface'
import { loadHash } from '@dwcp/native-rdma/hash'
import { WASM_ERROR_CODES } from './errors.js'
import { type Command, type CommandName, type Handlers, LATER, type PlainError, type WorkerMessage } from './worker-protocol.js'
import { WorkerWorkload } from './worker-workload.js'

/** The worker's side of one workload: takes commands between slices, in the order in which they were given. */
async function serve(port: MessagePort): Promise<void> {
  const post = (message: WorkerMessage, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(message, transfer)
  const handlers: Handlers = new WorkerWorkload(await loadHash(), {
    answered: (id, value) => post({ kind: 'done', id, value }),
    recorded: (input) => post({ kind: 'record', input }),
    logged: (text) => post({ kind: 'log', text }),
    finished: () => post({ kind: 'finished' }),
    trapped: (error) => post({ kind: 'trapped', error: plain(error) }),
  }).handlers
  const obey = <Name extends CommandName>({ id, name, value }: Command<Name>): void => {
    try {
      const result = handlers[name](value, id)
      if (result === LATER) return
      // The buffer is one that the main thread lent: it goes back instead of being copied.
      const moves = (name === 'copy' || name === 'write') && result instanceof Uint8Array && result.buffer instanceof ArrayBuffer
      post({ kind: 'done', id, value: result }, moves ? [result.buffer] : [])
    } catch (error) {
      post({ kind: 'refused', id, error: plain(error) })
    }
  }
  port.on('message', obey)
}

function plain(error: unknown): PlainError {
  const message = error instanceof Error ? error.message : String(error)
  if (!isDwcpError(error)) return { code: undefined, message, details: {} }
  return { code: WASM_ERROR_CODES.find((code) => code === error.code), message, details: { ...error.details } }
}

if (parentPort !== null) await serve(parentPort)
