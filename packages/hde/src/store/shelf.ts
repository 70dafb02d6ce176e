import type { Digest } from '@dwcp/interface'
import type { ChunkMode } from '../chunks/modes.js'
import type { HeldChunk, NewChunk } from './catalog.js'

/** What is known of an object before it is kept. */
export interface ObjectHead {
  readonly digest: Digest
  readonly name: string
  readonly mode: ChunkMode
  readonly lengthBytes: number
}

/** Where a store's chunks lie. The store calls one at a time, but for `read` and drafts, of which there may be several. */
export interface Shelf<Place> {
  /** What is on it, with everything that its keeping takes. */
  readonly keptBytes: number
  begin(): Promise<Draft<Place>>
  /** Of each chunk its bytes, not to be written to, verified where they may have changed; undefined where they are not what was written. */
  read(chunks: readonly HeldChunk<Place>[]): Promise<readonly (Uint8Array | undefined)[]>
  /** Takes back chunks that nobody has, and the object that had them. */
  reclaim(chunks: readonly HeldChunk<Place>[], object?: Digest): Promise<void>
  close(): Promise<void>
}

/** New chunks of an object that is being put. */
export interface Draft<Place> {
  add(key: string, bytes: Uint8Array): Promise<Place>
  /** Of the chunks so far. */
  readonly lengthBytes: number
  /** What keeping them will take, for an object of so many chunks. */
  costBytes(chunks: number): number
  /** Makes everything durable. */
  commit(object: ObjectHead, chunks: readonly NewChunk<Place>[]): Promise<void>
  /** Tells which of its chunks serve in the end: another object may have brought the same meanwhile. */
  settle(fresh: readonly HeldChunk<Place>[]): Promise<void>
  /** Nothing after `commit`. */
  discard(): Promise<void>
}
