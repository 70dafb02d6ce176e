import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { DwcpError, type WorkloadId } from '@dwcp/interface'
import { lockDirectory } from '@dwcp/native-rdma/lock'
import { decode, encode } from '@msgpack/msgpack'
import { type OwnershipRecord, parseRecord } from './ownership-record.js'

/**
 * What this node knows of who owns what, on disk: the last record of a workload is its state. A record is durable
 * (`fdatasync`) when `write` resolves. Format: docs/wire/journal.md.
 */
export interface Journal extends AsyncDisposable {
  get(workload: WorkloadId): OwnershipRecord | undefined
  records(): readonly OwnershipRecord[]
  /**
   * Rejects with `RangeError` for a record that could not be read again; and with `ERR_MIGRATION_JOURNAL_FAILED` for good
   * once one write or sync has failed: the disk's state is then unknown.
   */
  write(record: OwnershipRecord): Promise<void>
  /** Drops a record of state `none`, here at once and on disk when the file is next rewritten; any other stays. */
  forget(workload: WorkloadId): void
  close(): Promise<void>
}

const MAGIC = Buffer.from('DWCPJNL1')
const HEADER_BYTES = 12
const MAX_RECORD_BYTES = 64 * 1024
/** Rewritten when the file holds more than this, and more than four times what was live when it was last rewritten. */
const COMPACT_BYTES = 256 * 1024
const SECTOR_BYTES = 512

/**
 * Opens the journal in `directory`, which it creates, and keeps every other process out of it.
 * @throws `ERR_MIGRATION_JOURNAL_LOCKED`, `ERR_MIGRATION_JOURNAL_CORRUPT`.
 */
export async function openJournal(directory: string): Promise<Journal> {
  await mkdir(directory, { recursive: true })
  const lock = await lockDirectory(directory, 'ERR_MIGRATION_JOURNAL_LOCKED')
  try {
    return await FileJournal.open(directory, lock)
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

class FileJournal implements Journal {
  readonly #path: string
  readonly #lock: AsyncDisposable
  readonly #state: Map<WorkloadId, OwnershipRecord>
  #file: FileHandle
  #lengthBytes: number
  /** Rewritten past this length. */
  #fullBytes: number
  #tail: Promise<void> = Promise.resolve()
  #failure: Error | undefined
  #closed = false

  private constructor(path: string, lock: AsyncDisposable, state: Map<WorkloadId, OwnershipRecord>, file: FileHandle, lengthBytes: number) {
    this.#path = path
    this.#lock = lock
    this.#state = state
    this.#file = file
    this.#lengthBytes = lengthBytes
    this.#fullBytes = fullBytes(lengthBytes)
  }

  static async open(directory: string, lock: AsyncDisposable): Promise<FileJournal> {
    const path = join(directory, 'ownership.journal')
    const file = await open(path, 'a+')
    const bytes = await file.readFile()
    await file.close()
    const state = bytes.length === 0 ? new Map<WorkloadId, OwnershipRecord>() : readRecords(bytes, path)
    // Opening rewrites: a torn tail is gone for good before anything is added behind it.
    const fresh = await writeWhole(path, state)
    return new FileJournal(path, lock, state, fresh.file, fresh.lengthBytes)
  }

  get(workload: WorkloadId): OwnershipRecord | undefined {
    return this.#state.get(workload)
  }

  records(): readonly OwnershipRecord[] {
    return [...this.#state.values()]
  }

  forget(workload: WorkloadId): void {
    if (this.#state.get(workload)?.state === 'none') this.#state.delete(workload)
  }

  write(record: OwnershipRecord): Promise<void> {
    // What a peer names ends up in here: a record that cannot be read again would keep this node from starting.
    if (parseRecord(record) === undefined)
      return Promise.reject(new RangeError(`not an ownership record: a name, number or reason in it is out of bounds (${record.workload})`))
    const done = this.#tail.then(() => this.#append(record))
    this.#tail = done.catch(() => undefined)
    return done
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#tail
    await this.#file.close()
    await this.#lock[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #append(record: OwnershipRecord): Promise<void> {
    if (this.#closed) throw new DwcpError('ERR_MIGRATION_CLOSED', 'the ownership journal is closed')
    if (this.#failure !== undefined) throw this.#failure
    try {
      const frame = frameOf(record)
      if (this.#lengthBytes > this.#fullBytes) await this.#compact()
      await writeAll(this.#file, frame, this.#lengthBytes)
      await this.#file.datasync()
      this.#lengthBytes += frame.length
    } catch (cause) {
      this.#failure = new DwcpError(
        'ERR_MIGRATION_JOURNAL_FAILED',
        `cannot write ${this.#path}: this node changes no ownership until it is restarted on a working disk`,
        { cause },
      )
      throw this.#failure
    }
    this.#state.set(record.workload, record)
  }

  async #compact(): Promise<void> {
    const fresh = await writeWhole(this.#path, this.#state)
    await this.#file.close()
    this.#file = fresh.file
    this.#lengthBytes = fresh.lengthBytes
    this.#fullBytes = fullBytes(fresh.lengthBytes)
  }
}

function fullBytes(liveBytes: number): number {
  return Math.max(COMPACT_BYTES, 4 * liveBytes)
}

/** A write may take less than it is given, on a disk that is nearly full: the rest would be missing from a record called durable. */
async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; )
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten
}

function frameOf(record: OwnershipRecord): Buffer {
  const body = encode(record)
  if (body.length > MAX_RECORD_BYTES)
    throw new RangeError(`an ownership record of ${body.length} bytes is over the limit of ${MAX_RECORD_BYTES}`)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length)
  frame.writeUInt32BE(body.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8)
  frame.set(body, HEADER_BYTES)
  return frame
}

async function writeWhole(
  path: string,
  state: ReadonlyMap<WorkloadId, OwnershipRecord>,
): Promise<{ file: FileHandle; lengthBytes: number }> {
  const temporary = `${path}.new`
  const bytes = Buffer.concat([MAGIC, ...[...state.values()].map(frameOf)])
  await rm(temporary, { force: true })
  const file = await open(temporary, 'wx+', 0o600)
  await writeAll(file, bytes, 0)
  await file.datasync()
  await rename(temporary, path)
  const directory = await open(dirname(path), 'r')
  await directory.sync()
  await directory.close()
  return { file, lengthBytes: bytes.length }
}

/**
 * Takes all whole records. A torn last write (cut short, or sectors that never reached the disk) was never acknowledged
 * and goes. Anything else is damage: what stood there is unknown, not absent.
 */
function readRecords(bytes: Buffer, path: string): Map<WorkloadId, OwnershipRecord> {
  const state = new Map<WorkloadId, OwnershipRecord>()
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(path, 0, 'it does not begin like a journal of this version')
  for (let at = MAGIC.length; at < bytes.length; ) {
    const rest = bytes.subarray(at)
    if (rest.length < HEADER_BYTES) return state
    const end = HEADER_BYTES + rest.readUInt32BE(0)
    const headerHolds = crc32(rest.subarray(0, 8)) === rest.readUInt32BE(8)
    if (headerHolds && end > rest.length) return state
    if (!headerHolds || crc32(rest.subarray(HEADER_BYTES, end)) !== rest.readUInt32BE(4)) {
      if ((!headerHolds || end === rest.length) && hasUnwrittenSector(rest, at)) return state
      throw damaged(path, at, 'a record does not match its checksum')
    }
    const record = parseRecord(decode(rest.subarray(HEADER_BYTES, end)))
    if (record === undefined) throw damaged(path, at, 'a record is not one that this version knows')
    state.set(record.workload, record)
    at += end
  }
  return state
}

/** Whether all of `rest`, or a whole sector in it, holds only zeros: the file grew, the data did not arrive. */
function hasUnwrittenSector(rest: Buffer, at: number): boolean {
  if (rest.every((byte) => byte === 0)) return true
  const first = (SECTOR_BYTES - (at % SECTOR_BYTES)) % SECTOR_BYTES
  for (let offset = first; offset < rest.length; offset += SECTOR_BYTES) {
    if (rest.subarray(offset, offset + SECTOR_BYTES).every((byte) => byte === 0)) return true
  }
  return false
}

function damaged(path: string, offset: number, why: string): DwcpError<'ERR_MIGRATION_JOURNAL_CORRUPT'> {
  return new DwcpError(
    'ERR_MIGRATION_JOURNAL_CORRUPT',
    `${path} is damaged at byte ${offset}: ${why}. What is lost there is unknown, so no workload is run from it; restore the file or start with a new directory and new workload names`,
    { details: { path, offset } },
  )
}
