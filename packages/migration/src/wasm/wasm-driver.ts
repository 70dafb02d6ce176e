import { randomBytes } from 'node:crypto'
import { silentLogger, type WorkloadDriver } from '@dwcp/interface'
import { type Hash, loadHash } from '@dwcp/native-rdma/hash'
import { unsupported } from './errors.js'
import { checkModule, WASM_PAGE_BYTES } from './module-check.js'
import { type WasmDriverOptions, wasmLimits } from './wasm-options.js'
import { WasmTarget } from './wasm-target.js'
import { type WasmWorkload, WorkerWasmWorkload } from './wasm-workload.js'
import { WorkerThread } from './worker-thread.js'

/**
 * What to run, and under which name.
 *
 * @public
 */
export interface WasmRunOptions {
  /** Under which it is known on every node. */
  readonly id: string
  /** A binary that keeps docs/wasm-abi.md. Copied. */
  readonly module: Uint8Array
  /** Of the program's `random()`: a safe integer of at least 0. @defaultValue 48 random bits */
  readonly seed?: number
}

/**
 * The driver of WebAssembly programs.
 *
 * @public
 */
export interface WasmDriver extends WorkloadDriver {
  readonly kind: 'wasm'
  /**
   * A new workload on this node. It is loaded and waits for `start`.
   *
   * @throws `ERR_MIGRATION_UNSUPPORTED`, with the reason, for a module whose state could not be carried.
   */
  run(options: WasmRunOptions): Promise<WasmWorkload>
  target(): WasmTarget
}

/**
 * Runs WebAssembly programs, each in a worker thread of its own, and moves them while they run.
 *
 * @public
 * @example
 * ```ts
 * import { createWasmDriver, loadWorkload } from '@dwcp/migration'
 * const driver = createWasmDriver()
 * const workload = await driver.run({ id: 'chain', module: await loadWorkload('hash-chain') })
 * await workload.start()
 * await workload.close()
 * ```
 */
export function createWasmDriver(options: WasmDriverOptions = {}): WasmDriver {
  const limits = wasmLimits(options)
  const { logger = silentLogger, record, dirtyTracking } = options
  let hash: Promise<Hash> | undefined
  const sharedHash = (): Promise<Hash> => {
    hash ??= loadHash()
    return hash
  }
  const newThread = (workload: string): WorkerThread =>
    new WorkerThread({ workload, file: options.workerFile, logger, onInput: (input) => record?.(workload, input) })
  return {
    kind: 'wasm',
    async run({ id, module, seed = randomBytes(6).readUIntBE(0, 6) }) {
      if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`seed is ${seed}; it must be an integer of at least 0`)
      if (module.length > limits.maxModuleBytes)
        throw unsupported(`a module of ${module.length} bytes; ${limits.maxModuleBytes} are allowed (maxModuleBytes)`)
      const own = module.slice()
      const maxMemoryBytes = checkModule(own, limits.maxMemoryBytes).maximumPages * WASM_PAGE_BYTES
      const thread = newThread(id)
      try {
        const setup = {
          module: own.slice(),
          limits: { ...limits, maxMemoryBytes },
          seed,
          restoring: false,
          memoryBytes: 0,
          recording: record !== undefined,
          dirtyTracking,
        }
        await thread.call('load', setup)
        return new WorkerWasmWorkload({
          id,
          thread,
          module: own,
          hash: await sharedHash(),
          maxMemoryBytes,
          stopTimeoutMs: limits.stopTimeoutMs,
          logger,
        })
      } catch (error) {
        await thread.terminate({ kind: 'closed' })
        throw error
      }
    },
    target: () => new WasmTarget({ limits, hash: sharedHash, logger, recording: record !== undefined, dirtyTracking, newThread }),
  }
}
