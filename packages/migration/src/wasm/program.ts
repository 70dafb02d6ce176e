import type { Hash } from '@dwcp/native-rdma/hash'
import { unsupported, wasmError } from './errors.js'
import { type HostState, INPUT_DIGEST_BYTES } from './host-state.js'
import { type Answer, Mailbox, type MailboxLimits, type WorkloadRequest } from './mailbox.js'
import { type CheckedModule, WASM_PAGE_BYTES } from './module-check.js'
import { PATCHED_MEMORY, PATCHED_START, patchedGetter, patchedSetter, patchModule } from './module-patch.js'
import { SeededRandom } from './seeded-random.js'
import { extendInputDigest, type SliceInput } from './slice-input.js'
import { type EngineInstance, type EngineMemory, engine, instantiate } from './webassembly.js'

const MOST_LOG_BYTES = 4096

/** What a program does to the world while it runs. */
export interface ProgramEvents {
  onAnswer(answer: Answer): void
  onLog(text: string): void
}

export interface ProgramOptions {
  readonly hash: Hash
  readonly limits: MailboxLimits
  readonly events: ProgramEvents
  /** A safe integer of at least 0. */
  readonly seed: number
  /** Without data and not begun: memory and {@link Program.restore} supply the rest. */
  readonly restoring: boolean
}

/**
 * One instance of a module with all of its state in reach. Deterministic: what it does follows from the slices' inputs
 * alone, so it owns no clock and no thread.
 */
export class Program {
  readonly memory: EngineMemory
  readonly #module: CheckedModule
  readonly #options: ProgramOptions
  readonly #instance: EngineInstance
  #mailbox: Mailbox
  #random: SeededRandom
  #seed: number
  #begun = false
  #finished = false
  #more = true
  #nowMs = 0
  #wakeMs: number | undefined
  #slices = 0
  #inputDigest: Uint8Array = new Uint8Array(INPUT_DIGEST_BYTES)

  constructor(module: CheckedModule, options: ProgramOptions) {
    this.#module = module
    this.#options = options
    this.#mailbox = new Mailbox(options.limits)
    this.#seed = options.seed
    this.#random = SeededRandom.seeded(options.seed)
    try {
      this.#instance = instantiate(patchModule(module, { restore: options.restoring }), { dwcp: this.#imports() })
    } catch (cause) {
      throw unsupported(`the engine refuses the module (${cause instanceof Error ? cause.message : String(cause)})`)
    }
    const memory = this.#instance.exports[PATCHED_MEMORY]
    if (!(memory instanceof engine.Memory)) throw unsupported('its memory is not to be had')
    this.memory = memory
  }

  get mailbox(): Mailbox {
    return this.#mailbox
  }
  get finished(): boolean {
    return this.#finished
  }
  get more(): boolean {
    return this.#more
  }
  get slices(): number {
    return this.#slices
  }
  /** The program's clock in the last slice. */
  get nowMs(): number {
    return this.#nowMs
  }
  get wakeMs(): number | undefined {
    return this.#wakeMs
  }

  /**
   * Runs one slice.
   *
   * @param replayed - Requests of a recording; they are shown to this slice in the place of what has arrived.
   * @throws `ERR_WORKLOAD_TRAPPED`; afterwards the state is that of the trap and nothing may run it on.
   */
  slice(nowMs: number, budget: number, replayed: readonly WorkloadRequest[] = []): SliceInput {
    for (const request of replayed) this.#mailbox.accept(request)
    const requests = this.#mailbox.admit()
    const begins = !this.#begun
    const input: SliceInput = { slice: this.#slices, nowMs, budget, requests, ...(begins ? { seed: this.#seed } : {}) }
    this.#inputDigest = extendInputDigest(this.#options.hash, this.#inputDigest, input)
    this.#slices++
    this.#nowMs = nowMs
    this.#wakeMs = undefined
    const status = this.#guarded(() => {
      if (begins) {
        this.#begun = true
        this.#call(PATCHED_START)
        this.#call('init')
      }
      return this.#call('step', budget)
    })
    if (status !== 0 && status !== 1 && status !== 2) {
      throw wasmError('ERR_WORKLOAD_TRAPPED', `step returned ${String(status)} in slice ${input.slice}; 0, 1 and 2 have a meaning`, {
        status,
        slice: input.slice,
      })
    }
    this.#more = status === 1
    this.#finished = status === 2
    return input
  }

  /** Grows the memory to at least `pages` pages of 64 KiB. Throws RangeError past the maximum. */
  growTo(pages: number): void {
    const missing = pages - this.memory.buffer.byteLength / WASM_PAGE_BYTES
    if (missing > 0) this.memory.grow(missing)
  }

  /** @param sinceMs - What has passed on the program's clock since the last slice. */
  state(sinceMs: number, budget: number): HostState {
    return {
      begun: this.#begun,
      finished: this.#finished,
      memoryPages: this.memory.buffer.byteLength / WASM_PAGE_BYTES,
      globals: this.#module.mutableGlobals.map((_, position) => this.#global(position)),
      nowMs: this.#nowMs,
      sinceMs,
      wakeMs: this.#wakeMs,
      more: this.#more,
      seed: this.#seed,
      random: this.#random.state(),
      slices: this.#slices,
      budget,
      inputDigest: this.#inputDigest,
      mailbox: this.#mailbox.state(),
    }
  }

  /** Takes on everything but the memory's content. Throws `ERR_MIGRATION_UNSUPPORTED` where state and module do not fit. */
  restore(state: HostState): void {
    const { mutableGlobals, layout } = this.#module
    if (state.globals.length !== mutableGlobals.length)
      throw unsupported(`${state.globals.length} globals arrived, the module has ${mutableGlobals.length}`)
    for (const [position, index] of mutableGlobals.entries()) {
      const bits = state.globals[position]
      const wide = layout.globals[index]?.type === 'i64' || layout.globals[index]?.type === 'f64'
      if (wide !== (typeof bits === 'bigint')) throw unsupported(`global ${index} arrived with the wrong width`)
      this.#call(patchedSetter(position), bits)
    }
    this.growTo(state.memoryPages)
    this.#begun = state.begun
    this.#finished = state.finished
    this.#more = state.more
    this.#nowMs = state.nowMs
    this.#wakeMs = state.wakeMs
    this.#seed = state.seed
    this.#random = new SeededRandom(state.random)
    this.#slices = state.slices
    this.#inputDigest = state.inputDigest
    this.#mailbox = new Mailbox(this.#options.limits, state.mailbox)
  }

  #imports(): Readonly<Record<string, unknown>> {
    return {
      now: () => this.#nowMs,
      random: () => this.#random.unit(),
      wake: (atMs: number) => {
        this.#wakeMs = Number.isNaN(atMs) ? undefined : atMs
      },
      receive: (pointer: number, capacityBytes: number) => this.#receive(pointer >>> 0, capacityBytes >>> 0),
      reply: (pointer: number, lengthBytes: number) => {
        const { maxReplyBytes } = this.#options.limits
        if (lengthBytes >>> 0 > maxReplyBytes)
          throw new RangeError(`a reply of ${lengthBytes >>> 0} bytes; ${maxReplyBytes} are allowed (maxReplyBytes)`)
        this.#answer(this.#mailbox.reply(this.#view(pointer >>> 0, lengthBytes >>> 0).slice()))
      },
      log: (pointer: number, lengthBytes: number) => {
        const bytes = this.#view(pointer >>> 0, lengthBytes >>> 0)
        this.#options.events.onLog(new TextDecoder().decode(bytes.subarray(0, MOST_LOG_BYTES)))
      },
    }
  }

  #receive(pointer: number, capacityBytes: number): number {
    const needed = this.#mailbox.peek()
    if (needed === undefined) return -1
    if (needed > capacityBytes) return -(needed + 1)
    const target = this.#view(pointer, needed)
    const received = this.#mailbox.receive()
    if (received === undefined) return -1
    this.#answer(received.abandoned)
    target.set(received.payload)
    return needed
  }

  #answer(answer: Answer | undefined): void {
    if (answer !== undefined) this.#options.events.onAnswer(answer)
  }

  #view(pointer: number, lengthBytes: number): Uint8Array {
    // The bounds are checked by the constructor, whose RangeError becomes the program's trap.
    return new Uint8Array(this.memory.buffer, pointer, lengthBytes)
  }

  #global(position: number): number | bigint {
    const bits = this.#call(patchedGetter(position))
    if (typeof bits !== 'number' && typeof bits !== 'bigint') throw new TypeError(`global ${position} is a ${typeof bits}`)
    return bits
  }

  #call(name: string, ...values: readonly unknown[]): unknown {
    const target = this.#instance.exports[name]
    return typeof target === 'function' ? target(...values) : undefined
  }

  #guarded<Result>(run: () => Result): Result {
    try {
      return run()
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw wasmError(
        'ERR_WORKLOAD_TRAPPED',
        `the program trapped in slice ${this.#slices - 1}: ${reason}`,
        { slice: this.#slices - 1 },
        cause,
      )
    }
  }
}
