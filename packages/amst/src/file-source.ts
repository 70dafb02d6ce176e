import type { BigIntStats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { amstError } from './errors.js'
import type { BlockSource } from './source.js'

/**
 * Which part of a file to send.
 *
 * @public
 */
export interface FileSourceOptions {
  /** Where the part begins, in bytes. @defaultValue 0 */
  readonly offset?: number
  /** @defaultValue all that follows `offset` */
  readonly lengthBytes?: number
}

/**
 * A regular file, or a part of one, to give to `session.send`, once at a time. It is opened at its first read, and closed with the object.
 *
 * A file that changes between this call and its last byte is never sent as a whole object: its device, inode, size and
 * times of modification and change are compared before the first read and after the last, and what is read twice must be the same twice.
 * What writes through a memory map, or within one tick of the file system's clock (1 to 10 ms on Linux) of this call, can escape that.
 * `send` rejects with `ERR_AMST_SOURCE_CHANGED` for such a file.
 *
 * @throws `RangeError` for a part that is not inside the file, `TypeError` for what is no regular file, and what the system refuses.
 * @public
 */
export async function fileSource(path: string, options: FileSourceOptions = {}): Promise<BlockSource> {
  const found = await stat(path, { bigint: true })
  if (!found.isFile()) throw new TypeError(`${path} is no regular file`)
  const sizeBytes = Number(found.size)
  const start = options.offset ?? 0
  const lengthBytes = options.lengthBytes ?? sizeBytes - start
  if (!isPosition(start) || !isPosition(lengthBytes) || start + lengthBytes > sizeBytes)
    throw new RangeError(`${lengthBytes} bytes from ${start} on are not inside ${path}, which has ${sizeBytes}`)
  let opened: Promise<FileHandle> | undefined
  const file = (): Promise<FileHandle> => {
    opened ??= openUnchanged(path, found)
    return opened
  }
  return {
    lengthBytes,
    read: async (offset, bytes) => readWhole(await file(), start + offset, bytes, path),
    check: async () => mustBe(found, await (await file()).stat({ bigint: true }), path),
    close: async () => {
      const former = opened
      opened = undefined
      await (await former)?.close()
    },
  }
}

async function openUnchanged(path: string, found: BigIntStats): Promise<FileHandle> {
  const file = await open(path, 'r')
  try {
    mustBe(found, await file.stat({ bigint: true }), path)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readWhole(file: FileHandle, position: number, lengthBytes: number, path: string): Promise<Uint8Array> {
  // A fresh buffer each time: the session keeps it until it is sent.
  const bytes = Buffer.allocUnsafeSlow(lengthBytes)
  if ((await readInto(file, position, bytes)) < lengthBytes) throw changed(path)
  return bytes
}

/** @returns how many bytes there were: fewer than `bytes` takes only at the end of the file. */
export async function readInto(file: FileHandle, position: number, bytes: Uint8Array): Promise<number> {
  let filled = 0
  // Bounded by the buffer: each turn reads at least a byte of it.
  while (filled < bytes.byteLength) {
    const { bytesRead } = await file.read(bytes, filled, bytes.byteLength - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

function mustBe(found: BigIntStats, now: BigIntStats, path: string): void {
  const isSame =
    found.dev === now.dev &&
    found.ino === now.ino &&
    found.size === now.size &&
    found.mtimeNs === now.mtimeNs &&
    found.ctimeNs === now.ctimeNs
  if (!isSame) throw changed(path)
}

const changed = (path: string): Error =>
  amstError('ERR_AMST_SOURCE_CHANGED', `${path} changed while it was sent: send it again once nobody writes to it`, { retryable: true })

const isPosition = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
