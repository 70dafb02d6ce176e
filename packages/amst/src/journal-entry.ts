import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Hash } from '@dwcp/native-rdma/hash'
import { syncFolder } from './file-draft.js'
import { decodeJournal, encodeJournalHead, encodeJournalRecord, type JournalHead, type JournalRecord, WHOLE } from './journal-record.js'

/** What is known of one object under one key; it is open for one transfer at a time. */
export class JournalEntry {
  readonly head: JournalHead
  /** Blocks that were written, as far as a process that may have died could say. */
  readonly blocks: ReadonlyMap<number, Uint8Array>
  /** The digest of an object that was completed. */
  readonly whole: Uint8Array | undefined
  readonly #path: string
  readonly #hash: Hash
  readonly #file: FileHandle
  #waiting: Buffer[] = []
  #writing: Promise<void> = Promise.resolve()
  #isWriting = false
  #position: number

  /** Goes on with what the file says of that object, or begins it. */
  static async open(path: string, wanted: JournalHead, hash: Hash): Promise<JournalEntry> {
    const found = decodeJournal(await readIfThere(path), hash)
    if (!found || !isSameObject(found.head, wanted)) {
      if (found) await rm(found.head.draft, { force: true })
      return JournalEntry.#begin(path, wanted, hash)
    }
    const blocks = new Map<number, Uint8Array>()
    let whole: Uint8Array | undefined
    for (const { block, digest } of found.records) {
      if (block === WHOLE) whole = digest
      else blocks.set(block, digest)
    }
    // Said to be whole, and not renamed yet: as good as any other draft.
    if (whole && (await isThere(found.head.draft))) whole = undefined
    const file = await open(path, 'r+')
    try {
      await file.truncate(found.lengthBytes)
    } catch (error) {
      await file.close()
      throw error
    }
    return new JournalEntry({ path, hash, file, head: found.head, blocks, whole }, found.lengthBytes)
  }

  static async #begin(path: string, head: JournalHead, hash: Hash): Promise<JournalEntry> {
    const bytes = encodeJournalHead(head, hash)
    const file = await open(path, 'w', 0o600)
    try {
      await file.write(bytes, 0, bytes.byteLength, 0)
      // A draft that no journal speaks of would stay for ever.
      await file.sync()
      await syncFolder(dirname(path))
    } catch (error) {
      await file.close()
      throw error
    }
    return new JournalEntry({ path, hash, file, head, blocks: new Map(), whole: undefined }, bytes.byteLength)
  }

  private constructor(
    state: {
      readonly path: string
      readonly hash: Hash
      readonly file: FileHandle
      readonly head: JournalHead
      readonly blocks: ReadonlyMap<number, Uint8Array>
      readonly whole: Uint8Array | undefined
    },
    position: number,
  ) {
    this.#path = state.path
    this.#hash = state.hash
    this.#file = state.file
    this.head = state.head
    this.blocks = state.blocks
    this.whole = state.whole
    this.#position = position
  }

  /** After the block was written. Not awaited, so that the disk is not waited for: {@link JournalEntry.close} throws what broke. */
  add(record: JournalRecord): void {
    this.#waiting.push(encodeJournalRecord(record, this.#hash))
    if (this.#isWriting) return
    this.#isWriting = true
    this.#writing = this.#write().finally(() => {
      this.#isWriting = false
    })
    this.#writing.catch(() => undefined)
  }

  /** Forgets every block. */
  async restart(): Promise<void> {
    const lengthBytes = encodeJournalHead(this.head, this.#hash).byteLength
    await this.#file.truncate(lengthBytes)
    this.#position = lengthBytes
  }

  /** Everything is in the draft and on disk: from here on it is renamed, or was. */
  async becomesWhole(digest: Uint8Array): Promise<void> {
    this.add({ block: WHOLE, digest })
    await this.#writing
    await this.#file.sync()
  }

  /** Keeps no more than that it was completed. */
  async shorten(digest: Uint8Array): Promise<void> {
    const next = `${this.#path}.next`
    const bytes = Buffer.concat([encodeJournalHead(this.head, this.#hash), encodeJournalRecord({ block: WHOLE, digest }, this.#hash)])
    await using file = await open(next, 'w', 0o600)
    await file.write(bytes, 0, bytes.byteLength, 0)
    await file.sync()
    await rename(next, this.#path)
  }

  /** With its draft: what is there is of no use. */
  async discard(): Promise<void> {
    await rm(this.head.draft, { force: true })
    await rm(this.#path, { force: true })
  }

  async close(): Promise<void> {
    try {
      await this.#writing
    } finally {
      await this.#file.close()
    }
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const bytes = Buffer.concat(this.#waiting)
      this.#waiting = []
      const { bytesWritten } = await this.#file.write(bytes, 0, bytes.byteLength, this.#position)
      if (bytesWritten < bytes.byteLength)
        throw new Error(`the journal took ${bytesWritten} of ${bytes.byteLength} bytes: is the disk full?`)
      this.#position += bytesWritten
    }
  }
}

function isSameObject(found: JournalHead, wanted: JournalHead): boolean {
  return (
    found.peer === wanted.peer &&
    found.key === wanted.key &&
    found.path === wanted.path &&
    found.lengthBytes === wanted.lengthBytes &&
    found.blockBytes === wanted.blockBytes
  )
}

export async function readIfThere(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, 'r')
    return await file.readFile()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await using _file = await open(path, 'r')
    return true
  } catch {
    return false
  }
}
