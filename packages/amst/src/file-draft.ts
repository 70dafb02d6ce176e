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

  /** Goes on with what is there already. */
  static async open(draft: string, path: string, mode: number): Promise<Draft> {
    return new Draft(await open(draft, constants.O_RDWR | constants.O_CREAT, 0o600), draft, path, mode)
  }

  private constructor(file: FileHandle, draft: string, path: string, mode: number) {
    this.#file = file
    this.#draft = draft
    this.#path = path
    this.#mode = mode
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return writeAll(this.#file, offset, bytes)
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
