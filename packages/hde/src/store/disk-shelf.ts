import { join } from 'node:path'
import type { Digest } from '@dwcp/interface'
import type { DigestKind } from '../chunks/modes.js'
import type { DigestOf } from '../chunks/object-digest.js'
import type { HeldChunk, NewChunk } from './catalog.js'
import { type ChunkName, mostTableBytes, type PackTable, readTable, tableLength, tailBytes, writeTable } from './pack-table.js'
import type { Draft, ObjectHead, Shelf } from './shelf.js'
import type { StoreFile, StoreFiles } from './store-files.js'

/**
 * A file of chunks, or of the list of an object's chunks. Written whole before it gets its name, and never changed: what is behind a
 * name is durable.
 */
interface Pack {
  readonly path: string
  fileBytes: number
  /** Chunks that are read from here. */
  readonly live: Set<HeldChunk<PackPlace>>
}

export interface PackPlace {
  readonly pack: Pack
  readonly offset: number
}

export interface FoundPack {
  readonly pack: Pack
  readonly table: PackTable
}

const PACK_NAME = /^(\d{12})\.pack$/
const DRAFT_SUFFIX = '.new'
/** A pack is written anew, without what nobody has, when that is more than one part in this many. */
const DEAD_SHARE = 4
/** Of tables, which also count. */
const SPARE_BYTES = 16 << 10
/** Gathered for one write; longer than any chunk. */
const WRITE_BYTES = 1 << 20

/** Chunks in files of a directory; see docs/wire/chunks.md. */
export class DiskShelf implements Shelf<PackPlace> {
  readonly #directory: string
  readonly #files: StoreFiles
  readonly #kind: DigestKind
  readonly #digestOf: DigestOf
  readonly #lock: AsyncDisposable
  readonly #lists = new Map<Digest, Pack>()
  #lastNumber = 0
  keptBytes = 0

  constructor(directory: string, files: StoreFiles, kind: DigestKind, digestOf: DigestOf, lock: AsyncDisposable) {
    this.#directory = directory
    this.#files = files
    this.#kind = kind
    this.#digestOf = digestOf
    this.#lock = lock
  }

  /** Every pack that is whole, oldest first; what is left of unfinished ones is deleted, and so is what cannot be read. */
  async packs(): Promise<readonly FoundPack[]> {
    const found: FoundPack[] = []
    for (const name of [...(await this.#files.list(this.#directory))].sort()) {
      const path = join(this.#directory, name)
      if (name.endsWith(DRAFT_SUFFIX)) await this.#files.unlink(path)
      const number = Number(PACK_NAME.exec(name)?.[1] ?? Number.NaN)
      if (Number.isNaN(number)) continue
      this.#lastNumber = number
      const read = await this.#readPack(path)
      if (read === undefined) await this.#files.unlink(path)
      else found.push(read)
    }
    return found
  }

  async begin(): Promise<Draft<PackPlace>> {
    const pack = this.#newPack()
    const names: ChunkName[] = []
    const buffer = Buffer.allocUnsafeSlow(WRITE_BYTES)
    let [buffered, lengthBytes] = [0, 0]
    let file: StoreFile | undefined
    let isDone = false
    const opened = async (): Promise<StoreFile> => {
      file ??= await this.#files.open(pack.path + DRAFT_SUFFIX, 'wx')
      return file
    }
    const flush = async (): Promise<void> => {
      await (await opened()).write(buffer.subarray(0, buffered))
      buffered = 0
    }
    return {
      get lengthBytes() {
        return lengthBytes
      },
      costBytes: (chunks) => lengthBytes + mostTableBytes(this.#kind, chunks) + mostTableBytes(this.#kind, names.length),
      add: async (key, bytes) => {
        if (bytes.length > buffer.length - buffered) await flush()
        buffer.set(bytes, buffered)
        buffered += bytes.length
        const place = { pack, offset: lengthBytes }
        names.push({ key, lengthBytes: bytes.length })
        lengthBytes += bytes.length
        return place
      },
      commit: async (object: ObjectHead, chunks: readonly NewChunk<PackPlace>[]) => {
        const list = this.#newPack()
        const listFile = await this.#files.open(list.path + DRAFT_SUFFIX, 'wx')
        try {
          await this.#finish(list, listFile, { chunks: [], object: { head: object, chunks } }, 0)
          if (file !== undefined || buffered > 0) {
            await flush()
            await this.#finish(pack, await opened(), { chunks: names }, lengthBytes)
          }
          await this.#files.syncDirectory(this.#directory)
        } catch (error) {
          await this.#abandon(list, listFile)
          if (file !== undefined) await this.#abandon(pack, file)
          throw error
        }
        isDone = true
        this.#lists.set(object.digest, list)
        this.keptBytes += list.fileBytes + pack.fileBytes
      },
      settle: async (fresh) => {
        for (const chunk of fresh) pack.live.add(chunk)
        await this.#tidy(pack)
      },
      discard: async () => {
        if (file === undefined || isDone) return
        await file.close()
        await this.#unlink(pack.path + DRAFT_SUFFIX)
      },
    }
  }

  async read(chunks: readonly HeldChunk<PackPlace>[]): Promise<readonly (Uint8Array | undefined)[]> {
    const read: (Uint8Array | undefined)[] = []
    for (const together of neighbours(chunks)) {
      const pack = together[0]?.place.pack
      const bytes = await this.#readTogether(together)
      let at = 0
      for (const chunk of together) {
        const found = bytes?.subarray(at, at + chunk.lengthBytes)
        const isRight = found !== undefined && Buffer.from(this.#digestOf(found)).toString('latin1') === chunk.key
        // It may have moved to another pack before its file was open.
        const again = isRight || chunk.place.pack === pack ? [] : await this.read([chunk])
        read.push(isRight ? found : again[0])
        at += chunk.lengthBytes
      }
    }
    return read
  }

  async reclaim(chunks: readonly HeldChunk<PackPlace>[], object?: Digest): Promise<void> {
    const list = object === undefined ? undefined : this.#lists.get(object)
    if (object !== undefined) this.#lists.delete(object)
    // The list goes first: one without its chunks would only be found and deleted later.
    if (list !== undefined) await this.#drop(list)
    for (const chunk of chunks) chunk.place.pack.live.delete(chunk)
    for (const pack of new Set(chunks.map(({ place }) => place.pack))) await this.#tidy(pack)
  }

  async close(): Promise<void> {
    await this.#lock[Symbol.asyncDispose]()
  }

  /** Takes over a pack that was found, with the chunks that are read from there. */
  async take(pack: Pack, live: readonly HeldChunk<PackPlace>[]): Promise<void> {
    this.keptBytes += pack.fileBytes
    for (const chunk of live) pack.live.add(chunk)
    await this.#tidy(pack)
  }

  takeList(pack: Pack, object: Digest): void {
    this.keptBytes += pack.fileBytes
    this.#lists.set(object, pack)
  }

  /** Deletes a pack that was found, and is of no use. */
  refuse(pack: Pack): Promise<void> {
    return this.#unlink(pack.path)
  }

  async #tidy(pack: Pack): Promise<void> {
    let liveBytes = 0
    for (const { lengthBytes } of pack.live) liveBytes += lengthBytes
    if (pack.fileBytes === 0) return
    if (pack.live.size === 0) await this.#drop(pack)
    else if (pack.fileBytes - liveBytes > SPARE_BYTES + pack.fileBytes / DEAD_SHARE) await this.#rewrite(pack)
  }

  #newPack(): Pack {
    this.#lastNumber += 1
    const name = `${String(this.#lastNumber).padStart(12, '0')}.pack`
    return { path: join(this.#directory, name), fileBytes: 0, live: new Set() }
  }

  async #finish(pack: Pack, file: StoreFile, table: PackTable, dataBytes: number): Promise<void> {
    const bytes = writeTable(this.#kind, this.#digestOf, table)
    try {
      await file.write(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#files.rename(pack.path + DRAFT_SUFFIX, pack.path)
    pack.fileBytes = dataBytes + bytes.length
  }

  /** The chunks that somebody has move to a pack of their own. */
  async #rewrite(pack: Pack): Promise<void> {
    const fresh = this.#newPack()
    const file = await this.#files.open(fresh.path + DRAFT_SUFFIX, 'wx')
    const moved: { readonly chunk: HeldChunk<PackPlace>; readonly place: PackPlace }[] = []
    try {
      let offset = 0
      for (const chunk of pack.live) {
        const bytes = await this.#readTogether([chunk])
        // Moved as it is, wrong or not: whoever reads it finds out. What is gone stays behind.
        if (bytes === undefined) continue
        await file.write(bytes)
        moved.push({ chunk, place: { pack: fresh, offset } })
        offset += bytes.length
      }
      await this.#finish(fresh, file, { chunks: moved.map(({ chunk }) => chunk) }, offset)
      await this.#files.syncDirectory(this.#directory)
    } catch (error) {
      await this.#abandon(fresh, file)
      throw error
    }
    for (const { chunk, place } of moved) {
      chunk.place = place
      fresh.live.add(chunk)
    }
    this.keptBytes += fresh.fileBytes
    await this.#drop(pack)
  }

  async #drop(pack: Pack): Promise<void> {
    this.keptBytes -= pack.fileBytes
    pack.fileBytes = 0
    await this.#unlink(pack.path)
  }

  /** Leaves nothing of a pack that could not be written, by either name. */
  async #abandon(pack: Pack, file: StoreFile): Promise<void> {
    await file.close()
    await this.#unlink(pack.path + DRAFT_SUFFIX)
    await this.#unlink(pack.path)
  }

  async #unlink(path: string): Promise<void> {
    try {
      await this.#files.unlink(path)
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  /** Chunks that stand side by side; undefined where their file, or a part of it, is gone. */
  async #readTogether(chunks: readonly HeldChunk<PackPlace>[]): Promise<Uint8Array | undefined> {
    const [first] = chunks
    if (first === undefined) return undefined
    const { pack, offset } = first.place
    const lengthBytes = chunks.reduce((sum, chunk) => sum + chunk.lengthBytes, 0)
    try {
      const file = await this.#files.open(pack.path, 'r')
      try {
        const bytes = await file.read(offset, lengthBytes)
        return bytes.length === lengthBytes ? bytes : undefined
      } finally {
        await file.close()
      }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async #readPack(path: string): Promise<FoundPack | undefined> {
    const file = await this.#files.open(path, 'r')
    try {
      const fileBytes = await file.size()
      const tailLength = tailBytes(this.#kind)
      if (fileBytes < tailLength) return undefined
      const tail = await file.read(fileBytes - tailLength, tailLength)
      const tableBytes = tableLength(this.#kind, tail, fileBytes)
      if (tableBytes === undefined) return undefined
      const table = readTable(this.#kind, this.#digestOf, await file.read(fileBytes - tailLength - tableBytes, tableBytes), tail)
      if (table === undefined) return undefined
      const dataBytes = table.chunks.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
      if (dataBytes + tableBytes + tailLength !== fileBytes) return undefined
      return { table, pack: { path, fileBytes, live: new Set() } }
    } finally {
      await file.close()
    }
  }
}

/** Those that stand side by side in one pack, together. */
function* neighbours(chunks: readonly HeldChunk<PackPlace>[]): Generator<readonly HeldChunk<PackPlace>[], void, undefined> {
  let together: HeldChunk<PackPlace>[] = []
  let end: PackPlace | undefined
  for (const chunk of chunks) {
    if (end !== undefined && (chunk.place.pack !== end.pack || chunk.place.offset !== end.offset)) {
      yield together
      together = []
    }
    together.push(chunk)
    end = { pack: chunk.place.pack, offset: chunk.place.offset + chunk.lengthBytes }
  }
  if (together.length > 0) yield together
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
