import type { Hash } from './hash-contract.js'

/**
 * A frame to send. The fields are the sender's to use: what they mean is the protocol's above (docs/wire/amst.md).
 * @public
 */
export interface StreamFrame {
  /** 0 to 255. */
  readonly type: number
  /** 32 bits, as `sequence` and `ack`. */
  readonly id: number
  readonly sequence: number
  readonly ack: number
  /** Lent until the frame is sent or the stream is over: not copied, so do not write, transfer or resize it. */
  readonly body: Uint8Array
  /** XXH3-128 of the body, where the caller has it already. Not sent on a sealed stream. */
  readonly digest?: Uint8Array | undefined
}

/**
 * A frame that came.
 * @public
 */
export interface ReceivedStreamFrame {
  readonly type: number
  readonly id: number
  readonly sequence: number
  readonly ack: number
  /** The receiver's own. */
  readonly body: Uint8Array<ArrayBuffer>
  /** XXH3-128 of the body as it came. */
  readonly digest: Uint8Array
  /** Whether the body is what its digest says; on a sealed stream always, since what was changed ends it. */
  readonly intact: boolean
}

/** What both forms of a head begin with. */
export const HEAD_BYTES = 20
const CHECKED_BYTES = 36
/** Without keys: the digest of the body and a check of what is before it follow. */
export const OPEN_HEAD_BYTES = 44

export interface Head {
  readonly type: number
  readonly bodyBytes: number
  readonly id: number
  readonly sequence: number
  readonly ack: number
}

export function encodeHead(frame: StreamFrame, lengthBytes: number): Buffer {
  const head = Buffer.allocUnsafe(lengthBytes)
  head.writeUInt32BE(frame.type * 0x1000000, 0)
  head.writeUInt32BE(frame.body.byteLength, 4)
  head.writeUInt32BE(frame.id, 8)
  head.writeUInt32BE(frame.sequence, 12)
  head.writeUInt32BE(frame.ack, 16)
  return head
}

export function decodeHead(bytes: Buffer): Head {
  return {
    type: bytes.readUInt8(0),
    bodyBytes: bytes.readUInt32BE(4),
    id: bytes.readUInt32BE(8),
    sequence: bytes.readUInt32BE(12),
    ack: bytes.readUInt32BE(16),
  }
}

export function encodeOpenHead(hash: Hash, frame: StreamFrame): Buffer {
  const head = encodeHead(frame, OPEN_HEAD_BYTES)
  head.set(frame.digest ?? hash.xxh3_128(frame.body), HEAD_BYTES)
  head.set(checkOf(hash, head), CHECKED_BYTES)
  return head
}

/** Whether the check fits what is before it. */
export function isOpenHead(hash: Hash, bytes: Buffer): boolean {
  return bytes.compare(checkOf(hash, bytes), 0, OPEN_HEAD_BYTES - CHECKED_BYTES, CHECKED_BYTES, OPEN_HEAD_BYTES) === 0
}

const checkOf = (hash: Hash, head: Buffer): Uint8Array =>
  hash.xxh3_128(head.subarray(0, CHECKED_BYTES)).subarray(0, OPEN_HEAD_BYTES - CHECKED_BYTES)
