import type { Digest } from '@dwcp/interface'
import type { ChunkMode } from '../chunks/modes.js'
import type { DigestOf } from '../chunks/object-digest.js'
import { type Run, runsOf, tagOf } from '../chunks/runs.js'

export interface NewChunk<Place> {
  /** Its digest, one character a byte. */
  readonly key: string
  readonly lengthBytes: number
  place: Place
}

/** A chunk that is kept once, however many objects have it. */
export interface HeldChunk<Place> extends NewChunk<Place> {
  owners: number
  /** The numbers of all owners, combined by exclusive or: where there is one owner, it is this. */
  ownersMixed: number
}

/** An object, as its chunks in order. */
export interface HeldObject<Place> {
  readonly id: number
  readonly digest: Digest
  readonly name: string
  readonly mode: ChunkMode
  readonly lengthBytes: number
  readonly chunks: readonly HeldChunk<Place>[]
  /** Transfers that use it now; it is not evicted meanwhile. */
  pins: number
  uses: number
  /** The catalog's age when it was last used. */
  usedAt: number
  /** Bytes of chunks that no other object has. */
  ownBytes: number
}

/**
 * What a store holds, in memory: objects, their chunks, and which object is worth least. An object's worth is
 * `usedAt + uses × lengthBytes / ownBytes`: the bytes that it can save for each byte that it takes, aged as in GreedyDual-Size with
 * frequency (Cherkasova 1998): what is evicted lifts the age of what comes or is used later, so that no clock is needed.
 */
export class Catalog<Place> {
  readonly #digestOf: DigestOf
  readonly #objects = new Map<Digest, HeldObject<Place>>()
  readonly #byId = new Map<number, HeldObject<Place>>()
  /** By tag; those whose tag another chunk has, by their whole digest. */
  readonly #chunks = new Map<string, HeldChunk<Place>>()
  readonly #runs = new Map<string, { readonly object: HeldObject<Place>; readonly run: Run }>()
  #age = 0
  #lastId = 0
  #generation: string | undefined

  constructor(digestOf: DigestOf) {
    this.#digestOf = digestOf
  }

  get chunkCount(): number {
    return this.#chunks.size
  }

  /** A number for an owner of chunks: an object, or one that is being made. */
  nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  get(digest: Digest): HeldObject<Place> | undefined {
    return this.#objects.get(digest)
  }

  /** Oldest first. */
  objects(): Iterable<HeldObject<Place>> {
    return this.#objects.values()
  }

  chunk(key: string): HeldChunk<Place> | undefined {
    const found = this.#chunks.get(tagOf(key))
    return found === undefined || found.key === key ? found : this.#chunks.get(key)
  }

  chunkByTag(tag: string): HeldChunk<Place> | undefined {
    return this.#chunks.get(tag)
  }

  runByTag(tag: string): readonly HeldChunk<Place>[] | undefined {
    const found = this.#runs.get(tag)
    return found?.object.chunks.slice(found.run.first, found.run.first + found.run.chunks)
  }

  addChunk({ key, lengthBytes, place }: NewChunk<Place>): HeldChunk<Place> {
    const chunk = { key, lengthBytes, place, owners: 0, ownersMixed: 0 }
    const tag = tagOf(key)
    this.#chunks.set(this.#chunks.has(tag) ? key : tag, chunk)
    return chunk
  }

  claim(chunk: HeldChunk<Place>, id: number): void {
    this.#ownerOf(chunk, -chunk.lengthBytes)
    chunk.owners += 1
    chunk.ownersMixed ^= id
    this.#ownerOf(chunk, chunk.lengthBytes)
  }

  /** @returns whether nobody has it now, and it is forgotten. */
  release(chunk: HeldChunk<Place>, id: number): boolean {
    this.#ownerOf(chunk, -chunk.lengthBytes)
    chunk.owners -= 1
    chunk.ownersMixed ^= id
    this.#ownerOf(chunk, chunk.lengthBytes)
    if (chunk.owners > 0) return false
    this.hide(chunk)
    return true
  }

  /** No object that comes finds the chunk any more. */
  hide(chunk: HeldChunk<Place>): void {
    for (const key of [tagOf(chunk.key), chunk.key]) if (this.#chunks.get(key) === chunk) this.#chunks.delete(key)
  }

  /** An object whose chunks its `id` has claimed, each once. */
  add(object: Omit<HeldObject<Place>, 'pins' | 'uses' | 'usedAt' | 'ownBytes'>): HeldObject<Place> {
    const ownBytes = [...new Set(object.chunks)].reduce((sum, { owners, lengthBytes }) => sum + (owners === 1 ? lengthBytes : 0), 0)
    const held = { ...object, pins: 0, uses: 1, usedAt: this.#age, ownBytes }
    this.#objects.set(held.digest, held)
    this.#byId.set(held.id, held)
    const keys = held.chunks.map(({ key }) => key)
    for (const run of runsOf(keys, this.#digestOf)) this.#runs.set(run.tag, { object: held, run })
    this.#generation = undefined
    return held
  }

  /** @returns the chunks that nobody has now. */
  remove(object: HeldObject<Place>): readonly HeldChunk<Place>[] {
    this.#objects.delete(object.digest)
    this.#byId.delete(object.id)
    for (const [tag, { object: owner }] of this.#runs) if (owner === object) this.#runs.delete(tag)
    this.#generation = undefined
    return [...new Set(object.chunks)].filter((chunk) => this.release(chunk, object.id))
  }

  use(object: HeldObject<Place>): void {
    object.uses += 1
    object.usedAt = this.#age
  }

  /** Moves an object behind all others of its name. */
  renew(object: HeldObject<Place>): void {
    this.#objects.delete(object.digest)
    this.#objects.set(object.digest, object)
  }

  /** The object worth least, of those that nobody uses. */
  victim(): HeldObject<Place> | undefined {
    let least: HeldObject<Place> | undefined
    let leastWorth = Number.POSITIVE_INFINITY
    for (const object of this.#objects.values()) {
      if (object.pins > 0) continue
      const worth = object.usedAt + (object.uses * object.lengthBytes) / Math.max(1, object.ownBytes)
      if (worth >= leastWorth) continue
      least = object
      leastWorth = worth
    }
    if (least !== undefined) this.#age = leastWorth
    return least
  }

  /** Of everything that is held, in hex: the same objects give the same. */
  get generation(): string {
    this.#generation ??= Buffer.from(this.#digestOf(Buffer.from([...this.#objects.keys()].sort().join(' ')))).toString('hex')
    return this.#generation
  }

  #ownerOf(chunk: HeldChunk<Place>, bytes: number): void {
    const owner = chunk.owners === 1 ? this.#byId.get(chunk.ownersMixed) : undefined
    if (owner !== undefined) owner.ownBytes += bytes
  }
}
