import { EventEmitter, once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { DwcpError, Logger } from '@dwcp/interface'
import { type WasmErrorCode, wasmError } from './errors.js'
import { workerFile } from './package-files.js'
import type { SliceInput } from './slice-input.js'
import type { Command, CommandName, Commands, PlainError, WorkerMessage } from './worker-protocol.js'

/** How a workload's run on this node came to its end. */
export type WorkloadEnd =
  /** `step` returned 2. */
  | { readonly kind: 'finished' }
  /** Trapped, or its worker died: `ERR_WORKLOAD_TRAPPED`, `ERR_WORKLOAD_CRASHED`. */
  | { readonly kind: 'failed'; readonly error: DwcpError<WasmErrorCode> }
  /** Another node runs it. */
  | { readonly kind: 'moved' }
  | { readonly kind: 'closed' }

export interface WorkerThreadOptions {
  readonly workload: string
  readonly file: string | URL | undefined
  readonly logger: Logger
  readonly onInput: (input: SliceInput) => void
}

/** The main thread's side of a worker: one call per command, each settled once, whatever becomes of the worker. */
export class WorkerThread {
  readonly #worker: Worker
  readonly #replies = new EventEmitter()
  readonly #options: WorkerThreadOptions
  readonly #exited: Promise<void>
  /** Settles when the program finishes, traps or its worker dies by itself. */
  readonly ended: Promise<WorkloadEnd>
  #end: (end: WorkloadEnd) => void = () => undefined
  #dead: DwcpError<WasmErrorCode> | undefined
  #lastId = 0

  constructor(options: WorkerThreadOptions) {
    this.#options = options
    this.#replies.setMaxListeners(0)
    // The worker is built code and needs none of the flags with which a process runs from source.
    this.#worker = new Worker(options.file ?? workerFile(), { name: `dwcp ${options.workload}`, execArgv: [] })
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#die(wasmError('ERR_WORKLOAD_CRASHED', `the worker of "${options.workload}" has ended`))
        resolve()
      })
    })
    this.#worker.on('message', (message) => this.#take(message))
    this.#worker.on('error', (cause) => {
      this.#die(
        wasmError(
          'ERR_WORKLOAD_CRASHED',
          `the worker of "${options.workload}" died: ${cause instanceof Error ? cause.message : String(cause)}`,
          {},
          cause,
        ),
      )
    })
  }

  /** Rejects with what the worker threw, with `signal.reason`, or with `ERR_WORKLOAD_CRASHED`. */
  async call<Name extends CommandName>(
    name: Name,
    value: Commands[Name]['takes'],
    options: { readonly signal?: AbortSignal; readonly transfer?: readonly ArrayBuffer[] } = {},
  ): Promise<Commands[Name]['gives']> {
    options.signal?.throwIfAborted()
    if (this.#dead !== undefined) throw this.#dead
    const id = ++this.#lastId
    const reply = once(this.#replies, String(id), options.signal === undefined ? {} : { signal: options.signal })
    const command: Command<Name> = { id, name, value }
    this.#worker.postMessage(command, options.transfer)
    try {
      const [result, error] = await reply
      if (error !== undefined) throw error
      return result
    } catch (error) {
      options.signal?.throwIfAborted()
      throw error
    }
  }

  /** Ends the worker, even in the middle of a slice, and frees its memory. Idempotent. */
  async terminate(end: WorkloadEnd): Promise<void> {
    this.#end(end)
    await this.#worker.terminate()
    await this.#exited
  }

  #take(message: WorkerMessage): void {
    switch (message.kind) {
      case 'done':
        this.#replies.emit(String(message.id), message.value)
        return
      case 'refused':
        this.#replies.emit(String(message.id), undefined, rebuilt(message.error))
        return
      case 'record':
        return this.#options.onInput(message.input)
      case 'log':
        return this.#options.logger.info({ workload: this.#options.workload }, message.text)
      case 'finished':
        return this.#end({ kind: 'finished' })
      case 'trapped':
        return this.#end({ kind: 'failed', error: rebuilt(message.error) })
    }
  }

  #die(error: DwcpError<WasmErrorCode>): void {
    if (this.#dead !== undefined) return
    this.#dead = error
    this.#end({ kind: 'failed', error })
    if (this.#replies.listenerCount('error') > 0) this.#replies.emit('error', error)
  }
}

function rebuilt({ code, message, details }: PlainError): DwcpError<WasmErrorCode> {
  return wasmError(code ?? 'ERR_WORKLOAD_CRASHED', message, details)
}
