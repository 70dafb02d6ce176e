import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { MigrationPhase, WorkloadStatus } from '../src/index.ts'

/** What a node does to another, or to itself, in the middle of a migration. */
export interface Blow {
  readonly pid: number
  readonly signal: 'SIGKILL' | 'SIGSTOP' | 'SIGTERM'
  readonly name: string
  /** Struck `delayMs` after this phase begins; absent: after the migration begins. */
  readonly phase?: MigrationPhase
  readonly delayMs: number
}

export interface MigrationOutcome {
  readonly epoch?: number
  readonly totalMs?: number
  readonly pausedMs?: number
  /** Of what it rejected with. */
  readonly code?: string
  readonly message?: string
}

interface Calls {
  readonly start: {
    readonly takes: {
      readonly id: string
      readonly dataDirectory: string
      readonly port: number
      readonly peers: Readonly<Record<string, string>>
      readonly trace: string
      readonly closeOnTerm: boolean
    }
    readonly gives: readonly WorkloadStatus[]
  }
  readonly run: {
    readonly takes: { readonly workload: string; readonly program: string; readonly seed: number }
    readonly gives: WorkloadStatus
  }
  readonly migrate: {
    readonly takes: { readonly workload: string; readonly to: string; readonly blow?: Blow }
    readonly gives: MigrationOutcome
  }
  readonly workloads: { readonly takes: undefined; readonly gives: readonly WorkloadStatus[] }
  readonly end: { readonly takes: { readonly workload: string }; readonly gives: undefined }
  readonly memory: { readonly takes: undefined; readonly gives: NodeJS.MemoryUsage }
  /** Of a node with `write-faults.mjs`. */
  readonly arm: { readonly takes: { readonly at: number; readonly how: WriteFault }; readonly gives: undefined }
  readonly writes: { readonly takes: undefined; readonly gives: readonly string[] }
  readonly close: { readonly takes: undefined; readonly gives: undefined }
}

export type WriteFault = 'before' | 'torn' | 'after'

/** A process that ended before it answered. */
class ProcessEnded extends Error {}

/** Undefined where the process ended before it answered. */
export async function unlessEnded<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (error instanceof ProcessEnded) return undefined
    throw error
  }
}

/** The parent's end of node-process.mjs. */
export class NodeProcess {
  readonly pid: number
  readonly exited: Promise<unknown>
  readonly #child: ChildProcess
  readonly #replies = new EventEmitter()
  #lastId = 0
  #dead = false

  constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid ?? 0
    this.#replies.setMaxListeners(0)
    this.exited = once(child, 'exit')
    void this.exited.then(() => {
      this.#dead = true
      const ended = new ProcessEnded(`process ${this.pid} has ended`)
      for (const name of this.#replies.eventNames()) if (name !== 'error') this.#replies.emit(name, undefined, ended)
    })
    child.on('message', (message: { id?: number; result?: unknown; failure?: { code?: string; message: string }; loaded?: boolean }) => {
      if (message.loaded) this.#replies.emit('loaded')
      if (message.id === undefined) return
      const { id, result, failure } = message
      this.#replies.emit(String(id), result, failure === undefined ? undefined : Object.assign(new Error(failure.message), failure))
    })
  }

  /** Resolves once the process has read its code and waits for calls. */
  get loaded(): Promise<unknown> {
    return once(this.#replies, 'loaded')
  }

  async call<Name extends keyof Calls>(name: Name, value: Calls[Name]['takes']): Promise<Calls[Name]['gives']> {
    if (this.#dead) throw new ProcessEnded(`process ${this.pid} has ended`)
    const id = ++this.#lastId
    const reply = once(this.#replies, String(id))
    this.#child.send({ id, name, value }, () => undefined)
    const [result, failure] = await reply
    if (failure !== undefined) throw failure
    return result
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal)
  }
}

export interface FleetOptions {
  readonly execArgv?: readonly string[]
  /** Besides this process's own. */
  readonly env?: Readonly<Record<string, string>>
  /** Ends as a well-behaved program does when it is told to. */
  readonly closeOnTerm?: boolean
  /** Nodes that know each other's addresses from the start; others learn them as they meet. */
  readonly peers?: readonly string[]
}

/** Node processes that keep their name, port and data directory through every restart. */
export class NodeFleet implements AsyncDisposable {
  readonly root: string
  readonly #options: FleetOptions
  readonly #nodes = new Map<string, NodeProcess>()
  readonly #ports = new Map<string, number>()
  readonly #all = new Set<NodeProcess>()
  readonly #onExit = (): void => {
    for (const each of this.#all) each.kill()
  }
  #spare: Promise<NodeProcess> | undefined

  private constructor(root: string, options: FleetOptions) {
    this.root = root
    this.#options = options
    process.once('exit', this.#onExit)
  }

  static async open(options: FleetOptions = {}): Promise<NodeFleet> {
    return new NodeFleet(await mkdtemp(join(tmpdir(), 'dwcp-fleet-')), options)
  }

  /** The first start of a node, and each after it has ended; with `fault`, it dies at that write. */
  async start(id: string, fault?: { readonly at: number; readonly how: WriteFault }): Promise<NodeProcess> {
    for (const each of [id, ...(this.#options.peers ?? [])]) {
      if (!this.#ports.has(each)) this.#ports.set(each, await freePort())
    }
    const peers = (this.#options.peers ?? []).filter((peer) => peer !== id)
    const started = await this.#takeSpare()
    if (fault !== undefined) await started.call('arm', fault)
    await started.call('start', {
      id,
      dataDirectory: join(this.root, id),
      port: this.#ports.get(id) ?? 0,
      peers: Object.fromEntries(peers.map((peer) => [peer, this.address(peer)])),
      trace: join(this.root, id),
      closeOnTerm: this.#options.closeOnTerm ?? false,
    })
    this.#nodes.set(id, started)
    return started
  }

  node(id: string): NodeProcess {
    const found = this.#nodes.get(id)
    if (found === undefined) throw new RangeError(`no node ${id}`)
    return found
  }

  address(id: string): string {
    return `127.0.0.1:${this.#ports.get(id)}`
  }

  async status(id: string, workload: string): Promise<WorkloadStatus | undefined> {
    return (await this.node(id).call('workloads', undefined)).find((status) => status.id === workload)
  }

  /** Looks until `holds`, since nodes tell each other things of which no event speaks. */
  async until<T>(what: string, look: () => Promise<T>, holds: (seen: T) => boolean, timeoutMs = 40_000): Promise<T> {
    const deadlineMs = performance.now() + timeoutMs
    for (;;) {
      const seen = await look()
      if (holds(seen)) return seen
      if (performance.now() > deadlineMs) throw new Error(`${what} has not come within ${timeoutMs} ms: ${JSON.stringify(seen)}`)
      await wait(10)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const spare = await this.#spare?.catch(() => undefined)
    spare?.kill()
    for (const each of this.#all) each.kill()
    await Promise.all([...this.#all].map((each) => each.exited))
    process.removeListener('exit', this.#onExit)
    await rm(this.root, { recursive: true, force: true })
  }

  /** Node takes some 0.3 s to read the code, which is done before it is needed. */
  async #takeSpare(): Promise<NodeProcess> {
    const spare = await (this.#spare ?? this.#fork())
    this.#spare = this.#fork()
    return spare
  }

  async #fork(): Promise<NodeProcess> {
    const child = fork(fileURLToPath(new URL('./node-process.mjs', import.meta.url)), {
      execArgv: [...(this.#options.execArgv ?? [])],
      env: { ...process.env, ...this.#options.env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const forked = new NodeProcess(child)
    this.#all.add(forked)
    void forked.exited.then(() => this.#all.delete(forked))
    await forked.loaded
    return forked
  }
}

/** Below the ports that the kernel hands out to dialling sockets: one of those could take it while the node is down. */
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
  throw new Error('no free port between 20000 and 32000')
}
