import { setMaxListeners } from 'node:events'
import type { Digest, DwcpError, ExportControl, Grant, Logger, StateChunk, Workload, WorkloadManifest } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { LinkedAbort } from '../linked-abort.js'
import { type WasmErrorCode, wasmError } from './errors.js'
import { MOST_CLIENT_NAME_BYTES } from './host-state.js'
import type { WorkloadRequest } from './mailbox.js'
import { PAGE_BYTES } from './state-digest.js'
import { exportState } from './wasm-export.js'
import type { WasmStats } from './worker-protocol.js'
import type { WorkerThread, WorkloadEnd } from './worker-thread.js'

/** Of the state format: module, pages of 4 KiB, host state. */
export const STATE_VERSION = 1
export const ABI_VERSION = '1'

/**
 * A WebAssembly program on this node.
 *
 * @public
 */
export interface WasmWorkload extends Workload, AsyncDisposable {
  /** Runs the first slice. For a workload that `run` made; one that arrived is started by its target. Idempotent. */
  start(grant?: Grant): Promise<void>
  /**
   * Asks the program. A client asks one thing at a time; the same `sequence` asked again gets the same answer and is not
   * done twice, also after a migration, as long as its answer is among the `maxClients` last.
   *
   * @throws `ERR_WORKLOAD_STOPPED` (retryable: here after `resume`, or on the target), `ERR_WORKLOAD_MOVED`,
   * `ERR_WORKLOAD_BUSY`, `ERR_WORKLOAD_LIMIT`, `ERR_WORKLOAD_STALE_REQUEST`, `ERR_WORKLOAD_FINISHED`, or why the workload failed.
   */
  request(request: WorkloadRequest, options?: { readonly signal?: AbortSignal }): Promise<Uint8Array>
  stats(): Promise<WasmStats>
  /** Of all state that follows from the program's inputs: what `replay` arrives at. Reads the whole memory, between two slices. */
  digest(): Promise<Digest>
  /** How the run on this node ended. Never rejects. */
  readonly finished: Promise<WorkloadEnd>
  /** Ends the workload and frees its worker; the state is gone. Idempotent. */
  close(): Promise<void>
}

export interface WasmWorkloadOptions {
  readonly id: string
  readonly thread: WorkerThread
  readonly module: Uint8Array
  readonly hash: Hash
  readonly maxMemoryBytes: number
  readonly stopTimeoutMs: number
  readonly logger: Logger
}

type Phase = 'new' | 'running' | 'stopping' | 'stopped' | 'moved' | 'closed' | 'failed'

export class WorkerWasmWorkload implements WasmWorkload {
  readonly id: string
  readonly finished: Promise<WorkloadEnd>
  readonly #options: WasmWorkloadOptions
  readonly #thread: WorkerThread
  #phase: Phase = 'new'
  #started = false
  #exporting: AbortController | undefined
  #failure: DwcpError<WasmErrorCode> | undefined
  /** Aborted when requests can no longer be answered here; the next period has its own. */
  #serving = servingPeriod()

  constructor(options: WasmWorkloadOptions) {
    this.id = options.id
    this.#options = options
    this.#thread = options.thread
    this.finished = options.thread.ended
    void this.finished.then((end) => {
      if (end.kind !== 'failed') return
      this.#failure ??= end.error
      if (this.#phase !== 'closed' && this.#phase !== 'moved') this.#leave('failed', end.error)
      options.logger.error({ workload: this.id, code: end.error.code }, end.error.message)
    })
  }

  async describe(): Promise<WorkloadManifest> {
    this.#mustBeHere()
    const { memoryBytes } = await this.#thread.call('stats', undefined)
    return {
      workload: this.id,
      kind: 'wasm',
      version: STATE_VERSION,
      regions: [{ pageBytes: PAGE_BYTES, lengthBytes: memoryBytes, maxLengthBytes: this.#options.maxMemoryBytes }],
      requires: { abi: ABI_VERSION },
    }
  }

  async start(_grant?: Grant): Promise<void> {
    this.#mustBeHere()
    if (this.#phase !== 'new') return
    this.#phase = 'running'
    this.#started = true
    await this.#thread.call('run', undefined)
  }

  async request(request: WorkloadRequest, options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array> {
    checkRequest(request)
    this.#serving.signal.throwIfAborted()
    const { client, sequence, payload } = request
    const linked = new LinkedAbort(options.signal, this.#serving.signal)
    try {
      return await this.#thread.call('request', { client, sequence, payload: payload.slice() }, { signal: linked.signal })
    } finally {
      linked[Symbol.dispose]()
    }
  }

  async *export(control: ExportControl): AsyncGenerator<StateChunk, void, undefined> {
    this.#mustBeHere()
    if (this.#exporting !== undefined)
      throw wasmError('ERR_WORKLOAD_STATE', `"${this.id}" is being exported already; end that export first`)
    const ending = new AbortController()
    this.#exporting = ending
    const { thread, module, hash, maxMemoryBytes } = this.#options
    const signal = AbortSignal.any([control.signal, ending.signal])
    // A getter, since the engine replaces the steering while the export runs.
    const narrowed = {
      get steering() {
        return control.steering
      },
      stop: control.stop,
      signal,
    }
    try {
      yield* exportState({ thread, module, hash, maxMemoryBytes, stop: (stopSignal) => this.#stop(stopSignal) }, narrowed)
    } finally {
      if (this.#exporting === ending) this.#exporting = undefined
    }
  }

  async resume(): Promise<void> {
    this.#mustBeHere()
    this.#exporting?.abort(wasmError('ERR_WORKLOAD_STATE', `"${this.id}" was resumed in the middle of its export; export it again`))
    if (this.#phase !== 'stopped' && this.#phase !== 'stopping') return
    if (this.#started) await this.#thread.call('run', undefined)
    this.#serving = servingPeriod()
    this.#phase = this.#started ? 'running' : 'new'
  }

  async release(_lost: Grant): Promise<void> {
    if (this.#phase === 'closed' || this.#phase === 'moved') return
    const moved = wasmError('ERR_WORKLOAD_MOVED', `"${this.id}" runs on another node now; ask there`, { workload: this.id })
    this.#leave('moved', moved)
    await this.#thread.terminate({ kind: 'moved' })
  }

  async stats(): Promise<WasmStats> {
    this.#mustBeHere()
    return this.#thread.call('stats', undefined)
  }

  async digest(): Promise<Digest> {
    this.#mustBeHere()
    return this.#thread.call('digest', undefined)
  }

  async close(): Promise<void> {
    if (this.#phase !== 'moved') this.#leave('closed', wasmError('ERR_WORKLOAD_STATE', `"${this.id}" is closed`))
    await this.#thread.terminate({ kind: 'closed' })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #stop(signal: AbortSignal): Promise<Uint32Array> {
    const { stopTimeoutMs } = this.#options
    const timeout = AbortSignal.timeout(stopTimeoutMs)
    const before = this.#phase
    this.#phase = 'stopping'
    this.#serving.abort(
      wasmError('ERR_WORKLOAD_STOPPED', `"${this.id}" has stopped to move; ask again, here or on its new node`, { workload: this.id }),
    )
    try {
      const dirty = await this.#thread.call('stop', undefined, { signal: AbortSignal.any([signal, timeout]) })
      this.#phase = 'stopped'
      return dirty
    } catch (error) {
      signal.throwIfAborted()
      if (!timeout.aborted) throw error
      // The stop is taken back, so that the slice that is under way is not the last one.
      if (this.#started) void this.#thread.call('run', undefined).catch(() => undefined)
      this.#serving = servingPeriod()
      this.#phase = before
      throw wasmError(
        'ERR_WORKLOAD_UNRESPONSIVE',
        `"${this.id}" has not ended its slice within ${stopTimeoutMs} ms; its step ignores the budget`,
        { stopTimeoutMs },
      )
    }
  }

  #leave(phase: Phase, reason: DwcpError<WasmErrorCode>): void {
    this.#phase = phase
    this.#failure ??= reason
    // The period that a resume or a request would see must be the ended one, also where it had ended with a stop before.
    if (this.#serving.signal.aborted) this.#serving = servingPeriod()
    this.#serving.abort(reason)
    this.#exporting?.abort(reason)
  }

  #mustBeHere(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}

function servingPeriod(): AbortController {
  const period = new AbortController()
  setMaxListeners(0, period.signal)
  return period
}

function checkRequest({ client, sequence, payload }: WorkloadRequest): void {
  if (typeof client !== 'string' || client === '' || client.length > MOST_CLIENT_NAME_BYTES / 4) {
    throw new RangeError(`client must be a name of 1 to ${MOST_CLIENT_NAME_BYTES / 4} characters`)
  }
  if (!Number.isSafeInteger(sequence) || sequence < 0) throw new RangeError(`sequence is ${sequence}; it must be an integer of at least 0`)
  if (!(payload instanceof Uint8Array)) throw new TypeError('payload must be a Uint8Array')
}
