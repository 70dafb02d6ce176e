import { createHash } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '@dwcp/interface'
import { type Hash, loadHash } from '@dwcp/native-rdma/hash'
import { lockDirectory } from '@dwcp/native-rdma/lock'
import { amstError } from './errors.js'
import { JournalEntry, readIfThere } from './journal-entry.js'
import { decodeJournal, type JournalHead } from './journal-record.js'

/**
 * How long and how much a {@link TransferJournal} remembers.
 *
 * @public
 */
export interface TransferJournalOptions {
  /** Of objects that are not complete, with what is there of them, and of those that are. @defaultValue 7 days */
  readonly retentionMs?: number
  /** The oldest are forgotten beyond it. @defaultValue 10,000 */
  readonly entries?: number
  readonly clock?: Clock
}

/**
 * Remembers which blocks of which objects have arrived, over the death of this process. Give it to `saveTo`.
 *
 * @public
 */
export interface TransferJournal extends AsyncDisposable {
  readonly directory: string
  /** @internal Waits until a former transfer under the same key, which is told to stop, has let go. */
  enter(head: JournalHead, stop: (reason: Error) => void): Promise<JournalEntry>
  /** @internal */
  leave(entry: JournalEntry): Promise<void>
  /** @internal Forgets an object that was completed, and has been taken to where it belongs. */
  drop(peer: string, key: string): Promise<void>
}

const SUFFIX = '.journal'
const DAY_MS = 86_400_000
const RETENTION_DAYS = 7
const ENTRIES = 10_000

/**
 * Opens the journal in `directory`, which is made where it is missing, for this process alone. What is older than it should remember is
 * deleted, with the drafts of files that never became whole.
 *
 * @throws `ERR_AMST_LOCKED` where another process has it; what the file system refuses.
 * @public
 */
export async function openTransferJournal(directory: string, options: TransferJournalOptions = {}): Promise<TransferJournal> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const lock = await lockDirectory(directory, 'ERR_AMST_LOCKED')
  try {
    const journal = new DirectoryJournal(directory, options, lock, await loadHash())
    await journal.forget()
    return journal
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

interface Held {
  readonly stop: (reason: Error) => void
  readonly left: Promise<void>
  readonly leave: () => void
}

class DirectoryJournal implements TransferJournal {
  readonly directory: string
  readonly #retentionMs: number
  readonly #entries: number
  readonly #clock: Clock
  readonly #lock: AsyncDisposable
  readonly #hash: Hash
  readonly #held = new Map<string, Held>()
  #entered = 0

  constructor(directory: string, options: TransferJournalOptions, lock: AsyncDisposable, hash: Hash) {
    this.directory = directory
    this.#retentionMs = options.retentionMs ?? RETENTION_DAYS * DAY_MS
    this.#entries = options.entries ?? ENTRIES
    this.#clock = options.clock ?? systemClock
    this.#lock = lock
    this.#hash = hash
  }

  async enter(head: JournalHead, stop: (reason: Error) => void): Promise<JournalEntry> {
    const file = fileOf(head)
    // Bounded by who calls: each round ends another transfer.
    for (let former = this.#held.get(file); former; former = this.#held.get(file)) {
      former.stop(amstError('ERR_AMST_CANCELLED', 'the sender began the same object anew', { retryable: true }))
      await former.left
    }
    let leave = (): void => undefined
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    this.#held.set(file, { stop, left, leave })
    try {
      this.#entered += 1
      if (this.#entered % this.#entries === 0) await this.forget()
      return await JournalEntry.open(join(this.directory, file), head, this.#hash)
    } catch (error) {
      this.#release(file)
      throw error
    }
  }

  async leave(entry: JournalEntry): Promise<void> {
    try {
      await entry.close()
    } finally {
      this.#release(fileOf(entry.head))
    }
  }

  async drop(peer: string, key: string): Promise<void> {
    await rm(join(this.directory, fileOf({ peer, key })), { force: true })
  }

  /** Deletes what is too old, or too much. */
  async forget(): Promise<void> {
    const names = (await readdir(this.directory)).filter((name) => name.endsWith(SUFFIX) && !this.#held.has(name))
    const files = await Promise.all(
      names.map(async (name) => ({ path: join(this.directory, name), atMs: (await stat(join(this.directory, name))).mtimeMs })),
    )
    const newest = files.toSorted((a, b) => b.atMs - a.atMs)
    const oldestMs = this.#clock.nowMs() - this.#retentionMs
    for (const [place, { path, atMs }] of newest.entries()) {
      if (place < this.#entries && atMs >= oldestMs) continue
      const found = decodeJournal(await readIfThere(path), this.#hash)
      if (found) await rm(found.head.draft, { force: true })
      await rm(path, { force: true })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stop } of this.#held.values()) stop(amstError('ERR_AMST_CLOSED', 'the journal is closed'))
    await Promise.all([...this.#held.values()].map(({ left }) => left))
    await this.#lock[Symbol.asyncDispose]()
  }

  #release(file: string): void {
    this.#held.get(file)?.leave()
    this.#held.delete(file)
  }
}

/** One for each key of each peer: nobody goes on with what another began. */
const fileOf = ({ peer, key }: Pick<JournalHead, 'peer' | 'key'>): string =>
  `${createHash('sha256').update(`${peer}\0${key}`).digest('hex').slice(0, 40)}${SUFFIX}`
