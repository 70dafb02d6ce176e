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
import type { Outcome } from './migration-message.js'
import { unframed } from './state-stream.js'

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
    this.#idleTimer = this.#expireWhenIdle()
    const started = this.#start(parts.epoch, onArrived)
    this.outcome = started.then(
      (): Outcome => ({ outcome: 'running' }),
      (error: unknown): Outcome => ({
        outcome: 'not-started',
        reason: (error instanceof Error ? error.message : String(error)).slice(0, 4096),
      }),
    )
    this.finished = this.outcome.then(() => undefined)
  }

  /** Takes the state in; resolves once it is here and verified. */
  async receive(frames: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#receiving) throw new DwcpError('ERR_MIGRATION_PROTOCOL', `the state of migration ${this.migration} comes twice`)
    this.#receiving = true
    this.#idleTimer[Symbol.dispose]()
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
      this.#idleTimer = this.#expireWhenIdle()
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
    for await (const frame of frames) {
      this.#abort.signal.throwIfAborted()
      for (const chunk of await decoder.decode(frame)) {
        if (chunk.kind === 'final') expected.push(chunk.digest)
        yield chunk
      }
    }
  }

  async #start(epoch: number, onArrived: (arrived: Arrived) => Promise<void>): Promise<void> {
    const { ownership } = this.#context
    try {
      const consent = (): Promise<boolean> => Promise.race([this.#verified, aborted(this.#abort.signal)])
      const grant = await ownership.awaitGrant(this.workload, { from: this.from, afterEpoch: epoch, consent, signal: this.#abort.signal })
      this.#granted = true
      if (!(await this.#verified))
        throw new DwcpError('ERR_MIGRATION_PROTOCOL', `${this.workload} was granted before its state was verified`)
      const active = await ownership.activate(grant)
      const workload = await this.#target.start(active)
      await onArrived({ workload, grant: active, from: this.from })
    } catch (error) {
      this.#context.logger.warn({ workload: this.workload, from: this.from, error }, 'an arriving workload does not start here')
      await this.#target.discard()
      throw error
    } finally {
      this.#resolveVerified(false)
      this.#idleTimer[Symbol.dispose]()
    }
  }

  #expireWhenIdle(): Disposable {
    const { clock, limits } = this.#context
    return clock.after(limits.idleTimeoutMs, () =>
      this.cancel(
        new DwcpError('ERR_MIGRATION_IDLE', `nothing was heard of ${this.workload} from ${this.from} for ${limits.idleTimeoutMs} ms`),
      ),
    )
  }
}

/** Rejects when the signal aborts, and never resolves. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** The first frame of an incoming object, which names its migration, and the frames behind it. */
export async function openStateStream(
  object: IncomingObject,
  maxFrameBytes: number,
): Promise<{ readonly header: Uint8Array; readonly frames: AsyncIterable<Uint8Array> }> {
  const frames = unframed(object.stream, maxFrameBytes)
  const first = await frames.next()
  if (first.done) throw new DwcpError('ERR_MIGRATION_PROTOCOL', 'a state stream without a header')
  return { header: first.value, frames }
}
