import type { Digest, Grant, Logger, StateChunk, WorkloadManifest, WorkloadTarget } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { createPageTree, type PageTree } from '../page-tree.js'
import { invalidState, unsupported, wasmError } from './errors.js'
import { decodeHostState } from './host-state.js'
import { checkModule, WASM_PAGE_BYTES } from './module-check.js'
import { OpaqueAssembly } from './opaque-parts.js'
import { SpareBuffers } from './spare-buffers.js'
import { BATCH_PAGES, PAGE_BYTES } from './state-digest.js'
import type { WasmLimits } from './wasm-options.js'
import { ABI_VERSION, STATE_VERSION, type WasmWorkload, WorkerWasmWorkload } from './wasm-workload.js'
import type { WorkerThread } from './worker-thread.js'

export interface WasmTargetOptions {
  readonly limits: WasmLimits
  readonly hash: () => Promise<Hash>
  readonly logger: Logger
  readonly recording: boolean
  readonly dirtyTracking: 'userfaultfd' | 'compare' | undefined
  readonly newThread: (workload: string) => WorkerThread
}

/** Batches on their way to the worker: as many wait in memory at most. */
const WRITES_AHEAD = 4
/** Host state beside requests and replies: globals and numbers; and beside the payload of each of these. */
const HOST_STATE_BYTES = 4 << 20
const LETTER_BYTES = 1 << 10

/** What has arrived so far. */
interface Arrival {
  readonly manifest: WorkloadManifest
  readonly maxMemoryBytes: number
  thread: WorkerThread | undefined
  module: Uint8Array | undefined
  complete: boolean
}

/** Takes a workload in, page by page, into a worker that runs nothing before `start`. */
export class WasmTarget implements WorkloadTarget {
  readonly #options: WasmTargetOptions
  #arrival: Arrival | undefined
  #started = false

  constructor(options: WasmTargetOptions) {
    this.#options = options
  }

  async prepare(manifest: WorkloadManifest): Promise<void> {
    if (this.#arrival !== undefined || this.#started)
      throw wasmError('ERR_WORKLOAD_STATE', 'this target is prepared already; use another one or discard')
    const { maxMemoryBytes } = this.#options.limits
    if (manifest.kind !== 'wasm') throw unsupported(`its kind is "${manifest.kind}", and this driver runs "wasm"`)
    if (manifest.version !== STATE_VERSION)
      throw unsupported(`its state format is version ${manifest.version}; this node knows ${STATE_VERSION}`)
    for (const [name, value] of Object.entries(manifest.requires)) {
      if (name !== 'abi' || value !== ABI_VERSION) throw unsupported(`it requires ${name} ${value}; this node offers abi ${ABI_VERSION}`)
    }
    const [region, second] = manifest.regions
    if (region === undefined || second !== undefined) throw unsupported(`${manifest.regions.length} regions; a WebAssembly memory is one`)
    const { pageBytes, lengthBytes, maxLengthBytes } = region
    const fits =
      Number.isSafeInteger(lengthBytes) && lengthBytes >= 0 && lengthBytes % WASM_PAGE_BYTES === 0 && lengthBytes <= maxLengthBytes
    if (pageBytes !== PAGE_BYTES || !fits || maxLengthBytes % WASM_PAGE_BYTES !== 0) {
      throw unsupported(`a region of ${lengthBytes} of ${maxLengthBytes} bytes in pages of ${pageBytes}`)
    }
    if (maxLengthBytes > maxMemoryBytes) {
      throw unsupported(`its memory may grow to ${maxLengthBytes} bytes, and ${maxMemoryBytes} are allowed here (maxMemoryBytes)`, {
        maxMemoryBytes,
      })
    }
    this.#arrival = { manifest, maxMemoryBytes: maxLengthBytes, thread: undefined, module: undefined, complete: false }
  }

  async import(chunks: AsyncIterable<StateChunk>): Promise<Digest> {
    const arrival = this.#arrival
    if (arrival === undefined || arrival.thread !== undefined || arrival.complete) {
      throw wasmError('ERR_WORKLOAD_STATE', 'import needs a target that was prepared and has taken in nothing yet')
    }
    const tree = createPageTree(await this.#options.hash(), arrival.manifest.regions)
    const intake = new Intake(this.#options, arrival, tree)
    try {
      for await (const chunk of chunks) {
        if (this.#arrival !== arrival) throw wasmError('ERR_WORKLOAD_STATE', 'the target was discarded while state arrived')
        await intake.take(chunk)
      }
      await intake.finish()
      return tree.root()
    } finally {
      await intake.settle()
      await this.#sweep(arrival)
    }
  }

  async start(grant: Grant): Promise<WasmWorkload> {
    const arrival = this.#arrival
    if (arrival?.complete !== true || arrival.thread === undefined || arrival.module === undefined) {
      throw wasmError('ERR_WORKLOAD_STATE', 'start needs a target that has taken in the whole state')
    }
    const { limits, logger } = this.#options
    if (grant.workload !== arrival.manifest.workload) {
      throw wasmError('ERR_WORKLOAD_STATE', `the grant is for "${grant.workload}", and "${arrival.manifest.workload}" is here`)
    }
    this.#started = true
    this.#arrival = undefined
    const workload = new WorkerWasmWorkload({
      id: arrival.manifest.workload,
      thread: arrival.thread,
      module: arrival.module,
      hash: await this.#options.hash(),
      maxMemoryBytes: arrival.maxMemoryBytes,
      stopTimeoutMs: limits.stopTimeoutMs,
      logger,
    })
    await workload.start()
    return workload
  }

  async discard(): Promise<void> {
    const arrival = this.#arrival
    this.#arrival = undefined
    await arrival?.thread?.terminate({ kind: 'closed' })
  }

  /** A discard in the middle of an import may have come before there was a thread to end. */
  async #sweep(arrival: Arrival): Promise<void> {
    if (this.#arrival !== arrival) await arrival.thread?.terminate({ kind: 'closed' })
  }
}

/** The order of what arrives: module, pages and rounds, `stopped`, last pages, host state, `final`. */
class Intake {
  readonly #options: WasmTargetOptions
  readonly #arrival: Arrival
  readonly #tree: PageTree
  readonly #writes = new Set<Promise<unknown>>()
  readonly #buffers = new SpareBuffers(BATCH_PAGES * PAGE_BYTES, WRITES_AHEAD)
  readonly #moduleParts: OpaqueAssembly
  readonly #hostParts: OpaqueAssembly
  #failure: unknown
  #stopped = false
  #restored = false

  constructor(options: WasmTargetOptions, arrival: Arrival, tree: PageTree) {
    const { limits } = options
    this.#options = options
    this.#arrival = arrival
    this.#tree = tree
    this.#moduleParts = new OpaqueAssembly('module', limits.maxModuleBytes)
    const mailboxBytes = 2 * (limits.maxMailboxBytes + limits.maxClients * LETTER_BYTES)
    this.#hostParts = new OpaqueAssembly('host', Math.min(HOST_STATE_BYTES + mailboxBytes, 2 ** 32 - 1))
  }

  async take(chunk: StateChunk): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#arrival.complete) throw invalidState('something comes after the end')
    switch (chunk.kind) {
      case 'opaque':
        this.#tree.opaque(chunk.bytes)
        return this.#arrival.module === undefined ? this.#takeModule(chunk.bytes) : this.#takeHost(chunk.bytes)
      case 'pages':
        return this.#takePages(chunk.region, chunk.pages, chunk.bytes)
      case 'round':
        return
      case 'stopped':
        this.#stopped = true
        return
      case 'final':
        if (!this.#restored) throw invalidState('the end comes before the host state')
        this.#arrival.complete = true
    }
  }

  async finish(): Promise<void> {
    await this.settle()
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#arrival.complete) throw invalidState('it ends early')
  }

  async settle(): Promise<void> {
    await Promise.all(this.#writes)
  }

  async #takeModule(bytes: Uint8Array): Promise<void> {
    const whole = this.#moduleParts.add(bytes)
    if (whole === undefined) return
    const { maxMemoryBytes, manifest } = this.#arrival
    // Checked here too, so that a module that is refused costs no thread.
    checkModule(whole, maxMemoryBytes)
    this.#arrival.module = whole
    const thread = this.#options.newThread(manifest.workload)
    this.#arrival.thread = thread
    const { limits, recording, dirtyTracking } = this.#options
    const memoryBytes = manifest.regions[0]?.lengthBytes ?? 0
    const ours = { limits: { ...limits, maxMemoryBytes }, recording, dirtyTracking }
    const setup = { ...ours, module: whole.slice(), seed: 0, restoring: true, memoryBytes }
    await thread.call('load', setup)
  }

  async #takePages(region: number, pages: Uint32Array, bytes: Uint8Array): Promise<void> {
    const { thread, maxMemoryBytes } = this.#arrival
    if (thread === undefined) throw invalidState('pages come before the module')
    if (this.#restored) throw invalidState('pages come after the host state')
    if (region !== 0) throw invalidState(`pages of region ${region}; there is one region`)
    if (bytes.length !== pages.length * PAGE_BYTES) throw invalidState(`${pages.length} pages in ${bytes.length} bytes`)
    const limit = maxMemoryBytes / PAGE_BYTES
    let before = -1
    for (const page of pages) {
      if (page <= before || page >= limit) throw invalidState(`page ${page} after ${before}, of at most ${limit}`)
      before = page
    }
    if (pages.length === 0) return
    this.#tree.update(0, pages, bytes)
    for (let first = 0; first < pages.length; first += BATCH_PAGES) {
      const batch = pages.slice(first, first + BATCH_PAGES)
      await this.#write(thread, batch, bytes.subarray(first * PAGE_BYTES, (first + batch.length) * PAGE_BYTES))
    }
  }

  async #write(thread: WorkerThread, pages: Uint32Array, bytes: Uint8Array): Promise<void> {
    // The bytes are lent until the next chunk is asked for, and posting a view would clone all of the buffer below it.
    const own = new Uint8Array(this.#buffers.take(), 0, bytes.length)
    own.set(bytes)
    const write = thread.call('write', { pages, bytes: own }, { transfer: [own.buffer] }).then(
      ({ buffer }) => this.#buffers.giveBack(buffer),
      (error: unknown) => {
        this.#failure ??= error
      },
    )
    this.#writes.add(write)
    void write.then(() => this.#writes.delete(write))
    if (this.#writes.size >= WRITES_AHEAD) await Promise.race(this.#writes)
  }

  async #takeHost(bytes: Uint8Array): Promise<void> {
    if (!this.#stopped) throw invalidState('host state comes before the stop')
    if (this.#restored) throw invalidState('a second host state')
    const whole = this.#hostParts.add(bytes)
    if (whole === undefined) return
    const state = decodeHostState(whole, this.#options.limits)
    await this.settle()
    if (this.#failure !== undefined) throw this.#failure
    await this.#arrival.thread?.call('restore', state)
    this.#restored = true
  }
}
