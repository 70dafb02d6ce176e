import { amstError } from './errors.js'

/** The bodies of control frames, as docs/wire/amst.md has them. */

const TEXT_BYTES_MAX = 1024

export interface Opening {
  readonly className: number
  readonly lengthBytes: number | undefined
  readonly name: string
  readonly metadata: Uint8Array
}

const UNKNOWN_LENGTH = 0xffff_ffff_ffff_ffffn

export function encodeOpening(opening: Opening): Buffer {
  const name = Buffer.from(opening.name)
  const head = Buffer.alloc(11)
  head.writeUInt8(opening.className, 0)
  head.writeBigUInt64BE(opening.lengthBytes === undefined ? UNKNOWN_LENGTH : BigInt(opening.lengthBytes), 1)
  head.writeUInt16BE(name.byteLength, 9)
  return Buffer.concat([head, name, opening.metadata])
}

export function decodeOpening(body: Buffer): Opening {
  need(body, 11)
  const nameEnd = 11 + body.readUInt16BE(9)
  need(body, nameEnd)
  const length = body.readBigUInt64BE(1)
  return {
    className: body.readUInt8(0),
    lengthBytes: length === UNKNOWN_LENGTH ? undefined : safe(length),
    name: body.toString('utf8', 11, nameEnd),
    metadata: body.subarray(nameEnd),
  }
}

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
  /** Chunks before this number are here and verified. */
  readonly received: number
  /** Sum of the costs of chunks that may be sent. */
  readonly granted: number
}

export function encodeCredit(credit: Credit): Buffer {
  const body = Buffer.alloc(12)
  body.writeUInt32BE(credit.received, 0)
  body.writeBigUInt64BE(BigInt(credit.granted), 4)
  return body
}

export function decodeCredit(body: Buffer): Credit {
  need(body, 12)
  return { received: body.readUInt32BE(0), granted: safe(body.readBigUInt64BE(4)) }
}

export function encodeNumber(value: number): Buffer {
  const body = Buffer.alloc(4)
  body.writeUInt32BE(value, 0)
  return body
}

export function decodeNumber(body: Buffer): number {
  need(body, 4)
  return body.readUInt32BE(0)
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
