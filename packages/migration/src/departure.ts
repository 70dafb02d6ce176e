import { DwcpError, type Encoder, type Grant, isDwcpError, type NodeId, type Workload } from '@dwcp/interface'
import { LinkedAbort } from './linked-abort.js'
import { type MigrationContext, pause, STATE_CHANNEL } from './migration-context.js'
import { type Outcome, parseOutcome, parsePrepared } from './migration-message.js'
import type { MigrateOptions, MigrationPhase, MigrationReport } from './migration-report.js'
import { type FlowResult, StateFlow } from './state-flow.js'

const SETTLE_RETRY_MS = 250
const OUTCOME_TIMEOUT_MS = 5_000

/**
 * The source's side of one migration. Before ownership is offered, whatever goes wrong leaves the workload running here;
 * from the offer on, only what the target's journal says decides, however long it takes to hear it.
 */
export class Departure {
  /** Settles when it is certain where the workload is; never before. */
  readonly settled: Promise<MigrationReport>
  readonly #context: MigrationContext
  readonly #workload: Workload
  readonly to: NodeId
  readonly #options: MigrateOptions
  readonly #startedMs: number
  #phase: MigrationPhase = 'preparing'
  #flow: StateFlow | undefined

  constructor(context: MigrationContext, workload: Workload, to: NodeId, options: MigrateOptions) {
    this.#context = context
    this.#workload = workload
    this.to = to
    this.#options = options
    this.#startedMs = context.clock.monotonicMs()
    this.settled = this.#run()
  }

  get phase(): MigrationPhase {
    return this.#phase
  }

  async #run(): Promise<MigrationReport> {
    const linked = new LinkedAbort(this.#options.signal, this.#context.closing)
    try {
      return await this.#move(linked.signal)
    } finally {
      linked[Symbol.dispose]()
    }
  }

  async #move(signal: AbortSignal): Promise<MigrationReport> {
    const { ownership, self } = this.#context
    signal.throwIfAborted()
    const grant = await ownership.current(this.#workload.id)
    if (grant?.owner !== self || grant.ended !== undefined) {
      throw new DwcpError(
        'ERR_MIGRATION_NOT_OWNER',
        `${this.#workload.id} is not this node's to give away: ${grant?.ended ?? (grant ? `${grant.owner} owns it` : 'nobody owns it here')}`,
      )
    }
    const sent = await this.#sendState(grant, signal)
    const { moved, receipt } = sent
    await this.#awaitStart(moved, receipt)
    const nowMs = this.#context.clock.monotonicMs()
    // Clients are sent on before the time is taken to free what is here.
    this.#notify('done')
    await this.#release(moved)
    const { flow } = sent
    return {
      workload: this.#workload.id,
      from: self,
      to: this.to,
      epoch: moved.epoch,
      digest: flow.digest,
      totalMs: nowMs - this.#startedMs,
      pausedMs: nowMs - flow.stoppedMs,
      pause: { lastRoundMs: flow.endedMs - flow.stoppedMs, transferMs: sent.movedMs - flow.endedMs, startMs: nowMs - sent.movedMs },
      rawBytes: flow.rawBytes,
      wireBytes: sent.wireBytes,
      rounds: flow.rounds,
      budgetMs: this.#budgetMs,
      encoding: flow.encoding,
    }
  }

  get #budgetMs(): number {
    return this.#options.downtimeMs ?? 100
  }

  /** All of the state, then ownership. A target that turns out not to hold the baseline it named gets everything. */
  async #sendState(grant: Grant, signal: AbortSignal): Promise<Sent> {
    const first = await this.#prepare(grant, signal)
    try {
      return await this.#attempt(grant, first, signal)
    } catch (error) {
      if (first.have.length === 0 || !isBaselineMissing(error)) throw error
      this.#context.logger.warn({ workload: this.#workload.id, to: this.to }, 'the target has lost its baseline; sending everything')
      const second = await this.#prepare(grant, signal)
      return await this.#attempt(grant, { ...second, have: [] }, signal)
    }
  }

  async #prepare(grant: Grant, signal: AbortSignal): Promise<Place> {
    this.#notify('preparing')
    const { asker, limits } = this.#context
    const manifest = await this.#workload.describe()
    const migration = crypto.randomUUID()
    const question = { question: 'prepare', migration, epoch: grant.epoch, manifest }
    try {
      const answer = parsePrepared(await asker.ask(this.to, question, { timeoutMs: limits.prepareTimeoutMs, signal }))
      if (answer === undefined) throw new DwcpError('ERR_MIGRATION_PROTOCOL', `${this.to} answered in a way this version does not know`)
      return { migration, have: answer.have, regions: manifest.regions }
    } catch (error) {
      // It may have made room all the same, and would keep it until it hears nothing for long enough.
      this.#cancel(migration)
      throw error
    }
  }

  async #attempt(grant: Grant, place: Place, signal: AbortSignal): Promise<Sent> {
    const { codec, transport, ownership } = this.#context
    const encoder: Encoder = codec.encoder({ workload: this.#workload.id, regions: place.regions, link: this.to, have: place.have })
    const abort = new AbortController()
    const flow = new StateFlow({
      context: this.#context,
      workload: this.#workload,
      encoder,
      options: {
        downtimeMs: this.#budgetMs,
        maxRounds: this.#options.maxRounds ?? 30,
        exceedDowntime: this.#options.exceedDowntime ?? false,
      },
      rttMs: () => this.#rttMs(),
      notify: (phase) => this.#notify(phase),
      signal: AbortSignal.any([signal, abort.signal]),
      migration: place.migration,
    })
    this.#flow = flow
    const receipt = transport.sendObject(
      this.to,
      STATE_CHANNEL,
      { stream: flow.frames },
      { class: 'migration', signal: abort.signal, onProgress: flow.onProgress },
    )
    receipt.catch((error: unknown) => abort.abort(error))
    const watch = this.#watch(flow, abort)
    try {
      const result = await flow.ended
      if (!ownership.targetConsents) await receipt
      const moved = await this.#transfer(grant, AbortSignal.any([signal, abort.signal]))
      watch[Symbol.dispose]()
      encoder.close(result.digest)
      return { moved, movedMs: this.#context.clock.monotonicMs(), flow: result, wireBytes: flow.frames.pushedBytes, receipt }
    } catch (error) {
      watch[Symbol.dispose]()
      abort.abort(error)
      await flow.ended.catch(() => undefined)
      encoder.close()
      this.#cancel(place.migration)
      if (flow.stopped && !this.#context.closing.aborted) await this.#workload.resume()
      throw await rejectionOf(error, receipt)
    }
  }

  /** Gives up on a target that takes in nothing: once the workload is stopped, nothing else would end the wait. */
  #watch(flow: StateFlow, abort: AbortController): Disposable {
    const { clock, limits } = this.#context
    let taken = -1
    let timer: Disposable
    const look = (): void => {
      const { ackedBytes, wireBytes } = flow.progress
      if (ackedBytes === taken && wireBytes > ackedBytes) {
        const message = `${this.to} has taken in nothing for ${limits.stallTimeoutMs} ms, with ${wireBytes - ackedBytes} bytes on their way to it`
        abort.abort(
          new DwcpError('ERR_MIGRATION_STALLED', message, { retryable: true, details: { workload: this.#workload.id, to: this.to } }),
        )
      }
      taken = ackedBytes
      timer = clock.after(limits.stallTimeoutMs, look)
    }
    look()
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() }
  }

  #cancel(migration: string): void {
    const { asker, logger } = this.#context
    void asker
      .ask(this.to, { question: 'cancel', migration }, { timeoutMs: OUTCOME_TIMEOUT_MS })
      .catch((cause: unknown) => logger.debug({ cause }, 'a cancelled target did not answer'))
  }

  /**
   * Rejects only when it is certain that the workload stays here: whatever went wrong, it may run on only under the very
   * grant that it ran under before. A later one of this node's own is that of a workload that has been away.
   */
  async #transfer(grant: Grant, signal: AbortSignal): Promise<Grant> {
    this.#notify('transferring')
    const { ownership, clock, closing, logger } = this.#context
    let cause: unknown
    try {
      return await ownership.transfer(grant.workload, grant.epoch, this.to, { signal })
    } catch (error) {
      cause = error
    }
    // Until ownership can be read; `closing` ends it.
    for (;;) {
      let now: Grant | undefined
      try {
        now = await ownership.current(grant.workload)
      } catch (error) {
        logger.warn({ workload: grant.workload, to: this.to, error }, 'it is not known who owns the workload')
      }
      if (now !== undefined && now.epoch > grant.epoch) return { ...grant, epoch: grant.epoch + 1, owner: this.to, active: false }
      if (now !== undefined) throw isDwcpError(cause, 'ERR_OWNERSHIP_OUTCOME_UNKNOWN') ? this.#refused(cause) : cause
      this.#notify('settling')
      await pause(clock, SETTLE_RETRY_MS, closing)
    }
  }

  #refused(cause: unknown): DwcpError {
    return new DwcpError('ERR_OWNERSHIP_REFUSED', `${this.to} did not take over ${this.#workload.id}; it runs on here`, { cause })
  }

  /** Until the target has begun, the state here is the only other copy: it is freed after, or taken back. */
  async #awaitStart(moved: Grant, receipt: Promise<unknown>): Promise<void> {
    this.#notify('starting')
    const { asker, clock, closing } = this.#context
    receipt.catch(() => undefined)
    // Until the target has answered; `closing` ends it.
    for (;;) {
      const outcome = await this.#askOutcome(moved)
      if (outcome?.outcome === 'running') {
        // Not awaited: only a target that closes waits for it, and not for long.
        asker
          .ask(this.to, { question: 'heard', workload: moved.workload }, { timeoutMs: OUTCOME_TIMEOUT_MS, signal: closing })
          .catch(() => undefined)
        return
      }
      if (outcome?.outcome === 'lost') {
        await this.#release(moved)
        throw new DwcpError('ERR_MIGRATION_LOST', `${this.to} took over ${moved.workload}, which has ended there: ${outcome.reason}`, {
          details: { workload: moved.workload, to: this.to },
        })
      }
      if (outcome?.outcome === 'not-started' && (await this.#takeBack(moved))) {
        throw new DwcpError(
          'ERR_MIGRATION_TARGET_FAILED',
          `${this.to} could not start ${moved.workload}: ${outcome.reason}; it runs on here`,
        )
      }
      this.#notify('settling')
      await pause(clock, SETTLE_RETRY_MS, closing)
    }
  }

  async #askOutcome(moved: Grant): Promise<Outcome | undefined> {
    const { asker, closing } = this.#context
    const question = { question: 'outcome', workload: moved.workload, epoch: moved.epoch }
    try {
      return parseOutcome(await asker.ask(this.to, question, { timeoutMs: OUTCOME_TIMEOUT_MS, signal: closing }))
    } catch (error) {
      closing.throwIfAborted()
      this.#context.logger.warn(
        { workload: moved.workload, to: this.to, error },
        'the new owner cannot be asked whether it runs the workload',
      )
      return undefined
    }
  }

  async #release(moved: Grant): Promise<void> {
    try {
      await this.#workload.release({ ...moved, active: true })
    } catch (cause) {
      throw new DwcpError(
        'ERR_MIGRATION_RELEASE_FAILED',
        `${moved.workload} is ${this.to}'s now, but what is left of it here could not be freed; it stands still`,
        { cause, details: { workload: moved.workload, to: this.to, epoch: moved.epoch } },
      )
    }
  }

  async #takeBack(moved: Grant): Promise<boolean> {
    const { ownership, self } = this.#context
    try {
      const back = await ownership.transfer(moved.workload, moved.epoch, self)
      await ownership.activate(back)
    } catch (error) {
      if (isDwcpError(error, 'ERR_OWNERSHIP_ACTIVE') || isDwcpError(error, 'ERR_OWNERSHIP_OUTCOME_UNKNOWN')) return false
      throw error
    }
    await this.#workload.resume()
    return true
  }

  #rttMs(): number {
    const forecast = this.#context.advisor?.forecast(this.to, { horizonMs: 1_000, class: 'migration' })
    return forecast === undefined || forecast.source === 'prior' ? 0 : forecast.rttMs.p50
  }

  #notify(phase: MigrationPhase): void {
    this.#phase = phase
    const progress = this.#flow?.progress ?? { round: 0, rawBytes: 0, roundRawBytes: 0, wireBytes: 0, ackedBytes: 0 }
    try {
      this.#options.onProgress?.({ phase, ...progress })
    } catch (error) {
      // Who owns the workload must not depend on how well its progress can be displayed.
      this.#context.logger.error({ workload: this.#workload.id, error }, 'a progress callback threw')
    }
  }
}

interface Place {
  readonly migration: string
  readonly have: Parameters<MigrationContext['codec']['encoder']>[0]['have'] & object
  readonly regions: Parameters<MigrationContext['codec']['encoder']>[0]['regions']
}

interface Sent {
  readonly moved: Grant
  readonly movedMs: number
  readonly flow: FlowResult
  readonly wireBytes: number
  readonly receipt: Promise<unknown>
}

/** Where the transport failed the object, that is the cause; the flow only saw its reader leave. */
async function rejectionOf(error: unknown, receipt: Promise<unknown>): Promise<unknown> {
  const rejected = await receipt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isDwcpError(rejected) ? rejected : error
}

function isBaselineMissing(error: unknown): boolean {
  return isDwcpError(error) && error.details['peerCode'] === 'ERR_HDE_BASELINE_MISSING'
}
