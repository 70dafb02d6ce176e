import type { Readable, Writable } from 'node:stream'
import { DwcpError } from '@dwcp/interface'
import { cliError } from '../errors.js'
import { readJsonLines } from './json-lines.js'
import { type ControlArguments, isRecord } from './serve.js'

export interface CallOptions {
  /** Asks the other side to cancel; the call then ends as the operation ends. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: Readonly<Record<string, unknown>>) => void
}

/** The caller's end of a connection that {@link serveControl} answers. */
export interface ControlCaller {
  /**
   * Resolves to what the operation gave, as JSON carries it.
   *
   * @throws the operation's error with its code; `ERR_CLI_CONTROL` when the other side hangs up.
   */
  call(op: string, args?: ControlArguments, options?: CallOptions): Promise<unknown>
  close(): void
}

/** Longest answer that is read. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

interface Waiting {
  readonly onEvent: CallOptions['onEvent']
  settle(finish: () => void): void
  resolve(result: unknown): void
  reject(error: Error): void
}

export function createCaller(stream: { readonly input: Readable; readonly output: Writable }, peer: string): ControlCaller {
  const { input, output } = stream
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let gone: Error | undefined
  const fail = (error: Error): void => {
    gone ??= error
    for (const each of waiting.values()) each.settle(() => each.reject(error))
  }
  const read = async (): Promise<void> => {
    for await (const value of readJsonLines(input, MAX_ANSWER_BYTES)) {
      if (!isRecord(value)) continue
      const { id, event, error, result } = value
      if (id === 0 && isRecord(error)) throw errorFrom(error)
      const each = typeof id === 'number' ? waiting.get(id) : undefined
      if (each === undefined) continue
      if (isRecord(event)) each.onEvent?.(event)
      else if (isRecord(error)) each.settle(() => each.reject(errorFrom(error)))
      else each.settle(() => each.resolve(result))
    }
    throw cliError('ERR_CLI_CONTROL', `${peer} hung up`)
  }
  output.on('error', fail)
  read().catch((error: unknown) => fail(error instanceof Error ? error : new Error(String(error))))

  return {
    call(op, args = {}, { signal, onEvent } = {}) {
      if (gone !== undefined) return Promise.reject(gone)
      if (signal?.aborted) return Promise.reject(signal.reason)
      const id = ++lastId
      return new Promise((resolve, reject) => {
        const onAbort = (): void => void output.write(`${JSON.stringify({ cancel: id })}\n`)
        signal?.addEventListener('abort', onAbort, { once: true })
        const settle = (finish: () => void): void => {
          waiting.delete(id)
          signal?.removeEventListener('abort', onAbort)
          finish()
        }
        waiting.set(id, { onEvent, settle, resolve, reject })
        output.write(`${JSON.stringify({ id, op, args })}\n`)
      })
    },
    close() {
      fail(cliError('ERR_CLI_CONTROL', `the connection to ${peer} was closed here`))
      output.end()
      input.destroy()
    },
  }
}

function errorFrom({ code, message }: Readonly<Record<string, unknown>>): Error {
  return new DwcpError(typeof code === 'string' ? code : 'ERR_UNKNOWN', typeof message === 'string' ? message : 'no reason was given')
}
