import type { Sink } from '../sink.js'

/**
 * What v1 cannot say of itself, so that no report of it is silent about it: `integrity` is 'none' because v1 has no checksum, only
 * that every byte came once; `security` because everyone on the path can read and change it.
 *
 * @public
 */
export interface V1Terms {
  readonly protocol: 'v1'
  readonly security: 'plaintext'
  readonly integrity: 'none'
}

export const V1_TERMS: V1Terms = { protocol: 'v1', security: 'plaintext', integrity: 'none' }

/**
 * How far a transfer is.
 *
 * @public
 */
export interface V1Progress {
  /** Taken by the sink; at the sender, by its system's TCP: v1 acknowledges nothing. */
  readonly doneBytes: number
  readonly lengthBytes: number
}

/**
 * How a v1 transfer is taken.
 *
 * @public
 */
export interface V1ReceiveOptions {
  readonly onProgress?: (progress: V1Progress) => void
  /** Cuts the sender off. */
  readonly signal?: AbortSignal
}

/**
 * How a v1 transfer is kept.
 *
 * @public
 */
export interface V1SaveOptions extends V1ReceiveOptions {
  /** Of a file that is saved to a path; 0600 until it is whole. @defaultValue 0o600 */
  readonly mode?: number
}

/**
 * What became of a v1 transfer.
 *
 * @public
 */
export interface V1Saved extends V1Terms {
  /** The address that it came from: v1 has no names. */
  readonly from: string
  readonly lengthBytes: number
}

/**
 * A transfer from a v1 sender. No more of it is read than the first 128 KiB of each connection before `saveTo` or `bytes` is called: one
 * of them, once.
 *
 * @public
 */
export interface V1Transfer {
  /** The address that it comes from: v1 has no names. */
  readonly from: string
  readonly lengthBytes: number
  /**
   * Stores it as it comes. A path gets the file by one rename, after every byte has come and is on disk; of other sinks, what came before
   * a failure stays in them. A Node stream is written in order, with up to `reorderBytes` held for it; what else is held is two
   * reads of each connection. The sender's connections are ended after that, or reset if it failed.
   * @throws `ERR_AMST_SINK` with the sink's error as `cause`, `ERR_AMST_PROTOCOL`, `ERR_AMST_LIMIT`, `ERR_AMST_PEER_LOST`,
   * `ERR_AMST_TIMEOUT`, `ERR_AMST_CLOSED`, or `signal.reason`.
   */
  saveTo(sink: Sink, options?: V1SaveOptions): Promise<V1Saved>
  /** The same into memory, `lengthBytes` of it, which the system gives as they come: for `decodeV1Packet` of `@dwcp/hde`. */
  bytes(options?: V1ReceiveOptions): Promise<Uint8Array>
  /** Resets the sender's connections. No-op once it is over. */
  reject(reason?: unknown): void
}
