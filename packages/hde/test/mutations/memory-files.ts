import { basename } from 'node:path'
import type { StoreFile, StoreFiles } from '../../src/store/store-files.ts'

/** A directory of files in memory. */
export class MemoryFiles implements StoreFiles {
  readonly files: Map<string, Buffer>

  constructor(files: Iterable<readonly [string, Uint8Array]> = []) {
    this.files = new Map([...files].map(([name, bytes]) => [name, Buffer.from(bytes)]))
  }

  async lock(): Promise<AsyncDisposable> {
    return { [Symbol.asyncDispose]: async () => undefined }
  }

  async open(path: string, flags: 'r' | 'wx'): Promise<StoreFile> {
    const name = basename(path)
    if (flags === 'r' && !this.files.has(name)) throw Object.assign(new Error(`${name} is not here`), { code: 'ENOENT' })
    if (flags === 'wx' && this.files.has(name)) throw Object.assign(new Error(`${name} is here`), { code: 'EEXIST' })
    let bytes = this.files.get(name) ?? Buffer.alloc(0)
    return {
      write: async (more) => {
        bytes = Buffer.concat([bytes, more])
        this.files.set(name, bytes)
      },
      read: async (offset, lengthBytes) => bytes.subarray(offset, offset + lengthBytes),
      size: async () => bytes.length,
      sync: async () => undefined,
      close: async () => undefined,
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const bytes = this.files.get(basename(from))
    if (bytes === undefined) throw Object.assign(new Error(`${from} is not here`), { code: 'ENOENT' })
    this.files.delete(basename(from))
    this.files.set(basename(to), bytes)
  }

  async unlink(path: string): Promise<void> {
    if (!this.files.delete(basename(path))) throw Object.assign(new Error(`${path} is not here`), { code: 'ENOENT' })
  }

  async list(): Promise<readonly string[]> {
    return [...this.files.keys()]
  }

  async syncDirectory(): Promise<void> {}
}
