import type { Hash } from '@dwcp/native-rdma/hash'

/** Byte by byte in docs/wire/amst.md. */
export const HEADER_BYTES = 44
const CHECKED_BYTES = 36

/** From 16 on, frames keep their order and survive the death of the stream that carried them (see control-lane.ts). */
export const FRAME = {
  ping: 1,
  pong: 2,
  acknowledge: 3,
  chunk: 4,
  message: 16,
  request: 17,
  response: 18,
  failure: 19,
  open: 20,
  end: 21,
  cancel: 22,
  credit: 23,
  again: 24,
  done: 25,
  reject: 26,
  bye: 27,
} as const
export type FrameType = (typeof FRAME)[keyof typeof FRAME]

export interface Frame {
  readonly type: FrameType
  /** The object or request; else 0. */
  readonly id: number
  /** The chunk's number in its object, or the frame's place in the order of control frames; else 0. */
  readonly sequence: number
  readonly body: Uint8Array
}

export interface FrameHeader {
  readonly type: FrameType
  readonly id: number
  readonly sequence: number
  /** The last control frame that the peer has received in order. */
  readonly ack: number
  readonly bodyBytes: number
  readonly digest: Uint8Array
}

const TYPES: ReadonlyMap<number, FrameType> = new Map(Object.values(FRAME).map((type) => [type, type]))

export const EMPTY: Uint8Array = new Uint8Array(0)

/** `digest`: XXH3-128 of the body, where the caller has it already. */
export function encodeHeader(hash: Hash, frame: Frame, ack: number, digest: Uint8Array = hash.xxh3_128(frame.body)): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header.writeUInt32BE(frame.type * 0x1000000, 0)
  header.writeUInt32BE(frame.body.byteLength, 4)
  header.writeUInt32BE(frame.id, 8)
  header.writeUInt32BE(frame.sequence, 12)
  header.writeUInt32BE(ack, 16)
  header.set(digest, 20)
  header.set(hash.xxh3_128(header.subarray(0, CHECKED_BYTES)).subarray(0, HEADER_BYTES - CHECKED_BYTES), CHECKED_BYTES)
  return header
}

/** @returns undefined where the header's check or its type is wrong. */
export function decodeHeader(hash: Hash, bytes: Buffer): FrameHeader | undefined {
  const check = hash.xxh3_128(bytes.subarray(0, CHECKED_BYTES)).subarray(0, HEADER_BYTES - CHECKED_BYTES)
  const type = TYPES.get(bytes.readUInt8(0))
  if (type === undefined || bytes.compare(check, 0, check.byteLength, CHECKED_BYTES, HEADER_BYTES) !== 0) return undefined
  return {
    type,
    bodyBytes: bytes.readUInt32BE(4),
    id: bytes.readUInt32BE(8),
    sequence: bytes.readUInt32BE(12),
    ack: bytes.readUInt32BE(16),
    digest: bytes.subarray(20, CHECKED_BYTES),
  }
}
