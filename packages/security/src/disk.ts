import { open, rename, rm } from 'node:fs/promises'

/** A file that is being written and is not in place yet. */
export interface DraftFile {
  write(bytes: Uint8Array): Promise<void>
  /** To stable storage. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** The steps in which files of this package are written: a test breaks off at any of them. */
export interface Disk {
  /** A new file that only its owner can read, whatever the umask. */
  create(path: string): Promise<DraftFile>
  rename(from: string, to: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  remove(path: string): Promise<void>
}

const OWNER_ONLY = 0o600

export const nodeDisk: Disk = {
  async create(path) {
    const file = await open(path, 'wx', OWNER_ONLY)
    try {
      await file.chmod(OWNER_ONLY)
    } catch (error) {
      await file.close()
      throw error
    }
    return {
      write: (bytes) => file.writeFile(bytes),
      sync: () => file.sync(),
      close: () => file.close(),
    }
  },
  rename,
  async syncDirectory(path) {
    const directory = await open(path, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  },
  remove: (path) => rm(path, { force: true }),
}
