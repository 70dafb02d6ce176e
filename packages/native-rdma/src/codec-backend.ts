import type { Backend } from './backend.js'

/**
 * Who does zstd here, and whether it can encode.
 *
 * @public
 */
export interface ZstdBackend extends Backend {
  /** False on a Node without zstd in its zlib (before 22.15) where libzstd or the addon is missing: decoding only. */
  readonly canEncode: boolean
  /** False on a Node whose zstd takes no prefix (before 24.6) where libzstd or the addon is missing. */
  readonly canEncodeWithPrefix: boolean
}

/** What only the addon heeds while it compresses. */
export interface ZstdEffort {
  readonly tableLogMax?: number
  readonly signal?: AbortSignal | undefined
}

export const MAX_TABLE_LOG = 22

export interface ZstdCodec {
  readonly backend: ZstdBackend
  compress(source: Uint8Array, level: number, prefix: Uint8Array, options?: ZstdEffort): Promise<Uint8Array>
  decompress(frame: Uint8Array, maxBytes: number, prefix: Uint8Array): Promise<Uint8Array>
}

export interface Lz4Codec {
  readonly backend: Backend
  compress(source: Uint8Array, prefix: Uint8Array): Promise<Uint8Array>
  /** The caller has bounded `lengthBytes` by what the block can hold. */
  decompress(block: Uint8Array, lengthBytes: number, prefix: Uint8Array): Promise<Uint8Array>
}
