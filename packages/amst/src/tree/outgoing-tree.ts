import type { TrafficClass } from '@dwcp/interface'
import type { Hash } from '@dwcp/native-rdma/hash'
import { amstError, codeOf } from '../errors.js'
import type { IncomingTransfer } from '../incoming-object.js'
import type { Session } from '../session.js'
import { decodeAnswer, type TreeAnswer } from './answer.js'
import { encodeEntry, type FileEntry } from './entry.js'
import { shown } from './names.js'
import { FILE, PACK, TREE } from './objects.js'
import { encodeOffer, resumeKey } from './offer.js'
import type { OpenDirectories } from './open-directories.js'
import { encodePack, type PackedFile } from './pack.js'
import { digestOf, openListed, readListed } from './read-file.js'
import { framed, recordsIn } from './records.js'
import { TreeCount, type TreeProgress, type TreeReport } from './tree-report.js'
import { Turn } from './turn.js'
import { type ListedFile, type TreeRoot, walk } from './walk.js'
import { type WantedFile, WantedFiles } from './wanted.js'

export interface Sending {
  readonly session: Session
  readonly hash: Hash
  readonly directories: OpenDirectories
  readonly roots: readonly TreeRoot[]
  /** Where the receiver puts it, from the root of what it serves. */
  readonly directory: Buffer
  readonly comparesContents: boolean
  readonly resumes: boolean
  readonly class: TrafficClass
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: TreeProgress) => void) | undefined
}

const MANIFEST_BYTES = 32_768
/** Enough for 16 MB on the way: 1 Gbit/s over 130 ms. */
const PACKS_AT_ONCE = 16
const FILES_AT_ONCE = 4
/** Listed, and neither there nor sent. */
const UNSETTLED_MAX = 131_072

/** A tree on its way out: lists it, and sends what the answers say is missing. */
export class OutgoingTree {
  readonly #sending: Sending
  readonly #count: TreeCount
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  /** Nobody has looked at these yet. In order, as maps are. */
  readonly #listed = new Map<number, ListedFile>()
  readonly #wanted = new WantedFiles()
  readonly #underWay = new Map<number, number>()
  #wantedCount = 0
  #packs = 0
  #files = 0
  #nextEntry = 0
  #looked = 0
  #wake: () => void = () => undefined
  #answered: (transfer: IncomingTransfer) => void = () => undefined

  constructor(sending: Sending) {
    this.#sending = sending
    this.#count = new TreeCount(sending.onProgress)
    this.#signal = sending.signal ? AbortSignal.any([sending.signal, this.#stop.signal]) : this.#stop.signal
    this.#signal.addEventListener('abort', () => this.#wake(), { once: true })
  }

  /** @throws what `send` throws; `ERR_AMST_PROTOCOL` for answers that are none. */
  async run(): Promise<TreeReport> {
    const { session, directory, comparesContents } = this.#sending
    const answering = new Promise<IncomingTransfer>((resolve) => {
      this.#answered = resolve
    }).then((transfer) => this.#readAnswers(transfer))
    answering.catch((error: unknown) => this.#stop.abort(error))
    try {
      const metadata = encodeOffer({ directory, comparesContents })
      await session.send({ stream: this.#manifest() }, { name: TREE, metadata, class: this.#sending.class, signal: this.#signal })
      await answering
      this.#count.tell()
      return this.#count.report()
    } catch (error) {
      this.#stop.abort(error)
      throw error
    }
  }

  /** What the receiver says. */
  takeAnswers(transfer: IncomingTransfer): void {
    this.#answered(transfer)
  }

  async *#manifest(): AsyncGenerator<Uint8Array, void, undefined> {
    const { directories, roots } = this.#sending
    const turn = new Turn()
    let records: Buffer[] = []
    let recordBytes = 0
    for (const walked of walk(directories, roots)) {
      if (walked.kind === 'failed') this.#count.fail(shown(walked.path), walked.code)
      else {
        const entry = walked.kind === 'file' ? await this.#list(walked.entry, walked.file) : walked.entry
        if (!entry) continue
        if (entry.kind !== 'up') {
          this.#nextEntry += 1
          this.#count.entries += 1
        }
        const record = framed(encodeEntry(entry))
        records.push(record)
        recordBytes += record.byteLength
      }
      if (recordBytes < MANIFEST_BYTES && !turn.isOver) continue
      if (recordBytes > 0) yield Buffer.concat(records)
      records = []
      recordBytes = 0
      await turn.pass()
      // Bounded by the tree: each one that is sent makes room, and all that were looked at are.
      while (this.#listed.size + this.#wantedCount >= UNSETTLED_MAX && !this.#signal.aborted) await this.#news()
      this.#signal.throwIfAborted()
    }
    this.#count.isListed = true
    if (recordBytes > 0) yield Buffer.concat(records)
    this.#count.tell()
  }

  /** @returns undefined for a file that cannot be read. */
  async #list(entry: FileEntry, file: ListedFile): Promise<FileEntry | undefined> {
    try {
      const digest = this.#sending.comparesContents ? { digest: await this.#digest(file) } : {}
      this.#listed.set(this.#nextEntry, file)
      this.#count.files += 1
      this.#count.bytes += entry.sizeBytes
      return { ...entry, ...digest }
    } catch (error) {
      this.#count.fail(shown(file.path), codeOf(error))
      return undefined
    }
  }

  async #digest(file: ListedFile): Promise<Uint8Array> {
    const { handle } = await openListed(this.#sending.directories, file)
    try {
      return await digestOf(handle, this.#sending.hash)
    } finally {
      await handle.close()
    }
  }

  async #readAnswers(transfer: IncomingTransfer): Promise<void> {
    // That its answers are of no use any more is how the receiver learns that nothing more comes.
    const giveUp = (): void => transfer.reject(this.#signal.reason)
    this.#signal.addEventListener('abort', giveUp, { once: true })
    if (this.#signal.aborted) giveUp()
    for await (const records of recordsIn(transfer.stream)) {
      for (const record of records) this.#take(decodeAnswer(record))
      this.#pump()
      this.#count.tell(this.#underWayBytes())
    }
    transfer.complete()
  }

  #take(answer: TreeAnswer): void {
    const { entry } = answer
    if (entry > this.#nextEntry) throw amstError('ERR_AMST_PROTOCOL', `an answer about entry ${entry} of ${this.#nextEntry}`)
    switch (answer.kind) {
      case 'failed':
        this.#listed.delete(entry)
        return this.#count.fail(shown(answer.path), answer.code)
      case 'want': {
        const file = this.#listed.get(entry)
        if (!file) throw amstError('ERR_AMST_PROTOCOL', `the peer wants entry ${entry}, which is no file that it has not answered for`)
        this.#listed.delete(entry)
        this.#wanted.add({ entry, file, sizeBytes: Number(file.stats.size) })
        this.#wantedCount += 1
        return
      }
      case 'looked':
        this.#looked = entry
        for (const [number, { stats }] of this.#listed) {
          if (number >= entry) break
          this.#listed.delete(number)
          this.#count.done(Number(stats.size), false)
        }
        this.#wake()
    }
  }

  #pump(): void {
    while (this.#files < FILES_AT_ONCE) {
      const large = this.#wanted.takeLarge()
      if (!large) break
      this.#files += 1
      this.#begin(() => this.#sendFile(large).finally(() => (this.#files -= 1)))
    }
    while (this.#packs < PACKS_AT_ONCE && (this.#wanted.hasWholePack || (this.#wanted.hasSmall && this.#isDue))) {
      const pack = this.#wanted.takePack()
      this.#packs += 1
      this.#begin(() => this.#sendPack(pack).finally(() => (this.#packs -= 1)))
    }
  }

  /** A pack goes as it is when nothing will fill it soon. */
  get #isDue(): boolean {
    return this.#packs === 0 || (this.#count.isListed && this.#looked === this.#nextEntry)
  }

  #begin(work: () => Promise<void>): void {
    if (this.#signal.aborted) return
    work().then(
      () => {
        this.#count.tell(this.#underWayBytes())
        this.#pump()
        this.#wake()
      },
      (error: unknown) => this.#stop.abort(error),
    )
  }

  async #sendPack(wanted: readonly WantedFile[]): Promise<void> {
    const { session } = this.#sending
    const turn = new Turn()
    const packed: PackedFile[] = []
    for (const one of wanted) {
      if (turn.isOver) await turn.pass()
      packed.push({ entry: one.entry, bytes: this.#readSmall(one.file) })
    }
    await session.send(encodePack(packed), { name: PACK, class: this.#sending.class, signal: this.#signal })
    for (const [index, { sizeBytes }] of wanted.entries()) if (packed[index]?.bytes) this.#count.done(sizeBytes, true)
    this.#wantedCount -= wanted.length
  }

  #readSmall(file: ListedFile): Uint8Array | undefined {
    try {
      return readListed(this.#sending.directories, file)
    } catch (error) {
      this.#count.fail(shown(file.path), codeOf(error))
      return undefined
    }
  }

  async #sendFile({ entry, file, sizeBytes }: WantedFile): Promise<void> {
    const { session, directories, directory, resumes } = this.#sending
    let opened: Awaited<ReturnType<typeof openListed>>
    try {
      opened = await openListed(directories, file)
    } catch (error) {
      this.#count.fail(shown(file.path), codeOf(error))
      await session.send(encodePack([{ entry, bytes: undefined }]), { name: PACK, class: this.#sending.class, signal: this.#signal })
      this.#wantedCount -= 1
      return
    }
    const metadata = Buffer.alloc(4)
    metadata.writeUInt32BE(entry)
    try {
      await session.send(opened.source, {
        name: FILE,
        metadata,
        class: this.#sending.class,
        signal: this.#signal,
        ...(resumes ? { resume: resumeKey(directory, file.path, sizeBytes, file.stats.mtimeNs) } : {}),
        onProgress: ({ ackedBytes }) => {
          this.#underWay.set(entry, ackedBytes)
          this.#count.tell(this.#underWayBytes())
        },
      })
      this.#count.done(sizeBytes, true)
    } catch (error) {
      // The receiver heard that this one was given up; all else goes on.
      if (codeOf(error) !== 'ERR_AMST_SOURCE_CHANGED') throw error
      this.#count.fail(shown(file.path), codeOf(error))
    } finally {
      this.#underWay.delete(entry)
      this.#wantedCount -= 1
      await opened.handle.close()
    }
  }

  #underWayBytes(): number {
    let bytes = 0
    for (const one of this.#underWay.values()) bytes += one
    return bytes
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
