import {
  type Digest,
  DwcpError,
  type Encoder,
  type EncoderStats,
  type ExportSteering,
  type ObjectProgress,
  type StateChunk,
  type Workload,
} from '@dwcp/interface'
import { createFrameQueue, type FrameQueue } from './frame-queue.js'
import type { MigrationContext } from './migration-context.js'
import { streamHeader } from './migration-message.js'
import type { MigrateOptions, MigrationPhase, MigrationRound } from './migration-report.js'
import { createRoundPolicy } from './round-policy.js'
import { frameHeader } from './state-stream.js'

/** What went out, and when the workload stopped. */
export interface FlowResult {
  readonly digest: Digest
  readonly stoppedMs: number
  /** When the last frame was queued. */
  readonly endedMs: number
  readonly rounds: readonly MigrationRound[]
  readonly rawBytes: number
  readonly encoding: EncoderStats
}

/**
 * The state of one workload on its way out: chunks from the driver, through the encoder, into the queue that the transport
 * reads; after each round the policy decides. Runs by itself, so that an abort never waits for the transport.
 */
export class StateFlow {
  readonly frames: FrameQueue
  /** Resolves with the last frame queued; rejects with what ended the export. */
  readonly ended: Promise<FlowResult>
  #stopped = false
  readonly #context: MigrationContext
  readonly #workload: Workload
  readonly #encoder: Encoder
  readonly #options: Required<Pick<MigrateOptions, 'downtimeMs' | 'maxRounds' | 'exceedDowntime'>>
  readonly #rttMs: () => number
  readonly #notify: (phase: MigrationPhase) => void
  readonly #signal: AbortSignal
  readonly #stop = new AbortController()
  #steering: ExportSteering
  readonly #rounds: MigrationRound[] = []
  #roundStartedMs: number
  #roundRawBytes = 0
  #roundZeroBytes = 0
  #roundWireBytes = 0
  #rawBytes = 0
  #ackedBytes = 0
  #onAcked: (() => void) | undefined

  constructor(parts: {
    readonly context: MigrationContext
    readonly workload: Workload
    readonly encoder: Encoder
    readonly options: Required<Pick<MigrateOptions, 'downtimeMs' | 'maxRounds' | 'exceedDowntime'>>
    readonly rttMs: () => number
    readonly notify: (phase: MigrationPhase) => void
    readonly signal: AbortSignal
    readonly migration: string
  }) {
    this.#context = parts.context
    this.#workload = parts.workload
    this.#encoder = parts.encoder
    this.#options = parts.options
    this.#rttMs = parts.rttMs
    this.#notify = parts.notify
    this.#signal = parts.signal
    this.#steering = { bytesPerSecond: Number.POSITIVE_INFINITY, downtimeMs: parts.options.downtimeMs, throttleRatio: 0 }
    this.#roundStartedMs = parts.context.clock.monotonicMs()
    this.frames = createFrameQueue(parts.context.limits.queueBytes)
    this.ended = this.#run(parts.migration)
    this.ended.catch((error: unknown) => this.frames.fail(error))
  }

  /** Whether the workload has been asked to stop; from there only `resume` lets it run on here. */
  get stopped(): boolean {
    return this.#stopped
  }

  get progress(): {
    readonly round: number
    readonly rawBytes: number
    readonly roundRawBytes: number
    readonly wireBytes: number
    readonly ackedBytes: number
  } {
    return {
      round: this.#rounds.length + 1,
      rawBytes: this.#rawBytes,
      roundRawBytes: this.#roundRawBytes,
      wireBytes: this.frames.pushedBytes,
      ackedBytes: this.#ackedBytes,
    }
  }

  readonly onProgress = (progress: ObjectProgress): void => {
    this.#ackedBytes = progress.ackedBytes
    this.#onAcked?.()
  }

  async #run(migration: string): Promise<FlowResult> {
    const onAbort = (): void => {
      this.frames.fail(this.#signal.reason)
      this.#onAcked?.()
    }
    this.#signal.addEventListener('abort', onAbort, { once: true })
    try {
      this.#signal.throwIfAborted()
      await this.#push(streamHeader(migration))
      const decide = createRoundPolicy(this.#options)
      const steering = (): ExportSteering => this.#steering
      const control = {
        get steering(): ExportSteering {
          return steering()
        },
        stop: this.#stop.signal,
        signal: this.#signal,
      }
      let stoppedMs = 0
      for await (const chunk of this.#workload.export(control)) {
        if (chunk.kind === 'round') await this.#endRound(chunk, decide)
        else if (chunk.kind === 'stopped') {
          stoppedMs = this.#context.clock.monotonicMs()
          this.#startRound()
          this.#notify('stopped')
        }
        await this.#encode(chunk)
        if (chunk.kind === 'final') {
          this.frames.end()
          const rounds = [...this.#rounds, this.#measureRound({ remainingBytes: 0, dirtyBytesPerSecond: 0 }, 0)]
          return {
            digest: chunk.digest,
            stoppedMs,
            endedMs: this.#context.clock.monotonicMs(),
            rounds,
            rawBytes: this.#rawBytes,
            encoding: this.#encoder.stats(),
          }
        }
      }
      throw new DwcpError('ERR_MIGRATION_PROTOCOL', `the driver of ${this.#workload.id} ended its export without a final chunk`)
    } finally {
      this.#signal.removeEventListener('abort', onAbort)
    }
  }

  async #encode(chunk: StateChunk): Promise<void> {
    const zeroBefore = this.#encoder.stats().pages.zero
    for (const frame of await this.#encoder.encode(chunk)) {
      await this.#push(frame)
    }
    if (chunk.kind !== 'pages') return
    this.#roundRawBytes += chunk.bytes.length
    this.#rawBytes += chunk.bytes.length
    this.#roundZeroBytes += ((this.#encoder.stats().pages.zero - zeroBefore) * chunk.bytes.length) / Math.max(1, chunk.pages.length)
    this.#notify('copying')
  }

  async #push(frame: Uint8Array): Promise<void> {
    const header = frameHeader(frame)
    this.#roundWireBytes += header.length + frame.length
    await this.frames.push(header)
    await this.frames.push(frame)
  }

  async #endRound(chunk: Extract<StateChunk, { kind: 'round' }>, decide: ReturnType<typeof createRoundPolicy>): Promise<void> {
    const scannedMs = this.#context.clock.monotonicMs()
    // What is still under way would stand in front of the last round: the path must be empty before a stop.
    await this.#drained()
    const drainedMs = this.#context.clock.monotonicMs()
    const grownBytes = (chunk.dirtyBytesPerSecond * (drainedMs - scannedMs)) / 1000
    const decision = decide({
      remainingBytes: chunk.remainingBytes + grownBytes,
      dirtyBytesPerSecond: chunk.dirtyBytesPerSecond,
      roundBytes: this.#roundRawBytes - this.#roundZeroBytes,
      roundMs: drainedMs - this.#roundStartedMs,
      rttMs: this.#rttMs(),
    })
    const round = this.#measureRound(chunk, decision.downtimeMsPredicted)
    this.#rounds.push(round)
    this.#startRound()
    if (decision.action === 'give-up')
      throw new DwcpError('ERR_MIGRATION_NOT_CONVERGING', decision.reason, { details: { workload: this.#workload.id } })
    if (decision.action === 'stop') {
      this.#stopped = true
      this.#stop.abort()
      return
    }
    const bytesPerSecond = (round.rawBytes * 1000) / Math.max(1, round.durationMs)
    this.#steering = { bytesPerSecond, downtimeMs: this.#options.downtimeMs, throttleRatio: decision.throttleRatio }
  }

  #measureRound(
    chunk: { readonly remainingBytes: number; readonly dirtyBytesPerSecond: number },
    downtimeMsPredicted: number,
  ): MigrationRound {
    return {
      rawBytes: this.#roundRawBytes,
      wireBytes: this.#roundWireBytes,
      durationMs: this.#context.clock.monotonicMs() - this.#roundStartedMs,
      remainingBytes: chunk.remainingBytes,
      dirtyBytesPerSecond: chunk.dirtyBytesPerSecond,
      throttleRatio: this.#steering.throttleRatio,
      downtimeMsPredicted,
    }
  }

  #startRound(): void {
    this.#roundStartedMs = this.#context.clock.monotonicMs()
    this.#roundRawBytes = 0
    this.#roundZeroBytes = 0
    this.#roundWireBytes = 0
  }

  /** A path that is dead is the transport's to notice: it then fails the object, which aborts this flow. */
  async #drained(): Promise<void> {
    while (this.#ackedBytes < this.frames.pushedBytes) {
      this.#signal.throwIfAborted()
      await new Promise<void>((resolve) => (this.#onAcked = resolve))
    }
  }
}
