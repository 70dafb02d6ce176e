import type { Hash } from '@dwcp/native-rdma/hash'
import { type DirtyTracker, trackDirtyPages } from '@dwcp/native-rdma/memory'
import { wasmError } from './errors.js'
import { encodeHostState } from './host-state.js'
import { checkModule, WASM_PAGE_BYTES } from './module-check.js'
import { Program } from './program.js'
import type { SliceInput } from './slice-input.js'
import { SliceLoop } from './slice-loop.js'
import { PAGE_BYTES, stateDigest } from './state-digest.js'
import { type Handlers, LATER, type WorkerSetup } from './worker-protocol.js'

export interface WorkerEvents {
  answered(id: number, payload: Uint8Array): void
  recorded(input: SliceInput): void
  logged(text: string): void
  finished(): void
  trapped(error: unknown): void
}

/** One program with its loop and its dirty pages, as the commands of the main thread see it. */
export class WorkerWorkload {
  readonly #hash: Hash
  readonly #events: WorkerEvents
  readonly #asking = new Map<string, number[]>()
  #setup: WorkerSetup | undefined
  #program: Program | undefined
  #loop: SliceLoop | undefined
  #tracker: DirtyTracker | undefined

  constructor(hash: Hash, events: WorkerEvents) {
    this.#hash = hash
    this.#events = events
  }

  readonly handlers: Handlers = {
    load: (setup) => {
      this.#setup = setup
      this.#program = new Program(checkModule(setup.module, setup.limits.maxMemoryBytes), {
        hash: this.#hash,
        limits: setup.limits,
        seed: setup.seed,
        restoring: setup.restoring,
        events: {
          onAnswer: ({ client, sequence, payload }) => {
            const key = askingKey(client, sequence)
            for (const id of this.#asking.get(key) ?? []) this.#events.answered(id, payload)
            this.#asking.delete(key)
          },
          onLog: (text) => this.#events.logged(text),
        },
      })
      this.#program.growTo(setup.memoryBytes / WASM_PAGE_BYTES)
      this.#loop = this.#newLoop(this.#program, 1, 0)
      return undefined
    },
    write: ({ pages, bytes }) => {
      const program = this.#there(this.#program)
      const last = pages[pages.length - 1] ?? 0
      program.growTo(Math.ceil(((last + 1) * PAGE_BYTES) / WASM_PAGE_BYTES))
      const memory = new Uint8Array(program.memory.buffer)
      for (const [index, page] of pages.entries())
        memory.set(bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES), page * PAGE_BYTES)
      return bytes
    },
    restore: (state) => {
      const program = this.#there(this.#program)
      if (program.memory.buffer.byteLength > state.memoryPages * WASM_PAGE_BYTES) {
        throw wasmError(
          'ERR_MIGRATION_STATE_INVALID',
          `the manifest or the pages reach beyond the memory's ${state.memoryPages} pages of 64 KiB; export it again`,
        )
      }
      program.restore(state)
      this.#loop = this.#newLoop(program, state.budget, state.sinceMs)
      return undefined
    },
    run: () => {
      this.#there(this.#loop).start()
      return undefined
    },
    stop: () => {
      this.#there(this.#loop).stop()
      this.#asking.clear()
      return this.#tracker?.collect() ?? new Uint32Array(0)
    },
    track: () => {
      const { memory } = this.#there(this.#program)
      const backend = this.#setup?.dirtyTracking
      this.#tracker?.close()
      this.#tracker = trackDirtyPages(() => memory.buffer, backend === undefined ? {} : { backend })
      return { pages: memory.buffer.byteLength / PAGE_BYTES }
    },
    collect: () => this.#there(this.#tracker).collect(),
    copy: ({ pages, into }) => {
      const memory = new Uint8Array(this.#there(this.#program).memory.buffer)
      const bytes = new Uint8Array(into, 0, pages.length * PAGE_BYTES)
      for (const [index, page] of pages.entries())
        bytes.set(memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), index * PAGE_BYTES)
      return bytes
    },
    untrack: () => {
      this.#tracker?.close()
      this.#tracker = undefined
      return undefined
    },
    throttle: (ratio) => {
      this.#there(this.#loop).throttle(ratio)
      return undefined
    },
    state: () => {
      const loop = this.#there(this.#loop)
      return encodeHostState(this.#there(this.#program).state(loop.sinceMs, loop.budget))
    },
    digest: () => stateDigest(this.#there(this.#program), this.#hash),
    stats: () => {
      const program = this.#there(this.#program)
      const loop = this.#there(this.#loop)
      return {
        running: loop.running,
        finished: program.finished,
        slices: program.slices,
        memoryBytes: program.memory.buffer.byteLength,
        budget: loop.budget,
        busyMs: loop.busyMs,
        longestSliceMs: loop.longestSliceMs,
        requestsWaiting: program.mailbox.waiting,
        nowMs: loop.nowMs,
        dirtyTracking: this.#tracker?.backend,
      }
    },
    request: (request, id) => {
      const { mailbox, finished } = this.#there(this.#program)
      const known = finished ? mailbox.known(request) : mailbox.accept(request)
      if (known !== undefined) return known
      if (finished) throw wasmError('ERR_WORKLOAD_FINISHED', 'the program has finished and answers nothing new')
      const key = askingKey(request.client, request.sequence)
      const ids = this.#asking.get(key)
      if (ids === undefined) this.#asking.set(key, [id])
      else ids.push(id)
      this.#there(this.#loop).poke()
      return LATER
    },
  }

  #newLoop(program: Program, budget: number, sinceMs: number): SliceLoop {
    const { limits, recording } = this.#there(this.#setup)
    return new SliceLoop(program, {
      sliceMs: limits.sliceMs,
      tickMs: limits.tickMs,
      budget,
      sinceMs,
      onSlice: recording ? (input) => this.#events.recorded(input) : () => undefined,
      onFinished: () => this.#events.finished(),
      onTrapped: (error) => this.#events.trapped(error),
    })
  }

  #there<Thing>(thing: Thing | undefined): Thing {
    if (thing === undefined) throw wasmError('ERR_WORKLOAD_STATE', 'a command came to a worker that is not set up for it')
    return thing
  }
}

function askingKey(client: string, sequence: number): string {
  return `${sequence} ${client}`
}
