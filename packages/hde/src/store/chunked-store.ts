import { type Digest, DwcpError } from '@dwcp/interface'
import { keysOf, segmentsOf } from '../chunks/cut.js'
import type { DigestKind } from '../chunks/modes.js'
import { digestText, startObjectDigest } from '../chunks/object-digest.js'
import type { DeltaBase } from '../delta/base.js'
import type { HdeErrorCode } from '../errors.js'
import type { Catalog, HeldChunk, HeldObject, NewChunk } from './catalog.js'
import type { Draft, Shelf } from './shelf.js'
import type { Baseline, BaselineStore, PutOptions, StoreStats } from './store.js'
import { chunkedBase } from './stored-base.js'

const MOST_NAME_CHARACTERS = 200

/** An object under way. Chunks that are held are claimed as they come, so that none is evicted; new ones are nobody else's yet. */
interface Arrival<Place> {
  readonly id: number
  readonly order: (HeldChunk<Place> | NewChunk<Place>)[]
  readonly claimed: Set<HeldChunk<Place>>
  readonly added: Map<string, NewChunk<Place>>
}

/** A {@link BaselineStore} on any {@link Shelf}. */
export class ChunkedStore<Place> implements BaselineStore {
  readonly digest: DigestKind
  readonly #catalog: Catalog<Place>
  readonly #shelf: Shelf<Place>
  readonly #mostBytes: number
  #tail: Promise<unknown> = Promise.resolve()
  #closed = false
  #evicted = 0
  #damaged = 0

  constructor(catalog: Catalog<Place>, shelf: Shelf<Place>, options: { readonly bytes: number; readonly digest: DigestKind }) {
    this.#catalog = catalog
    this.#shelf = shelf
    this.#mostBytes = options.bytes
    this.digest = options.digest
  }

  get generation(): string {
    return this.#catalog.generation
  }

  async put(object: Uint8Array | DeltaBase | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<Baseline> {
    const { name = '', chunks: mode = 'content', signal } = options
    if (name.length > MOST_NAME_CHARACTERS) throw new RangeError(`a name of ${name.length} characters: at most ${MOST_NAME_CHARACTERS}`)
    this.#requireOpen()
    const arrival: Arrival<Place> = { id: this.#catalog.nextId(), order: [], claimed: new Set(), added: new Map() }
    const draft = await this.#shelf.begin()
    try {
      const whole = await startObjectDigest(this.digest)
      let lengthBytes = 0
      for await (const segment of segmentsOf(object, mode, this.digest, signal)) {
        signal?.throwIfAborted()
        let at = 0
        let index = 0
        for (const key of keysOf(segment, this.digest)) {
          const length = segment.lengths[index] ?? 0
          await this.#take(arrival, draft, key, segment.bytes.subarray(at, at + length))
          at += length
          index += 1
        }
        if (draft.lengthBytes > this.#mostBytes) throw this.#full(draft.lengthBytes)
        await whole.update(segment.bytes, signal)
        lengthBytes += segment.bytes.length
      }
      const digest = digestText(this.digest, whole.digest())
      return await this.#inTurn(() => this.#keep({ digest, name, mode, lengthBytes }, arrival, draft))
    } catch (error) {
      await this.#inTurn(() => this.#forget(arrival))
      throw error
    } finally {
      await draft.discard()
    }
  }

  has(digest: Digest): boolean {
    return this.#catalog.get(digest) !== undefined
  }

  async base(digest: Digest): Promise<DeltaBase | undefined> {
    this.#requireOpen()
    const object = this.#catalog.get(digest)
    if (object === undefined) return undefined
    object.pins += 1
    return chunkedBase(
      object.chunks,
      (chunks) => this.read(chunks),
      () => {
        object.pins -= 1
        this.#catalog.use(object)
      },
    )
  }

  latest(name?: string): readonly Baseline[] {
    const found = [...this.#catalog.objects()].filter((object) => name === undefined || object.name === name)
    return found.toReversed().map(baselineOf)
  }

  delete(digest: Digest): Promise<void> {
    return this.#inTurn(async () => {
      const object = this.#catalog.get(digest)
      if (object !== undefined && object.pins === 0) await this.#remove(object)
    })
  }

  stats(): StoreStats {
    let [baselines, rawBytes] = [0, 0]
    for (const { lengthBytes } of this.#catalog.objects()) {
      baselines += 1
      rawBytes += lengthBytes
    }
    const counts = { evicted: this.#evicted, damaged: this.#damaged }
    return { baselines, chunks: this.#catalog.chunkCount, rawBytes, keptBytes: this.#shelf.keptBytes, ...counts }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#tail
    await this.#shelf.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** For the exchange of digests. */
  get catalog(): Catalog<Place> {
    return this.#catalog
  }

  /** The bytes of chunks. Whatever has a chunk that is not what it was is dropped. */
  async read(chunks: readonly HeldChunk<Place>[]): Promise<readonly Uint8Array[]> {
    const read = await this.#shelf.read(chunks)
    return chunks.map((chunk, index) => {
      const bytes = read[index]
      if (bytes === undefined) throw this.#drop(chunk)
      return bytes
    })
  }

  /** Keeps chunks from being evicted until what it returns is called, once. */
  hold(chunks: Iterable<HeldChunk<Place>>): () => Promise<void> {
    const held: Arrival<Place> = { id: this.#catalog.nextId(), order: [], claimed: new Set(chunks), added: new Map() }
    for (const chunk of held.claimed) this.#catalog.claim(chunk, held.id)
    return () => this.#inTurn(() => this.#forget(held))
  }

  /** Makes room after opening. */
  fit(): Promise<void> {
    return this.#inTurn(() => this.#makeRoom(0))
  }

  async #take(arrival: Arrival<Place>, draft: Draft<Place>, key: string, bytes: Uint8Array): Promise<void> {
    const held = this.#catalog.chunk(key)
    if (held !== undefined) {
      arrival.order.push(held)
      if (!arrival.claimed.has(held)) this.#catalog.claim(held, arrival.id)
      arrival.claimed.add(held)
      return
    }
    const added = arrival.added.get(key) ?? { key, lengthBytes: bytes.length, place: await draft.add(key, bytes) }
    arrival.added.set(key, added)
    arrival.order.push(added)
  }

  async #keep(
    what: Pick<HeldObject<Place>, 'digest' | 'name' | 'mode' | 'lengthBytes'>,
    arrival: Arrival<Place>,
    draft: Draft<Place>,
  ): Promise<Baseline> {
    this.#requireOpen()
    const held = this.#catalog.get(what.digest)
    if (held !== undefined) {
      await this.#forget(arrival)
      this.#catalog.use(held)
      this.#catalog.renew(held)
      return baselineOf(held)
    }
    await this.#makeRoom(draft.costBytes(arrival.order.length))
    await draft.commit(what, arrival.order)
    const fresh: HeldChunk<Place>[] = []
    const chunks = arrival.order.map((chunk) => {
      const known = 'owners' in chunk ? chunk : this.#catalog.chunk(chunk.key)
      if (known !== undefined) return known
      const added = this.#catalog.addChunk(chunk)
      fresh.push(added)
      return added
    })
    for (const chunk of new Set(chunks)) if (!arrival.claimed.has(chunk)) this.#catalog.claim(chunk, arrival.id)
    const added = this.#catalog.add({ ...what, id: arrival.id, chunks })
    await draft.settle(fresh)
    return baselineOf(added)
  }

  async #makeRoom(moreBytes: number): Promise<void> {
    while (this.#shelf.keptBytes + moreBytes > this.#mostBytes) {
      const victim = this.#catalog.victim()
      if (victim === undefined) throw this.#full(this.#shelf.keptBytes + moreBytes)
      this.#evicted += 1
      await this.#remove(victim)
    }
  }

  async #remove(object: HeldObject<Place>): Promise<void> {
    await this.#shelf.reclaim(this.#catalog.remove(object), object.digest)
  }

  #drop(chunk: HeldChunk<Place>): DwcpError<HdeErrorCode> {
    this.#catalog.hide(chunk)
    const lost = [...this.#catalog.objects()].filter((object) => object.chunks.includes(chunk))
    const dropped = this.#inTurn(async () => {
      for (const object of lost) {
        if (this.#catalog.get(object.digest) !== object) continue
        this.#damaged += 1
        await this.#remove(object)
      }
    })
    // What fails here fails again for whoever puts or opens next.
    void dropped.catch(() => undefined)
    const digests = lost.map(({ digest }) => digest)
    const text = `${digests.join(', ') || 'a chunk'} is not what was kept: it was changed from outside, and is dropped; encode again without it`
    return new DwcpError('ERR_HDE_STORE_DAMAGED', text, { details: { digests } })
  }

  async #forget(arrival: Arrival<Place>): Promise<void> {
    const unused = [...arrival.claimed].filter((chunk) => this.#catalog.release(chunk, arrival.id))
    arrival.claimed.clear()
    await this.#shelf.reclaim(unused)
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#tail.then(work)
    this.#tail = done.catch(() => undefined)
    return done
  }

  #requireOpen(): void {
    if (this.#closed)
      throw new DwcpError<HdeErrorCode>('ERR_HDE_STATE', 'this store is closed: open it again', { details: { state: 'closed' } })
  }

  #full(neededBytes: number): DwcpError<HdeErrorCode> {
    const text = `an object needs ${neededBytes} bytes in all beside what is in use, and the store may take ${this.#mostBytes}: raise bytes`
    return new DwcpError('ERR_HDE_STORE_FULL', text, { retryable: true, details: { neededBytes, limitBytes: this.#mostBytes } })
  }
}

function baselineOf<Place>({ digest, name, lengthBytes, chunks }: HeldObject<Place>): Baseline {
  return { digest, name, lengthBytes, chunks: chunks.length }
}
