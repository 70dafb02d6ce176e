import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { lockDirectory } from '@dwcp/native-rdma/lock'
import type { HdeErrorCode } from '../errors.js'

/** The calls that change a directory of packs, in one place so that a test can end the process at each. */
export interface StoreFiles {
  /** Makes the directory where there is none, and keeps others out of it until disposed. @throws `ERR_HDE_STORE_LOCKED` */
  lock(directory: string): Promise<AsyncDisposable>
  open(path: string, flags: 'r' | 'wx'): Promise<StoreFile>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  list(directory: string): Promise<readonly string[]>
  /** Makes the names in a directory durable. */
  syncDirectory(directory: string): Promise<void>
}

export interface StoreFile {
  /** All of it. */
  write(bytes: Uint8Array): Promise<void>
  /** Fewer where the file ends. */
  read(offset: number, lengthBytes: number): Promise<Uint8Array>
  size(): Promise<number>
  sync(): Promise<void>
  close(): Promise<void>
}

export const diskFiles: StoreFiles = {
  async lock(directory) {
    await mkdir(directory, { recursive: true })
    const code: HdeErrorCode = 'ERR_HDE_STORE_LOCKED'
    return lockDirectory(directory, code)
  },
  open: async (path, flags) => storeFile(await open(path, flags, 0o600)),
  rename,
  unlink,
  list: (directory) => readdir(directory),
  async syncDirectory(directory) {
    const handle = await open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}

function storeFile(handle: FileHandle): StoreFile {
  return {
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten
    },
    async read(offset, lengthBytes) {
      const bytes = Buffer.allocUnsafeSlow(lengthBytes)
      let done = 0
      while (done < lengthBytes) {
        const { bytesRead } = await handle.read(bytes, done, lengthBytes - done, offset + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return bytes.subarray(0, done)
    },
    size: async () => (await handle.stat()).size,
    sync: () => handle.datasync(),
    close: () => handle.close(),
  }
}
