import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readInto } from './file-source.js'
import type { OpenSink } from './sink.js'

/** Beside the path, where a rename is atomic. */
export const draftPath = (path: string): string => `${path}.${randomBytes(8).toString('hex')}.part`

/** A file that is seen under its name only when it is whole and on disk, and readable by nobody else until then. */
export class Draft implements OpenSink {
  readonly takesBlocks = true
  readonly #file: FileHandle
  readonly #draft: string
  readonly #path: string
  readonly #mode: number
  /** Where the file ends, if all of it was written here: what was never written reads as zeros then, and takes no room. */
  #freshEnd: number | undefined

  /** Goes on with what is there already. */
  static async open(draft: string, path: string, mode: number): Promise<Draft> {
    const file = await open(draft, constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      const { size } = await file.stat()
      return new Draft(file, draft, path, { mode, isFresh: size === 0 })
    } catch (error) {
      await file.close()
      throw error
    }
  }

  private constructor(
    file: FileHandle,
    draft: string,
    path: string,
    { mode, isFresh }: { readonly mode: number; readonly isFresh: boolean },
  ) {
    this.#file = file
    this.#draft = draft
    this.#path = path
    this.#mode = mode
    this.#freshEnd = isFresh ? 0 : undefined
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#freshEnd === undefined) return writeAll(this.#file, offset, bytes)
    const end = Math.max(this.#freshEnd, offset + bytes.byteLength)
    if (!isZero(bytes)) await writeAll(this.#file, offset, bytes)
    else if (end > this.#freshEnd) await this.#file.truncate(end)
    this.#freshEnd = end
  }

  /** @returns how many bytes there were. */
  read(offset: number, bytes: Uint8Array): Promise<number> {
    return readInto(this.#file, offset, bytes)
  }

  /** @param lastCall - When all is on disk, before the file gets its name. */
  async commit(lastCall: () => Promise<void> = async () => undefined): Promise<void> {
    await this.#file.chmod(this.#mode)
    await this.#file.sync()
    await lastCall()
    await this.#file.close()
    await rename(this.#draft, this.#path)
    await syncFolder(dirname(this.#path))
  }

  async close(): Promise<void> {
    // Closed already where the commit got that far.
    await this.#file.close()
  }

  async abandon(): Promise<void> {
    await this.close()
    await rm(this.#draft, { force: true })
  }
}

const ZEROS = Buffer.alloc(65_536)

function isZero(bytes: Uint8Array): boolean {
  for (let offset = 0; offset < bytes.byteLength; offset += ZEROS.byteLength) {
    const part = bytes.subarray(offset, offset + ZEROS.byteLength)
    if (ZEROS.compare(part, 0, part.byteLength, 0, part.byteLength) !== 0) return false
  }
  return true
}

/** A write may take less than it was given, on a disk that is nearly full for one. */
export async function writeAll(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  // Bounded by the bytes: the system writes at least one of them or refuses.
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, offset + done)
    done += bytesWritten
  }
}

/** The new name itself survives a loss of power only when its folder is on disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
