import { createHash } from 'node:crypto'
import {
  type Digest,
  DwcpError,
  type ExportControl,
  type Grant,
  type StateChunk,
  type Workload,
  type WorkloadDriver,
  type WorkloadManifest,
  type WorkloadTarget,
} from '@dwcp/interface'

const PAGE_BYTES = 4096
const KIND = 'memory'
const BATCH_PAGES = 16

/** A workload that is a byte array and a chain of steps over it: the whole contract in one process, for tests. */
export interface MemoryWorkload extends Workload {
  readonly running: boolean
  /** Steps taken over its whole life, on whichever node. */
  readonly steps: number
  /** Changes pages, if it runs; a step that is lost or repeated changes the chain for good. */
  step(times?: number): void
  /** Over the memory as it is. */
  digest(): Digest
}

export interface MemoryDriverOptions {
  /** Steps between two chunks of an export: how busy it is while it is copied. @defaultValue 3 */
  readonly stepsPerChunk?: number
  /** Told of every begin and end of running, so that a test can see two at once. */
  readonly onRunning?: (id: string, running: boolean) => void
}

/** @returns a driver, and `run` to make a workload that runs at once. */
export function createMemoryDriver(options: MemoryDriverOptions = {}): WorkloadDriver & {
  run(id: string, pages: number): MemoryWorkload
} {
  return {
    kind: KIND,
    target: () => new Target(options),
    run(id, pages) {
      const workload = new Instance(id, new Uint8Array(pages * PAGE_BYTES), options)
      workload.begin()
      return workload
    },
  }
}

class Instance implements MemoryWorkload {
  readonly id: string
  readonly #memory: Uint8Array
  readonly #view: DataView
  readonly #options: MemoryDriverOptions
  readonly #dirty = new Set<number>()
  #running = false

  constructor(id: string, memory: Uint8Array, options: MemoryDriverOptions) {
    this.id = id
    this.#memory = memory
    this.#view = new DataView(memory.buffer)
    this.#options = options
  }

  get running(): boolean {
    return this.#running
  }

  get steps(): number {
    return this.#view.getUint32(0)
  }

  begin(): void {
    this.#running = true
    this.#options.onRunning?.(this.id, true)
  }

  step(times = 1): void {
    for (let i = 0; i < times && this.#running; i++) {
      const count = this.#view.getUint32(0)
      const chain = Math.imul(this.#view.getUint32(4) ^ count, 0x9e3779b1) + 1
      const at = 8 + ((chain >>> 0) % ((this.#memory.length - 16) / 4)) * 4
      this.#write(at, Math.imul(this.#view.getUint32(at) + chain, 0x85ebca6b))
      this.#write(4, chain)
      this.#write(0, count + 1)
    }
  }

  digest(): Digest {
    return `sha-256:${createHash('sha256').update(this.#memory).digest('hex')}`
  }

  describe(): Promise<WorkloadManifest> {
    const region = { pageBytes: PAGE_BYTES, lengthBytes: this.#memory.length, maxLengthBytes: this.#memory.length }
    return Promise.resolve({ workload: this.id, kind: KIND, version: 1, regions: [region], requires: {} })
  }

  async *export(control: ExportControl): AsyncGenerator<StateChunk, void, undefined> {
    yield { kind: 'opaque', bytes: new TextEncoder().encode('memory workload') }
    this.#dirty.clear()
    let pages = Array.from({ length: this.#memory.length / PAGE_BYTES }, (_, page) => page)
    while (!control.stop.aborted) {
      yield* this.#batches(pages, control)
      pages = [...this.#dirty].sort((x, y) => x - y)
      yield { kind: 'round', remainingBytes: pages.length * PAGE_BYTES, dirtyBytesPerSecond: 0 }
      for (const page of pages) this.#dirty.delete(page)
    }
    this.#end()
    yield { kind: 'stopped' }
    yield* this.#batches(
      [...new Set([...pages, ...this.#dirty])].sort((x, y) => x - y),
      control,
    )
    yield { kind: 'final', digest: this.digest() }
  }

  resume(): Promise<void> {
    if (!this.#running) this.begin()
    return Promise.resolve()
  }

  release(): Promise<void> {
    this.#end()
    return Promise.resolve()
  }

  *#batches(pages: readonly number[], control: ExportControl): Generator<StateChunk, void, undefined> {
    for (let at = 0; at < pages.length; at += BATCH_PAGES) {
      control.signal.throwIfAborted()
      const batch = Uint32Array.from(pages.slice(at, at + BATCH_PAGES))
      const bytes = new Uint8Array(batch.length * PAGE_BYTES)
      batch.forEach((page, i) => bytes.set(this.#memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), i * PAGE_BYTES))
      this.step(this.#options.stepsPerChunk ?? 3)
      yield { kind: 'pages', region: 0, pages: batch, bytes }
    }
  }

  #write(at: number, value: number): void {
    this.#view.setUint32(at, value >>> 0)
    this.#dirty.add(Math.floor(at / PAGE_BYTES))
  }

  #end(): void {
    if (!this.#running) return
    this.#running = false
    this.#options.onRunning?.(this.id, false)
  }
}

class Target implements WorkloadTarget {
  readonly #options: MemoryDriverOptions
  #manifest: WorkloadManifest | undefined
  #memory: Uint8Array | undefined

  constructor(options: MemoryDriverOptions) {
    this.#options = options
  }

  async prepare(manifest: WorkloadManifest): Promise<void> {
    const [region] = manifest.regions
    if (manifest.kind !== KIND || manifest.version !== 1 || region === undefined || Object.keys(manifest.requires).length > 0) {
      throw new DwcpError(
        'ERR_MIGRATION_UNSUPPORTED',
        `a memory driver does not run ${manifest.kind} version ${manifest.version} with these requirements`,
      )
    }
    this.#manifest = manifest
    this.#memory = new Uint8Array(region.lengthBytes)
  }

  async import(chunks: AsyncIterable<StateChunk>): Promise<Digest> {
    const memory = this.#memory
    if (memory === undefined) throw new TypeError('prepare first')
    for await (const chunk of chunks) {
      if (chunk.kind !== 'pages') continue
      chunk.pages.forEach((page, i) => memory.set(chunk.bytes.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES), page * PAGE_BYTES))
    }
    return `sha-256:${createHash('sha256').update(memory).digest('hex')}`
  }

  async start(grant: Grant): Promise<Workload> {
    if (!grant.active || this.#memory === undefined || this.#manifest === undefined)
      throw new TypeError('import first, and start under an active grant')
    const workload = new Instance(this.#manifest.workload, this.#memory, this.#options)
    this.#memory = undefined
    workload.begin()
    return workload
  }

  async discard(): Promise<void> {
    this.#memory = undefined
  }
}
