import { loadDigestOf } from '../chunks/object-digest.js'
import { Catalog, type HeldChunk } from './catalog.js'
import { ChunkedStore } from './chunked-store.js'
import { DiskShelf, type PackPlace } from './disk-shelf.js'
import { requireBytes } from './memory-store.js'
import { type BaselineStore, DEFAULT_STORE_BYTES, type StoreOptions } from './store.js'
import { diskFiles, type StoreFiles } from './store-files.js'

/**
 * A {@link BaselineStore} in a directory, which it creates and keeps every other process of this host out of. What `put` has resolved
 * for is there after a crash; what it had not is gone without a trace. Opening reads the lists of chunks, not the chunks.
 *
 * A directory keeps its kind of digest: packs of another kind are deleted.
 *
 * @throws `ERR_HDE_STORE_LOCKED`; `RangeError` for a bound that cannot be; what the file system throws.
 * @public
 */
export async function openDiskStore(directory: string, options: StoreOptions = {}): Promise<BaselineStore> {
  return openStoreOn(diskFiles, directory, options)
}

/** On any files, so that tests can fail them. */
export async function openStoreOn(files: StoreFiles, directory: string, options: StoreOptions): Promise<ChunkedStore<PackPlace>> {
  const { bytes = DEFAULT_STORE_BYTES, digest = 'blake3' } = options
  requireBytes(bytes)
  const lock = await files.lock(directory)
  try {
    const digestOf = await loadDigestOf(digest)
    const shelf = new DiskShelf(directory, files, digest, digestOf, lock)
    const catalog = new Catalog<PackPlace>(digestOf)
    await fill(catalog, shelf)
    const store = new ChunkedStore(catalog, shelf, { bytes, digest })
    await store.fit()
    return store
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

async function fill(catalog: Catalog<PackPlace>, shelf: DiskShelf): Promise<void> {
  const found = await shelf.packs()
  const placed = found.flatMap(({ pack, table }) => {
    let offset = 0
    return table.chunks.map(({ key, lengthBytes }) => {
      offset += lengthBytes
      return { key, lengthBytes, place: { pack, offset: offset - lengthBytes } }
    })
  })
  const chunks = new Map(placed.map((chunk) => [chunk.key, chunk]))
  for (const { pack, table } of found) {
    if (table.object === undefined) continue
    const { head, chunks: names } = table.object
    const isWhole = names.every(({ key, lengthBytes }) => chunks.get(key)?.lengthBytes === lengthBytes)
    // What it needs was removed, by somebody else or when the process ended; or it is not what it was.
    if (!isWhole || catalog.get(head.digest) !== undefined) await shelf.refuse(pack)
    else {
      const id = catalog.nextId()
      const held = names.flatMap(({ key }) => {
        const chunk = chunks.get(key)
        return catalog.chunk(key) ?? (chunk === undefined ? [] : catalog.addChunk(chunk))
      })
      for (const chunk of new Set(held)) catalog.claim(chunk, id)
      catalog.add({ ...head, id, chunks: held })
      shelf.takeList(pack, head.digest)
    }
  }
  const live = new Map<unknown, HeldChunk<PackPlace>[]>(found.map(({ pack }) => [pack, []]))
  for (const chunk of new Set([...catalog.objects()].flatMap((object) => object.chunks))) live.get(chunk.place.pack)?.push(chunk)
  for (const { pack, table } of found) if (table.object === undefined) await shelf.take(pack, live.get(pack) ?? [])
}
