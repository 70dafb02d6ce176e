import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Hash } from '@dwcp/native-rdma/hash'
import { amstError } from '../errors.js'
import { fileSource } from '../file-source.js'
import type { BlockSource } from '../source.js'
import { shown } from './names.js'
import type { OpenDirectories } from './open-directories.js'
import type { ListedFile } from './walk.js'

// Not blocking: what was a file when it was listed may be a pipe by now.
const HOW = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const READ_BYTES = 1 << 20

/**
 * All of a small file, at once: the calls are quicker than a turn through a thread would be.
 *
 * @throws `ERR_AMST_SOURCE_CHANGED` where it is not as it was listed; what the system refuses.
 */
export function readListed(directories: OpenDirectories, file: ListedFile): Uint8Array {
  const fd = openSync(directories.path(file.node, file.name), HOW)
  try {
    mustBe(file, fstatSync(fd, { bigint: true }))
    const bytes = Buffer.allocUnsafe(Number(file.stats.size))
    let filled = 0
    // Bounded by the buffer: each turn reads at least a byte of it.
    while (filled < bytes.byteLength) {
      const count = readSync(fd, bytes, filled, bytes.byteLength - filled, filled)
      if (count === 0) throw changed(file)
      filled += count
    }
    mustBe(file, fstatSync(fd, { bigint: true }))
    return bytes
  } finally {
    closeSync(fd)
  }
}

/**
 * A large file, to send. Its descriptor is open until `handle` is closed.
 *
 * @throws as {@link readListed}
 */
export async function openListed(
  directories: OpenDirectories,
  file: ListedFile,
): Promise<{ readonly source: BlockSource; readonly handle: FileHandle }> {
  const handle = await open(directories.path(file.node, file.name), HOW)
  try {
    mustBe(file, await handle.stat({ bigint: true }))
    return { source: await fileSource(`/proc/self/fd/${handle.fd}`), handle }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** XXH3-128 of what is in an open file now. */
export async function digestOf(handle: FileHandle, hash: Hash): Promise<Uint8Array> {
  const whole = hash.stream()
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  // Until the end of the file.
  for (let offset = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, offset)
    if (bytesRead === 0) return Uint8Array.from(whole.digest())
    whole.update(buffer.subarray(0, bytesRead))
    offset += bytesRead
  }
}

function mustBe(file: ListedFile, now: BigIntStats): void {
  const { stats } = file
  const isSame =
    now.dev === stats.dev &&
    now.ino === stats.ino &&
    now.size === stats.size &&
    now.mtimeNs === stats.mtimeNs &&
    now.ctimeNs === stats.ctimeNs
  if (!isSame) throw changed(file)
}

const changed = (file: ListedFile): Error =>
  amstError('ERR_AMST_SOURCE_CHANGED', `${shown(file.path)} changed since it was listed: send it again once nobody writes to it`, {
    retryable: true,
  })
