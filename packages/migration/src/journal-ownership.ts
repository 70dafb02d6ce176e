import {
  type Clock,
  DwcpError,
  type Grant,
  type GrantChange,
  type Logger,
  type MessageTransport,
  type NodeId,
  type Ownership,
  silentLogger,
  systemClock,
  type WorkloadId,
} from '@dwcp/interface'
import { createAsker } from './ask.js'
import type { Journal } from './journal.js'
import {
  type Attempt,
  hasReached,
  isRefused,
  kept,
  type OwnershipAnswer,
  type OwnershipQuestion,
  type OwnershipRecord,
  parseAnswer,
  parseQuestion,
  succeeding,
  withRefusal,
} from './ownership-record.js'

/** What ownership is written to, over what it is asked about, and how long an answer may take. */
export interface JournalOwnershipOptions {
  readonly journal: Journal
  readonly transport: MessageTransport
  readonly clock?: Clock
  readonly logger?: Logger
  /** How long a transfer waits for the target's consent before it is called off. @defaultValue 30000 */
  readonly transferTimeoutMs?: number
  /** How long an attempt whose outcome is not known is asked about before the caller is told so. @defaultValue 2000 */
  readonly inquiryTimeoutMs?: number
  /** Workloads of which this node knows no more than that it refused them; the oldest is forgotten for one more. @defaultValue 16384 */
  readonly maxRefusedUnknown?: number
}

type Held = Extract<OwnershipRecord, { state: 'held' }>
type Offered = Extract<OwnershipRecord, { state: 'offered' }>
type Moved = Extract<OwnershipRecord, { state: 'moved' }>

interface Waiter {
  readonly from: NodeId
  readonly afterEpoch: number
  readonly consent: () => Promise<boolean>
  granted(grant: Grant): void
}

/**
 * Ownership between nodes that each keep a journal and none of which is above the others.
 *
 * The commit of a transfer is one record in the *target's* journal. Before the source asks for it, its own journal says
 * `offered`: from there it must not run the workload, until the target's journal says either `held` or that this attempt
 * is refused for good. A source that gets no answer inquires, and an inquiry refuses what was not accepted. So the answer
 * exists whatever is lost on the way, and while the target cannot be asked nothing runs. The argument is written out in
 * docs/ownership.md.
 */
export function createJournalOwnership(self: NodeId, options: JournalOwnershipOptions): Ownership & Disposable {
  return new JournalOwnership(self, options)
}

class JournalOwnership implements Ownership, Disposable {
  readonly targetConsents = true
  readonly #self: NodeId
  readonly #journal: Journal
  readonly #logger: Logger
  readonly #transferTimeoutMs: number
  readonly #inquiryTimeoutMs: number
  readonly #asker: ReturnType<typeof createAsker>
  readonly #waiters = new Map<WorkloadId, Waiter>()
  readonly #turns = new Map<WorkloadId, Promise<unknown>>()
  /** The oldest first. */
  readonly #unknown: Set<WorkloadId>
  readonly #maxUnknown: number
  readonly #watchers = new Set<(record: OwnershipRecord) => void>()

  constructor(self: NodeId, options: JournalOwnershipOptions) {
    this.#self = self
    this.#journal = options.journal
    this.#logger = options.logger ?? silentLogger
    this.#transferTimeoutMs = options.transferTimeoutMs ?? 30_000
    this.#inquiryTimeoutMs = options.inquiryTimeoutMs ?? 2_000
    const unknown = options.journal.records().filter((record) => record.state === 'none')
    this.#unknown = new Set(unknown.map((record) => record.workload))
    this.#maxUnknown = options.maxRefusedUnknown ?? 16_384
    this.#asker = createAsker({
      transport: options.transport,
      channel: 'ownership',
      clock: options.clock ?? systemClock,
      answer: (from, question) => this.#answer(from, question),
    })
  }

  [Symbol.dispose](): void {
    this.#asker[Symbol.dispose]()
  }

  current(workload: WorkloadId): Promise<Grant | undefined> {
    return this.#inTurn(workload, async () => {
      const record = this.#journal.get(workload)
      return this.#grantOf(record?.state === 'offered' ? await this.#settle(record) : record)
    })
  }

  create(workload: WorkloadId): Promise<Grant> {
    return this.#inTurn(workload, async () => {
      const record = this.#journal.get(workload)
      if (record !== undefined && record.state !== 'ended' && record.state !== 'none') {
        throw new DwcpError('ERR_OWNERSHIP_EPOCH', `workload ${workload} exists already (${describe(record)}); choose another name`, {
          details: { workload },
        })
      }
      const first = succeeding(record, { workload, lineage: crypto.randomUUID(), epoch: 1 })
      return this.#hold({ state: 'held', ...first, active: false, attempts: 0 })
    })
  }

  transfer(workload: WorkloadId, expectEpoch: number, to: NodeId, options: { readonly signal?: AbortSignal } = {}): Promise<Grant> {
    return this.#inTurn(workload, () =>
      to === this.#self ? this.#takeBack(workload, expectEpoch) : this.#give(workload, expectEpoch, to, options.signal),
    )
  }

  awaitGrant(
    workload: WorkloadId,
    options: { readonly from: NodeId; readonly afterEpoch: number; readonly consent: () => Promise<boolean>; readonly signal: AbortSignal },
  ): Promise<Grant> {
    return new Promise((resolve, reject) => {
      options.signal.throwIfAborted()
      if (this.#waiters.has(workload))
        throw new DwcpError('ERR_OWNERSHIP_EPOCH', `workload ${workload} is already being awaited on this node`)
      const leave = (): void => {
        options.signal.removeEventListener('abort', onAbort)
        if (this.#waiters.get(workload) === waiter) this.#waiters.delete(workload)
      }
      const onAbort = (): void => {
        leave()
        reject(options.signal.reason)
      }
      const waiter: Waiter = {
        ...options,
        granted(grant) {
          leave()
          resolve(grant)
        },
      }
      this.#waiters.set(workload, waiter)
      options.signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  activate(grant: Grant): Promise<Grant> {
    return this.#inTurn(grant.workload, () => this.#hold({ ...this.#heldAt(grant.workload, grant.epoch), active: true }))
  }

  end(grant: Grant, reason: string): Promise<void> {
    return this.#inTurn(grant.workload, async () => {
      const held = this.#heldAt(grant.workload, grant.epoch)
      await this.#write({ state: 'ended', ...kept(held), reason: reason.slice(0, 4096) })
    })
  }

  async *hold(grant: Grant, options: { readonly signal?: AbortSignal } = {}): AsyncIterable<GrantChange> {
    const { signal } = options
    const isLost = (record: OwnershipRecord | undefined): boolean =>
      record === undefined || record.state === 'moved' || record.state === 'ended' || record.epoch !== grant.epoch
    let watcher: ((record: OwnershipRecord) => void) | undefined
    let onAbort: (() => void) | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        signal?.throwIfAborted()
        onAbort = () => reject(signal?.reason)
        signal?.addEventListener('abort', onAbort, { once: true })
        watcher = (record) => record.workload === grant.workload && isLost(record) && resolve()
        this.#watchers.add(watcher)
        if (isLost(this.#journal.get(grant.workload))) resolve()
      })
    } finally {
      if (watcher !== undefined) this.#watchers.delete(watcher)
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    }
    const record = this.#journal.get(grant.workload)
    yield { kind: 'lost', grant, reason: record === undefined ? 'no longer in the journal' : describe(record) }
  }

  // ── source ──

  async #give(workload: WorkloadId, expectEpoch: number, to: NodeId, signal: AbortSignal | undefined): Promise<Grant> {
    const before = this.#journal.get(workload)
    if (before?.state === 'offered') await this.#settle(before)
    const held = this.#heldAt(workload, expectEpoch)
    signal?.throwIfAborted()
    const offered: Offered = { state: 'offered', ...kept(held), active: held.active, attempts: held.attempts + 1, to }
    await this.#write(offered)
    let answer: OwnershipAnswer | undefined
    try {
      answer = await this.#ask(to, { question: 'offer', workload, attempt: attemptOf(offered) }, this.#transferTimeoutMs, signal)
    } catch (error) {
      this.#logger.warn({ workload, to, error }, 'no answer to an offer of ownership; inquiring')
    }
    if (answer?.outcome === 'accepted') return this.#grantOfMoved(await this.#moved(offered))
    // Refused, unanswered or aborted: the target's journal has the word, and an inquiry makes it final.
    const record = await this.#settle(offered)
    if (record.state === 'moved') return this.#grantOfMoved(record)
    signal?.throwIfAborted()
    throw new DwcpError('ERR_OWNERSHIP_REFUSED', `${to} did not take over ${workload}: ${answer?.reason ?? 'it did not answer in time'}`, {
      details: { workload, to },
    })
  }

  /** Asks the target what became of `offered` and writes it down. */
  async #settle(offered: Offered): Promise<Held | Moved> {
    const { workload, active, attempts, to } = offered
    let outcome: string
    let cause: unknown
    try {
      outcome = (await this.#ask(to, { question: 'inquire', workload, attempt: attemptOf(offered) }, this.#inquiryTimeoutMs)).outcome
    } catch (error) {
      outcome = 'unknown'
      cause = error
    }
    if (outcome === 'accepted') return this.#moved(offered)
    if (outcome === 'refused') return this.#learnt({ state: 'held', ...kept(offered), active, attempts })
    throw new DwcpError(
      'ERR_OWNERSHIP_OUTCOME_UNKNOWN',
      `${workload} was offered to ${to}, which cannot be asked whether it took it; it runs nowhere until ${to}'s journal can answer`,
      { cause, retryable: true, details: { workload, to } },
    )
  }

  #moved(offered: Offered): Promise<Moved> {
    return this.#learnt({ state: 'moved', ...kept(offered), epoch: offered.epoch + 1, owner: offered.to })
  }

  /**
   * Writes down what the target's journal has decided. It is so whether or not this disk takes it: the record before it
   * says `offered`, and would be settled again in the same way.
   */
  async #learnt<R extends Held | Moved>(record: R): Promise<R> {
    try {
      await this.#write(record)
    } catch (error) {
      this.#logger.error({ workload: record.workload, error }, `cannot write down that ${describe(record)}`)
    }
    return record
  }

  async #takeBack(workload: WorkloadId, expectEpoch: number): Promise<Grant> {
    const record = this.#journal.get(workload)
    if (record?.state !== 'moved' || record.epoch !== expectEpoch) throw this.#wrongEpoch(workload, expectEpoch)
    const { lineage, epoch, owner } = record
    let answer: OwnershipAnswer
    try {
      answer = await this.#ask(owner, { question: 'return', workload, lineage, epoch }, this.#inquiryTimeoutMs)
    } catch (cause) {
      throw new DwcpError(
        'ERR_OWNERSHIP_OUTCOME_UNKNOWN',
        `${owner} took over ${workload} and cannot be asked whether it has begun to run it`,
        {
          cause,
          retryable: true,
          details: { workload, to: owner },
        },
      )
    }
    if (answer.outcome === 'returned') return this.#hold({ state: 'held', ...kept(record), epoch: epoch + 1, active: false, attempts: 0 })
    if (answer.outcome === 'active')
      throw new DwcpError('ERR_OWNERSHIP_ACTIVE', `${owner} has begun to run ${workload}`, { details: { workload, to: owner } })
    throw new DwcpError(
      'ERR_OWNERSHIP_OUTCOME_UNKNOWN',
      `${owner} took over ${workload} but its journal no longer says so: ${answer.reason ?? answer.outcome}`,
      {
        details: { workload, to: owner },
      },
    )
  }

  async #ask(to: NodeId, question: OwnershipQuestion, timeoutMs: number, signal?: AbortSignal): Promise<OwnershipAnswer> {
    const answer = parseAnswer(await this.#asker.ask(to, question, { timeoutMs, ...(signal ? { signal } : {}) }))
    if (answer === undefined)
      throw new DwcpError('ERR_MIGRATION_PROTOCOL', `${to} answered a question about ownership in a way this version does not know`)
    return answer
  }

  // ── target ──

  async #answer(from: NodeId, value: unknown): Promise<OwnershipAnswer> {
    const question = parseQuestion(value)
    if (question === undefined) throw new DwcpError('ERR_MIGRATION_PROTOCOL', 'a question about ownership that this version does not know')
    if (question.question === 'offer') return this.#consider(from, question.workload, question.attempt)
    if (question.question === 'inquire')
      return this.#inTurn(question.workload, () => this.#acceptedOrRefused(question.workload, question.attempt, 'it was called off'))
    return this.#inTurn(question.workload, () => this.#giveBack(from, question))
  }

  async #consider(from: NodeId, workload: WorkloadId, attempt: Attempt): Promise<OwnershipAnswer> {
    const waiter = this.#waiters.get(workload)
    let reason = 'it does not expect this workload'
    let consents = false
    // Consent may take as long as the last bytes do, so it is awaited out of turn: an inquiry can overtake it.
    if (
      waiter !== undefined &&
      waiter.from === from &&
      waiter.afterEpoch < attempt.epoch &&
      !isRefused(this.#journal.get(workload), attempt)
    ) {
      try {
        consents = await waiter.consent()
        reason = consents ? 'it no longer expects this workload' : 'it could not verify the state it received'
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error)
      }
    }
    return this.#inTurn(workload, async () => {
      const record = this.#journal.get(workload)
      const isFree =
        record === undefined ||
        record.state === 'none' ||
        record.state === 'ended' ||
        // Under another lineage only from the node that had the last word on the former one.
        (record.state === 'moved' && (record.lineage === attempt.lineage || record.owner === from))
      const expected = waiter !== undefined && this.#waiters.get(workload) === waiter
      if (!consents || !expected || !isFree || isRefused(record, attempt) || hasReached(record, attempt))
        return this.#acceptedOrRefused(workload, attempt, consents && !isFree ? `there is another one: ${describe(record)}` : reason)
      const first = succeeding(record, { workload, lineage: attempt.lineage, epoch: attempt.epoch })
      waiter.granted(await this.#hold({ state: 'held', ...first, active: false, attempts: 0, givenBy: from }))
      return { outcome: 'accepted' as const }
    })
  }

  /** Says what is so; and what was not accepted by now never will be. */
  async #acceptedOrRefused(workload: WorkloadId, attempt: Attempt, reason: string): Promise<OwnershipAnswer> {
    const record = this.#journal.get(workload)
    if (hasReached(record, attempt)) return { outcome: 'accepted' }
    if (!isRefused(record, attempt)) await this.#write(withRefusal(record, workload, attempt))
    return { outcome: 'refused', reason: reason.slice(0, 4096) }
  }

  async #giveBack(
    from: NodeId,
    question: { readonly workload: WorkloadId; readonly lineage: string; readonly epoch: number },
  ): Promise<OwnershipAnswer> {
    const { workload, lineage, epoch } = question
    const record = this.#journal.get(workload)
    if (record === undefined || record.lineage !== lineage || record.epoch < epoch)
      return { outcome: 'stale', reason: `no record of ${workload} at epoch ${epoch}` }
    if (record.state === 'moved' && record.epoch === epoch + 1 && record.owner === from) return { outcome: 'returned' }
    if (record.state !== 'held' || record.active || record.epoch !== epoch) return { outcome: 'active' }
    if (record.givenBy !== from) return { outcome: 'stale', reason: `${workload} was given by ${record.givenBy ?? 'nobody'}` }
    await this.#write({ state: 'moved', ...kept(record), epoch: epoch + 1, owner: from })
    return { outcome: 'returned' }
  }

  // ── both ──

  async #hold(held: Held): Promise<Grant> {
    await this.#write(held)
    return { workload: held.workload, epoch: held.epoch, owner: this.#self, active: held.active }
  }

  async #write(record: OwnershipRecord): Promise<void> {
    await this.#journal.write(record)
    this.#boundUnknown(record)
    for (const watcher of [...this.#watchers]) watcher(record)
  }

  /** Any peer may ask about any name, and each refusal is a promise to keep. */
  #boundUnknown(record: OwnershipRecord): void {
    this.#unknown.delete(record.workload)
    if (record.state !== 'none') return
    this.#unknown.add(record.workload)
    const [oldest] = this.#unknown
    if (this.#unknown.size <= this.#maxUnknown || oldest === undefined) return
    this.#unknown.delete(oldest)
    this.#journal.forget(oldest)
  }

  #heldAt(workload: WorkloadId, epoch: number): Held {
    const record = this.#journal.get(workload)
    if (record?.state !== 'held' || record.epoch !== epoch) throw this.#wrongEpoch(workload, epoch)
    return record
  }

  #wrongEpoch(workload: WorkloadId, epoch: number): DwcpError {
    const record = this.#journal.get(workload)
    return new DwcpError('ERR_OWNERSHIP_EPOCH', `${workload} was expected at epoch ${epoch}, but ${describe(record)}`, {
      details: { workload, epoch },
    })
  }

  #grantOf(record: OwnershipRecord | undefined): Grant | undefined {
    if (record?.state === 'held') return { workload: record.workload, epoch: record.epoch, owner: this.#self, active: record.active }
    if (record?.state === 'ended')
      return { workload: record.workload, epoch: record.epoch, owner: this.#self, active: true, ended: record.reason }
    return record?.state === 'moved' ? this.#grantOfMoved(record) : undefined
  }

  #grantOfMoved(record: Moved): Grant {
    return { workload: record.workload, epoch: record.epoch, owner: record.owner, active: false }
  }

  /** One thing at a time per workload, in the order asked. */
  #inTurn<T>(workload: WorkloadId, act: () => Promise<T>): Promise<T> {
    const result = (this.#turns.get(workload) ?? Promise.resolve()).then(act)
    const turn = result.then(
      () => undefined,
      () => undefined,
    )
    this.#turns.set(workload, turn)
    void turn.then(() => this.#turns.get(workload) === turn && this.#turns.delete(workload))
    return result
  }
}

function attemptOf(offered: Offered): Attempt {
  return { lineage: offered.lineage, epoch: offered.epoch + 1, number: offered.attempts }
}

function describe(record: OwnershipRecord | undefined): string {
  if (record === undefined) return 'nothing is known of it here'
  if (record.state === 'held') return `this node holds it at epoch ${record.epoch}`
  if (record.state === 'offered') return `it is offered to ${record.to} at epoch ${record.epoch}`
  if (record.state === 'moved') return `it moved to ${record.owner} at epoch ${record.epoch}`
  return record.state === 'ended' ? `it ended: ${record.reason}` : 'nothing is known of it here'
}
