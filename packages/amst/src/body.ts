import { amstError } from './errors.js'

/** The bodies of control frames, as docs/wire/amst.md has them. */

const TEXT_BYTES_MAX = 1024

export interface Opening {
  readonly className: number
  readonly lengthBytes: number | undefined
  /** Every chunk but the last has so many bytes, and its number says where it belongs; 0: any length, one after the other. */
  readonly blockBytes: number
  /** What the sender would resume it by; '': nothing. */
  readonly key: string
  readonly name: string
  readonly metadata: Uint8Array
}

const UNKNOWN_LENGTH = 0xffff_ffff_ffff_ffffn
const OPENING_BYTES = 16
/** Each costs the receiver 17 bytes to keep count of. */
const BLOCKS_MAX = 16_777_216
/** How far past the first block that is missing another may come: a stream that stands still does not hold the others up before. */
export const BLOCKS_AHEAD = 262_144

export function encodeOpening(opening: Opening): Buffer {
  const [key, name] = [Buffer.from(opening.key), Buffer.from(opening.name)]
  const head = Buffer.alloc(OPENING_BYTES)
  head.writeUInt8(opening.className, 0)
  head.writeBigUInt64BE(opening.lengthBytes === undefined ? UNKNOWN_LENGTH : BigInt(opening.lengthBytes), 1)
  head.writeUInt32BE(opening.blockBytes, 9)
  head.writeUInt8(key.byteLength, 13)
  head.writeUInt16BE(name.byteLength, 14)
  return Buffer.concat([head, key, name, opening.metadata])
}

export function decodeOpening(body: Buffer): Opening {
  need(body, OPENING_BYTES)
  const keyEnd = OPENING_BYTES + body.readUInt8(13)
  const nameEnd = keyEnd + body.readUInt16BE(14)
  need(body, nameEnd)
  const length = body.readBigUInt64BE(1)
  const lengthBytes = length === UNKNOWN_LENGTH ? undefined : safe(length)
  const blockBytes = body.readUInt32BE(9)
  if (blockBytes > 0 && !areBlocks(lengthBytes, blockBytes))
    throw amstError('ERR_AMST_PROTOCOL', `an object of ${lengthBytes} bytes does not come in blocks of ${blockBytes}`)
  return {
    className: body.readUInt8(0),
    lengthBytes,
    blockBytes,
    key: body.toString('utf8', OPENING_BYTES, keyEnd),
    name: body.toString('utf8', keyEnd, nameEnd),
    metadata: body.subarray(nameEnd),
  }
}

/** Whether an object may come in such blocks: there are at most 2^24 of them. */
export const areBlocks = (lengthBytes: number | undefined, blockBytes: number): boolean =>
  lengthBytes !== undefined && lengthBytes / blockBytes <= BLOCKS_MAX

export interface Ending {
  readonly chunks: number
  readonly lengthBytes: number
  readonly digest: Uint8Array
}

export function encodeEnding(ending: Ending): Buffer {
  const body = Buffer.alloc(28)
  body.writeUInt32BE(ending.chunks, 0)
  body.writeBigUInt64BE(BigInt(ending.lengthBytes), 4)
  body.set(ending.digest, 12)
  return body
}

export function decodeEnding(body: Buffer): Ending {
  need(body, 28)
  return { chunks: body.readUInt32BE(0), lengthBytes: safe(body.readBigUInt64BE(4)), digest: body.subarray(12, 28) }
}

export interface Credit {
  /** Chunks before this number are here and verified. Of blocks, 0. */
  readonly received: number
  /** Sum of the costs of chunks that may be sent. */
  readonly granted: number
  /** Blocks that were taken since the last credit. */
  readonly placed: readonly number[]
}

const CREDIT_BYTES = 12

export function encodeCredit(credit: Credit): Buffer {
  const body = Buffer.alloc(CREDIT_BYTES + credit.placed.length * 4)
  body.writeUInt32BE(credit.received, 0)
  body.writeBigUInt64BE(BigInt(credit.granted), 4)
  for (const [place, block] of credit.placed.entries()) body.writeUInt32BE(block, CREDIT_BYTES + place * 4)
  return body
}

export function decodeCredit(body: Buffer): Credit {
  need(body, CREDIT_BYTES)
  const placed: number[] = []
  for (let offset = CREDIT_BYTES; offset + 4 <= body.byteLength; offset += 4) placed.push(body.readUInt32BE(offset))
  return { received: body.readUInt32BE(0), granted: safe(body.readBigUInt64BE(4)), placed }
}

/** Blocks that the receiver has. */
export interface HaveRange {
  readonly first: number
  readonly count: number
  /** Of their digests, one after the other. */
  readonly digest: Uint8Array
}

const HAVE_BYTES = 24

export function encodeHave(ranges: readonly HaveRange[]): Buffer {
  const body = Buffer.alloc(ranges.length * HAVE_BYTES)
  for (const [place, { first, count, digest }] of ranges.entries()) {
    body.writeUInt32BE(first, place * HAVE_BYTES)
    body.writeUInt32BE(count, place * HAVE_BYTES + 4)
    body.set(digest, place * HAVE_BYTES + 8)
  }
  return body
}

/** Rising, and none twice. */
export function decodeHave(body: Buffer): readonly HaveRange[] {
  const ranges: HaveRange[] = []
  let end = 0
  for (let offset = 0; offset + HAVE_BYTES <= body.byteLength; offset += HAVE_BYTES) {
    const [first, count] = [body.readUInt32BE(offset), body.readUInt32BE(offset + 4)]
    if (first < end) throw amstError('ERR_AMST_PROTOCOL', `the peer says twice that it has block ${first}`)
    ranges.push({ first, count, digest: Uint8Array.from(body.subarray(offset + 8, offset + HAVE_BYTES)) })
    end = first + count
  }
  return ranges
}

/** What the sender found of a range that the receiver has. */
export interface Checked {
  readonly first: number
  readonly count: number
  readonly isSame: boolean
}

const CHECKED_BYTES = 9

export function encodeChecked({ first, count, isSame }: Checked): Buffer {
  const body = Buffer.alloc(CHECKED_BYTES)
  body.writeUInt32BE(first, 0)
  body.writeUInt32BE(count, 4)
  body.writeUInt8(isSame ? 1 : 0, 8)
  return body
}

export function decodeChecked(body: Buffer): Checked {
  need(body, CHECKED_BYTES)
  return { first: body.readUInt32BE(0), count: body.readUInt32BE(4), isSame: body.readUInt8(8) === 1 }
}

/** How many ranges one frame takes. */
export const haveRangesIn = (bodyBytes: number): number => Math.floor(bodyBytes / HAVE_BYTES)

export function encodeNumber(value: number): Buffer {
  const body = Buffer.alloc(4)
  body.writeUInt32BE(value, 0)
  return body
}

export function decodeNumber(body: Buffer): number {
  need(body, 4)
  return body.readUInt32BE(0)
}

export function encodeLength(bytes: number): Buffer {
  const body = Buffer.alloc(8)
  body.writeBigUInt64BE(BigInt(bytes))
  return body
}

export function decodeLength(body: Buffer): number {
  need(body, 8)
  return safe(body.readBigUInt64BE(0))
}

/** A channel or an error code, at most 255 bytes, and what belongs to it. */
export function encodeLabelled(label: string, payload: Uint8Array): Buffer {
  const name = Buffer.from(label)
  if (name.byteLength === 0 || name.byteLength > 255) throw new RangeError(`"${label}" must be 1 to 255 bytes of UTF-8`)
  const body = Buffer.allocUnsafeSlow(1 + name.byteLength + payload.byteLength)
  body.writeUInt8(name.byteLength, 0)
  body.set(name, 1)
  body.set(payload, 1 + name.byteLength)
  return body
}

export function decodeLabelled(body: Buffer): { readonly label: string; readonly payload: Buffer } {
  need(body, 1)
  const end = 1 + body.readUInt8(0)
  need(body, end)
  return { label: body.toString('utf8', 1, end), payload: body.subarray(end) }
}

/** What went wrong, told to the peer. */
export const encodeTrouble = (code: string, message: string): Buffer =>
  encodeLabelled(Buffer.from(code || 'ERR_UNKNOWN').toString('utf8', 0, 128), Buffer.from(message).subarray(0, TEXT_BYTES_MAX))

export function decodeTrouble(body: Buffer): { readonly code: string; readonly message: string } {
  const { label, payload } = decodeLabelled(body)
  return { code: label, message: payload.toString('utf8', 0, TEXT_BYTES_MAX) }
}

function need(body: Buffer, lengthBytes: number): void {
  if (body.byteLength < lengthBytes)
    throw amstError('ERR_AMST_PROTOCOL', `a frame's body has ${body.byteLength} bytes where ${lengthBytes} are due`)
}

function safe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw amstError('ERR_AMST_PROTOCOL', `a length of ${value} bytes is past 2^53`)
  return Number(value)
}
