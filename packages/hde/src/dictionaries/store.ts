import { type Digest, type Logger, silentLogger } from '@dwcp/interface'
import { pastLimit } from '../errors.js'
import { digestOf } from './name.js'
import { Reservoir } from './reservoir.js'
import { bestDictionary, type SampleForm } from './training.js'

/**
 * Of {@link createDictionaryStore}.
 *
 * @public
 */
export interface DictionaryStoreOptions {
  /** Of all dictionaries together. Past it, those go first that are not used to encode, the least recently used before others. @defaultValue 1 MiB */
  readonly bytes?: number
  /** Of one that is trained here. @defaultValue 16 KiB, which was best for documents of about 1 KiB */
  readonly dictionaryBytes?: number
  /** Of the samples of one kind, 1,000 at most. @defaultValue 1 MiB */
  readonly sampleBytes?: number
  /** Kinds that samples may be of. @defaultValue 32 */
  readonly kinds?: number
  /** Objects of a kind after which it is trained in the background; twice as many each time it changes nothing, up to 64 times. @defaultValue 500 */
  readonly trainAfterObjects?: number
  /** From 0 to below 1: which samples are kept. @defaultValue `Math.random` */
  readonly random?: () => number
  /** Says what training in the background came to. @defaultValue silent */
  readonly logger?: Logger
}

/**
 * Dictionaries by their digest, and which of them each kind of object is encoded with.
 *
 * @public
 */
export interface DictionaryStore {
  /** Keeps a dictionary, as one that a peer sent; the bytes become the store's. @throws `ERR_HDE_LIMIT` where it is longer than the store. */
  add(dictionary: Uint8Array): Digest
  /** To decode with, or to send to a peer that misses it; not to be changed. A digest may be cut to its first 16 digits, as in frames. */
  get(digest: Digest): Uint8Array | undefined
  /** What objects of this kind are encoded with. */
  current(kind: string): Digest | undefined
  /** Encodes objects of this kind with a dictionary that is here. @throws `RangeError` where it is not. */
  use(kind: string, digest: Digest): void
  /**
   * Offers an object as a sample of its kind, and starts training in the background where it is time. The encoders do this.
   *
   * @param make - Called where the object is taken.
   * @throws `RangeError` where the kind is of another form; `ERR_HDE_LIMIT` past `kinds`.
   */
  sample(kind: string, form: SampleForm, make: () => Uint8Array): void
  /**
   * Trains now, on samples since the last time: takes the new dictionary where it is at least 5 % better on samples that it was not
   * made from, and retires the current one where it no longer pays.
   *
   * @returns what the kind is encoded with from now on.
   */
  train(kind: string, options?: { readonly signal?: AbortSignal }): Promise<Digest | undefined>
  /** Encodes nothing with it any more. It stays for what is still on its way, as long as there is room. */
  retire(digest: Digest): void
}

const DEFAULTS = { bytes: 1 << 20, dictionaryBytes: 16 << 10, sampleBytes: 1 << 20, kinds: 32, trainAfterObjects: 500 } as const
const SAMPLES = 1_000
const MOST_PATIENCE = 64
/** Hexadecimal digits of a digest that frames have. */
const NAME_DIGITS = 16

/**
 * A store of dictionaries for {@link encodeObject} and {@link encodeDocuments}.
 *
 * @example
 * ```ts
 * import { createDictionaryStore, decodeObject, encodeObject } from '@dwcp/hde'
 * const [ours, theirs] = [createDictionaryStore(), createDictionaryStore()]
 * const object = new TextEncoder().encode('{"node":"a","phase":"Ready"}')
 * const frame = await encodeObject(object, { dictionaries: ours, kind: 'node' })
 * const digest = ours.current('node')
 * if (digest !== undefined) theirs.add(ours.get(digest) ?? new Uint8Array())
 * console.log((await decodeObject(frame, { dictionaries: theirs })).length)
 * ```
 * @public
 */
export function createDictionaryStore(options: DictionaryStoreOptions = {}): DictionaryStore {
  return new MemoryDictionaryStore(options)
}

interface Kind {
  form: SampleForm | undefined
  reservoir: Reservoir
  current: Digest | undefined
  patience: number
  training: Promise<Digest | undefined> | undefined
}

class MemoryDictionaryStore implements DictionaryStore {
  readonly #options: Required<Omit<DictionaryStoreOptions, 'random' | 'logger'>>
  readonly #random: () => number
  readonly #logger: Logger
  readonly #kinds = new Map<string, Kind>()
  /** By the first digits of the digest; the least recently used first. */
  readonly #held = new Map<string, { readonly digest: Digest; readonly bytes: Uint8Array }>()
  #heldBytes = 0

  constructor({ random = Math.random, logger = silentLogger, ...options }: DictionaryStoreOptions) {
    this.#options = { ...DEFAULTS, ...options }
    this.#random = random
    this.#logger = logger
  }

  add(dictionary: Uint8Array): Digest {
    const limit = this.#options.bytes
    if (dictionary.length > limit) throw pastLimit('a dictionary', dictionary.length, limit, 'make the store larger')
    const digest = digestOf(dictionary)
    const name = nameOf(digest)
    if (this.get(digest) !== undefined) return digest
    this.#remove(name)
    this.#held.set(name, { digest, bytes: dictionary })
    this.#heldBytes += dictionary.length
    this.#makeRoom(name)
    return digest
  }

  get(digest: Digest): Uint8Array | undefined {
    const name = nameOf(digest)
    const found = this.#held.get(name)
    if (found === undefined || name.length < NAME_DIGITS || !found.digest.startsWith(digest)) return undefined
    this.#held.delete(name)
    this.#held.set(name, found)
    return found.bytes
  }

  current(kind: string): Digest | undefined {
    return this.#kinds.get(kind)?.current
  }

  use(kind: string, digest: Digest): void {
    const held = this.#held.get(nameOf(digest))
    if (held === undefined) throw new RangeError(`no dictionary ${digest} is here: add it first`)
    this.#kindOf(kind).current = held.digest
  }

  sample(kind: string, form: SampleForm, make: () => Uint8Array): void {
    const held = this.#kindOf(kind)
    held.form ??= form
    if (held.form !== form) throw new RangeError(`objects of the kind ${kind} are ${held.form}: ${form} is another kind`)
    held.reservoir.offer(make)
    if (held.training !== undefined || held.reservoir.seen < held.patience * this.#options.trainAfterObjects) return
    this.train(kind).then(
      (digest) => this.#logger.debug({ kind, digest }, 'trained'),
      // Objects go on without a better dictionary; the next time may do.
      (error: unknown) => this.#logger.warn({ kind, error }, 'no dictionary was trained'),
    )
  }

  train(kind: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Digest | undefined> {
    const held = this.#kinds.get(kind)
    if (held === undefined) return Promise.resolve(undefined)
    held.training ??= this.#train(held, signal).finally(() => {
      held.training = undefined
    })
    return held.training
  }

  retire(digest: Digest): void {
    for (const kind of this.#kinds.values()) if (kind.current === digest) kind.current = undefined
  }

  async #train(kind: Kind, signal: AbortSignal | undefined): Promise<Digest | undefined> {
    const samples = kind.reservoir.objects
    kind.reservoir = this.#reservoir()
    const before = kind.current
    const held = before === undefined ? undefined : this.get(before)
    const best = await bestDictionary(samples, kind.form ?? 'bytes', held, this.#options.dictionaryBytes, signal)
    if (best === undefined) kind.current = undefined
    else if (best !== held) kind.current = this.add(best)
    kind.patience = kind.current === before ? Math.min(MOST_PATIENCE, 2 * kind.patience) : 1
    return kind.current
  }

  #kindOf(name: string): Kind {
    const found = this.#kinds.get(name)
    if (found !== undefined) return found
    if (this.#kinds.size >= this.#options.kinds)
      throw pastLimit('kinds of objects', this.#kinds.size + 1, this.#options.kinds, 'raise kinds')
    const kind: Kind = { form: undefined, reservoir: this.#reservoir(), current: undefined, patience: 1, training: undefined }
    this.#kinds.set(name, kind)
    return kind
  }

  #reservoir(): Reservoir {
    return new Reservoir(SAMPLES, this.#options.sampleBytes, this.#random)
  }

  #makeRoom(newest: string): void {
    const isUsed = ({ digest }: { digest: Digest }): boolean => [...this.#kinds.values()].some(({ current }) => current === digest)
    for (const used of [false, true]) {
      for (const [name, held] of this.#held) {
        if (this.#heldBytes <= this.#options.bytes) return
        if (name === newest || isUsed(held) !== used) continue
        this.retire(held.digest)
        this.#remove(name)
      }
    }
  }

  #remove(name: string): void {
    this.#heldBytes -= this.#held.get(name)?.bytes.length ?? 0
    this.#held.delete(name)
  }
}

function nameOf(digest: Digest): string {
  return digest.slice('sha-256:'.length, 'sha-256:'.length + NAME_DIGITS)
}
