import { createHash, randomUUID } from 'node:crypto'
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs'
import { chmod, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, isDwcpError, systemClock } from '@dwcp/interface'
import { lockDirectory } from '@dwcp/native-rdma/lock'
import * as v from 'valibot'
import { type Disk, nodeDisk } from './disk.js'
import { isSystemError, securityError } from './errors.js'

/** One kind of record, and what may stand in it. */
export interface RecordKind<T> {
  /** The file's name, which is in its first line too: one record cannot stand in for another. */
  readonly name: string
  readonly schema: v.GenericSchema<unknown, T>
}

const VERSION = 1
const FILE_BYTES_MAX = 64 << 20
const DRAFT = '.draft'
const OTHERS = 0o077
const OTHERS_WRITE = 0o022
const LOCK_WAIT_MS = 10_000
const LOCK_PAUSE_MS = 20

/**
 * Reads `<directory>/<kind.name>`: a line with the kind, version and SHA-256 of what follows, then JSON.
 * @returns undefined where there is none.
 * @throws `ERR_SECURITY_UNSAFE_FILE` where others than its owner can read or replace it; `ERR_SECURITY_CORRUPT`.
 */
export function readRecord<T>(directory: string, kind: RecordKind<T>): T | undefined {
  const path = join(directory, kind.name)
  const bytes = readSafely(directory, path)
  if (bytes === undefined) return undefined
  const lineEnd = bytes.indexOf(0x0a)
  const body = bytes.subarray(lineEnd + 1)
  if (lineEnd < 0 || bytes.toString('latin1', 0, lineEnd) !== headOf(kind.name, body)) {
    throw corrupt(path, 'it is cut short, was altered, or is of another version')
  }
  try {
    return v.parse(kind.schema, JSON.parse(body.toString('utf8')))
  } catch (error) {
    // Not as the cause: its message may quote what stands in the file.
    throw corrupt(
      path,
      error instanceof v.ValiError ? `${v.getDotPath(error.issues[0]) ?? 'it'} is not what belongs there` : 'it is no JSON',
    )
  }
}

/**
 * Puts a record in place: whole and on stable storage once this resolves; before that, the former one stands.
 * The caller has the directory's lock.
 */
export async function writeRecord<T>(directory: string, kind: RecordKind<T>, value: T, disk: Disk): Promise<void> {
  const body = Buffer.from(`${JSON.stringify(value, null, 1)}\n`)
  if (body.byteLength > FILE_BYTES_MAX) {
    throw securityError('ERR_SECURITY_LIMIT', `${kind.name} would grow past ${FILE_BYTES_MAX} bytes`)
  }
  const draft = join(directory, `.${kind.name}.${randomUUID()}${DRAFT}`)
  const file = await disk.create(draft)
  try {
    try {
      await file.write(Buffer.concat([Buffer.from(`${headOf(kind.name, body)}\n`), body]))
      await file.sync()
    } finally {
      await file.close()
    }
    await disk.rename(draft, join(directory, kind.name))
  } catch (error) {
    await disk.remove(draft).catch(() => undefined)
    throw error
  }
  await disk.syncDirectory(directory)
}

/** Which version of the record's file is there: another text after each change, '' while there is none. */
export function revisionOf(directory: string, { name }: RecordKind<unknown>): string {
  const stat = statSync(join(directory, name), { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`
}

/** Where records are, and in what steps they are written. */
export interface RecordDirectory {
  readonly directory: string
  readonly disk: Disk
}

/** What opens such a directory takes. */
export interface RecordOptions {
  /** @internal What a test breaks off. */
  readonly disk?: Disk
}

/** Makes `directory` where it is missing, for its owner alone. */
export async function openRecordDirectory(directory: string, options: RecordOptions): Promise<RecordDirectory> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 })
  if (first !== undefined) await chmod(directory, 0o700)
  checkDirectory(directory)
  return { directory, disk: options.disk ?? nodeDisk }
}

/**
 * Runs `work` while no other process, nor anyone else in this one, changes records of this directory.
 * @throws `ERR_SECURITY_LOCKED`, `retryable`, where that takes more than 10 s.
 */
export async function withLock<T>({ directory, disk }: RecordDirectory, work: () => Promise<T>, clock: Clock = systemClock): Promise<T> {
  await using _lock = await waitForLock(directory, clock)
  // Of a process that died while it wrote: they may hold keys.
  for (const name of await readdir(directory)) if (name.endsWith(DRAFT)) await disk.remove(join(directory, name))
  return await work()
}

async function waitForLock(directory: string, clock: Clock): Promise<AsyncDisposable> {
  const endMs = clock.monotonicMs() + LOCK_WAIT_MS
  // Until the deadline.
  for (;;) {
    try {
      return await lockDirectory(directory, 'ERR_SECURITY_LOCKED')
    } catch (error) {
      if (!isDwcpError(error, 'ERR_SECURITY_LOCKED')) throw error
      if (clock.monotonicMs() > endMs) throw securityError('ERR_SECURITY_LOCKED', error.message, { retryable: true, cause: error })
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS))
  }
}

function readSafely(directory: string, path: string): Buffer | undefined {
  checkDirectory(directory)
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    if (isSystemError(error, 'ELOOP')) throw unsafe(path, 'it is a symbolic link: put the file itself there')
    throw error
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw unsafe(path, 'it is no regular file')
    checkOwner(path, stat)
    if ((stat.mode & OTHERS) !== 0)
      throw unsafe(path, `its mode is ${octal(stat.mode)}: chmod 600 it, and replace the keys if others read it`)
    if (stat.size > FILE_BYTES_MAX) throw corrupt(path, `its ${stat.size} bytes are past ${FILE_BYTES_MAX}`)
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

function checkDirectory(directory: string): void {
  const stat = lstatSync(directory, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isDirectory()) throw unsafe(directory, 'it is no directory, or a symbolic link to one')
  checkOwner(directory, stat)
  if ((stat.mode & OTHERS_WRITE) !== 0) throw unsafe(directory, `others may write to it (mode ${octal(stat.mode)}): chmod 700 it`)
}

function checkOwner(path: string, { uid }: Stats): void {
  const own = process.geteuid?.()
  if (own !== undefined && uid !== own && uid !== 0) throw unsafe(path, `it belongs to user ${uid} and this process is user ${own}`)
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(3, '0')

const unsafe = (path: string, why: string): Error => securityError('ERR_SECURITY_UNSAFE_FILE', `${path} is not used: ${why}`)

const corrupt = (path: string, why: string): Error =>
  securityError('ERR_SECURITY_CORRUPT', `${path} cannot be used: ${why}: restore it from a backup`)

const headOf = (name: string, body: Uint8Array): string =>
  `dwcp-${name} ${VERSION} sha-256:${createHash('sha256').update(body).digest('hex')}`
