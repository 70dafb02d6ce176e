import type { ByteSource } from '@dwcp/interface'

/**
 * Bytes that can be read at any place, and again: what a transfer that is resumed needs. {@link fileSource} makes one of a file.
 *
 * @public
 */
export interface BlockSource {
  readonly lengthBytes: number
  /** Exactly those bytes, which the session then takes over. */
  read(offset: number, lengthBytes: number): Promise<Uint8Array> | Uint8Array
  /** After every byte was read: throws where they are not of one state. */
  check?(): Promise<void>
  /** Nothing more is read. */
  close?(): Promise<void>
}

/**
 * What can be sent: bytes, a {@link BlockSource}, a stream with its length where that is known, a Node `Readable` without an
 * encoding, or any async iterable of bytes.
 *
 * @public
 */
export type SendSource = ByteSource | BlockSource | AsyncIterable<Uint8Array>

/** Bytes that come once, in order. */
export type StreamSource = Exclude<ByteSource, Uint8Array>

/** A source as one of the two kinds that there are. */
export function sourceOf(source: SendSource): BlockSource | StreamSource {
  if (source instanceof Uint8Array)
    return { lengthBytes: source.byteLength, read: (offset, lengthBytes) => source.subarray(offset, offset + lengthBytes) }
  return isBlockSource(source) || 'stream' in source ? source : { stream: source }
}

/** A Node stream has a `read` too. */
export const isBlockSource = (source: BlockSource | StreamSource | AsyncIterable<Uint8Array>): source is BlockSource =>
  'read' in source && 'lengthBytes' in source
