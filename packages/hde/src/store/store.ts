import type { Digest } from '@dwcp/interface'
import type { ChunkMode, DigestKind } from '../chunks/modes.js'
import type { DeltaBase } from '../delta/base.js'

/**
 * How to keep an object.
 *
 * @public
 */
export interface PutOptions {
  /** What it is a version of, at most 200 characters: `latest` finds it by this. @defaultValue '' */
  readonly name?: string
  /** @defaultValue 'content' */
  readonly chunks?: ChunkMode
  readonly signal?: AbortSignal
}

/**
 * An object that a store keeps.
 *
 * @public
 */
export interface Baseline {
  readonly digest: Digest
  readonly name: string
  readonly lengthBytes: number
  readonly chunks: number
}

/**
 * What a store holds now, and what became of what it held.
 *
 * @public
 */
export interface StoreStats {
  readonly baselines: number
  readonly chunks: number
  /** Of all baselines, each counted whole. */
  readonly rawBytes: number
  /** What they take together; never past the store's bound. */
  readonly keptBytes: number
  readonly evicted: number
  /** Baselines dropped because what was read was not what was written. */
  readonly damaged: number
}

/**
 * Keeps objects under their digests, as chunks that objects share, within a bound of bytes. What is worth least goes first: see
 * `docs/wire/chunks.md` for the formula. Made by `createMemoryStore` and `openDiskStore`.
 *
 * @public
 */
export interface BaselineStore extends AsyncDisposable {
  /** What objects and chunks are named by. */
  readonly digest: DigestKind
  /** Changes when what is held changes, and only then: hex of a digest over all baselines. */
  readonly generation: string
  /**
   * Keeps an object; bytes are copied. Several may be kept at once. The bound holds for what is kept: an object under way takes its
   * new bytes beside it.
   *
   * @throws `ERR_HDE_STORE_FULL` where it does not fit beside what is in use; `ERR_HDE_STATE` after `close`; what reading the object
   * throws; `signal.reason`. Nothing is kept then.
   */
  put(object: Uint8Array | DeltaBase | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<Baseline>
  has(digest: Digest): boolean
  /** The kept object, to be read anywhere; it is not evicted until disposed. Every chunk is verified as it is read from a disk. */
  base(digest: Digest): Promise<DeltaBase | undefined>
  /** Of a name, newest first; of all where none is given. */
  latest(name?: string): readonly Baseline[]
  /** Nothing happens to one that is in use, or not held. */
  delete(digest: Digest): Promise<void>
  stats(): StoreStats
  close(): Promise<void>
}

/**
 * How much a store keeps, and under which digests.
 *
 * @public
 */
export interface StoreOptions {
  /** Bound of what is kept, in memory or on the disk; the lists of chunks, some 200 bytes a chunk in memory, come on top. @defaultValue 1 GiB */
  readonly bytes?: number
  /** `xxh3-128` only where whoever gives objects to the store is trusted: it stops no attacker. @defaultValue 'blake3' */
  readonly digest?: DigestKind
}

/**
 * Of `StoreOptions.bytes`.
 *
 * @public
 */
export const DEFAULT_STORE_BYTES: number = 1024 ** 3
