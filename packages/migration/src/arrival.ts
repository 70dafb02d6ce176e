import {
  type Decoder,
  type Digest,
  DwcpError,
  type Grant,
  type IncomingObject,
  type NodeId,
  type StateChunk,
  type Workload,
  type WorkloadManifest,
  type WorkloadTarget,
} from '@dwcp/interface'
import type { MigrationContext } from './migration-context.js'
import { type Outcome, parseStreamHeader } from './migration-message.js'
import { unframed } from './state-stream.js'

/** A workload that has begun to run on this node. */
export interface Arrived {
  readonly workload: Workload
  readonly grant: Grant
  readonly from: NodeId
}

/**
 * The target's side of one migration: a place, then state, then the right to run it. Until the grant is in this node's
 * hands every end but success leaves nothing here.
 */
export class Arrival {
  readonly migration: string
  readonly from: NodeId
  readonly workload: string
  /** Settles when the workload runs here, or never will from this migration. */
  readonly outcome: Promise<Outcome>
  /** Settles when nothing of it is under way any more. */
  readonly finished: Promise<void>
  readonly #context: MigrationContext
  readonly #manifest: WorkloadManifest
  readonly #target: WorkloadTarget
  readonly #abort = new AbortController()
  readonly #verified: Promise<boolean>
  #resolveVerified: (verified: boolean) => void = () => undefined
  #receiving = false
  #granted = false
  #heardMs: number
  #idleTimer: Disposable

  constructor(
    context: MigrationContext,
    parts: {
      readonly migration: string
      readonly from: NodeId
      readonly epoch: number
      readonly manifest: WorkloadManifest
      readonly target: WorkloadTarget
    },
    onArrived: (arrived: Arrived) => Promise<void>,
  ) {
    this.#context = context
    this.migration = parts.migration
    this.from = parts.from
    this.workload = parts.manifest.workload
    this.#manifest = parts.manifest
    this.#target = parts.target
    this.#verified = new Promise((resolve) => (this.#resolveVerified = resolve))
    this.#heardMs = context.clock.monotonicMs()
    this.#idleTimer = this.#expireWhenIdle(context.limits.idleTimeoutMs)
    this.outcome = this.#start(parts.epoch, onArrived)
    this.finished = this.outcome.then(() => undefined)
  }

  /** Something came from the source. */
  heard(): void {
    this.#heardMs = this.#context.clock.monotonicMs()
  }

  /** Takes the state in; resolves once it is here and verified. */
  async receive(frames: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#receiving) throw new DwcpError('ERR_MIGRATION_PROTOCOL', `the state of migration ${this.migration} comes twice`)
    this.#receiving = true
    const decoder = this.#context.codec.decoder({ workload: this.workload, regions: this.#manifest.regions })
    try {
      const expected: Digest[] = []
      const found = await this.#target.import(this.#chunks(frames, decoder, expected))
      if (expected.length !== 1 || expected[0] !== found) {
        throw new DwcpError(
          'ERR_MIGRATION_DIGEST',
          `the state of ${this.workload} arrived as ${found}, its source has ${expected[0] ?? 'named none'}; nothing of it is run`,
        )
      }
      decoder.close(found)
      this.heard()
      this.#resolveVerified(true)
    } catch (error) {
      decoder.close()
      this.cancel(error)
      throw error
    }
  }

  /** Without effect once this node owns the workload. */
  cancel(reason: unknown): void {
    if (!this.#granted) this.#abort.abort(reason)
  }

  async *#chunks(frames: AsyncIterable<Uint8Array>, decoder: Decoder, expected: Digest[]): AsyncGenerator<StateChunk, void, undefined> {
    for await (const frame of untilAborted(frames, this.#abort.signal)) {
      for (const chunk of await decoder.decode(frame)) {
        if (chunk.kind === 'final') expected.push(chunk.digest)
        yield chunk
      }
    }
  }

  async #start(epoch: number, onArrived: (arrived: Arrived) => Promise<void>): Promise<Outcome> {
    const { ownership, logger } = this.#context
    const { workload, from } = this
    let active: Grant
    try {
      const gone = aborted(this.#abort.signal)
      const consent = (): Promise<boolean> => Promise.race([this.#verified, gone])
      const grant = await ownership.awaitGrant(workload, { from, afterEpoch: epoch, consent, signal: this.#abort.signal })
      this.#granted = true
      if (!(await this.#verified)) throw new DwcpError('ERR_MIGRATION_PROTOCOL', `${workload} was granted before its state was verified`)
      active = await ownership.activate(grant)
    } catch (error) {
      logger.warn({ workload, from, error }, 'an arriving workload does not start here')
      await this.#target.discard().catch((cause: unknown) => logger.error({ workload, cause }, 'what had arrived could not be freed'))
      return { outcome: 'not-started', reason: reasonOf(error) }
    } finally {
      this.#resolveVerified(false)
      this.#idleTimer[Symbol.dispose]()
    }
    return this.#run(active, onArrived)
  }

  /** From the activation on nobody else can run it: what fails now ends it, and that is written down before the source asks. */
  async #run(active: Grant, onArrived: (arrived: Arrived) => Promise<void>): Promise<Outcome> {
    const { ownership, logger } = this.#context
    let workload: Workload | undefined
    try {
      workload = await this.#target.start(active)
      await onArrived({ workload, grant: active, from: this.from })
      return { outcome: 'running' }
    } catch (error) {
      const reason = reasonOf(error)
      logger.error({ workload: this.workload, from: this.from, error }, 'a workload that was taken over cannot run here: it is lost')
      const freed = await Promise.allSettled([workload ? workload.release(active) : this.#target.discard(), ownership.end(active, reason)])
      for (const each of freed)
        if (each.status === 'rejected') logger.error({ workload: this.workload, cause: each.reason }, 'nor could it be ended')
      return { outcome: 'lost', reason }
    }
  }

  #expireWhenIdle(delayMs: number): Disposable {
    const { clock, limits } = this.#context
    return clock.after(delayMs, () => {
      const leftMs = this.#heardMs + limits.idleTimeoutMs - clock.monotonicMs()
      if (leftMs > 0) {
        this.#idleTimer = this.#expireWhenIdle(leftMs)
        return
      }
      this.cancel(
        new DwcpError('ERR_MIGRATION_IDLE', `nothing was heard of ${this.workload} from ${this.from} for ${limits.idleTimeoutMs} ms`),
      )
    })
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 4096)
}

/** Ends by throwing the signal's reason, also while `source` gives nothing. */
async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  let wake: () => void = () => undefined
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    // Until the source ends. One listener for all turns: a race for each would keep all of them.
    for (;;) {
      const step = await new Promise<IteratorResult<T>>((resolve, reject) => {
        wake = () => reject(signal.reason)
        if (signal.aborted) wake()
        else iterator.next().then(resolve, reject)
      })
      if (step.done) return
      yield step.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Not awaited: a source that gives nothing does not end either.
    iterator.return?.().catch(() => undefined)
  }
}

/** Rejects when the signal aborts, and never resolves; nobody has to listen. */
function aborted(signal: AbortSignal): Promise<never> {
  const gone = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  gone.catch(() => undefined)
  return gone
}

/** Longest name of a migration. */
const MAX_HEADER_BYTES = 256

/** Hands an incoming object to the arrival that its first frame names. */
export async function openStateStream(
  object: IncomingObject,
  maxFrameBytes: number,
  arrivalOf: (migration: string) => Arrival,
): Promise<void> {
  const found: Arrival[] = []
  const pieces = noticed(object.stream, () => found[0]?.heard())
  const frames = unframed(pieces, maxFrameBytes, MAX_HEADER_BYTES)
  const first = await frames.next()
  if (first.done) throw new DwcpError('ERR_MIGRATION_PROTOCOL', 'a state stream without a header')
  const arrival = arrivalOf(parseStreamHeader(first.value))
  found.push(arrival)
  await arrival.receive(frames)
}

async function* noticed(stream: AsyncIterable<Uint8Array>, onPiece: () => void): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of stream) {
    onPiece()
    yield piece
  }
}
