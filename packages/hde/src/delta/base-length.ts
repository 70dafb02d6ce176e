import type { FileHandle } from 'node:fs/promises'

/**
 * How many bytes an open file or block device has. The system gives a device's length as 0: there it is the first offset at which
 * nothing is left to read.
 *
 * @throws `TypeError` for what cannot be read at any offset: pipes, sockets, terminals, directories.
 */
export async function baseLength(file: FileHandle, path: string): Promise<number> {
  const status = await file.stat()
  if (status.isFile()) return status.size
  if (status.isBlockDevice()) return endOf(file)
  throw new TypeError(`${path} is neither a file nor a block device: it cannot be read at any offset`)
}

/** @internal The least offset at which a read gives nothing. */
export async function endOf(file: Pick<FileHandle, 'read'>): Promise<number> {
  const probe = new Uint8Array(1)
  const has = async (offset: number): Promise<boolean> => (await file.read(probe, 0, 1, offset)).bytesRead === 1
  let past = 1
  while (past < Number.MAX_SAFE_INTEGER / 2 && (await has(past - 1))) past *= 2
  let [from, to] = [Math.floor(past / 2), past - 1]
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    if (await has(middle)) from = middle + 1
    else to = middle
  }
  return from
}
