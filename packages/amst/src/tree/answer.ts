import { amstError } from '../errors.js'

/** What the receiver of a manifest says about its entries, which are numbered from 0; `up` has no number. */
export type TreeAnswer =
  /** All before this one were looked at. */
  | { readonly kind: 'looked'; readonly entry: number }
  /** What is in this file is missing here. */
  | { readonly kind: 'want'; readonly entry: number }
  /** This one cannot be made here. */
  | { readonly kind: 'failed'; readonly entry: number; readonly code: string; readonly path: Buffer }

const KINDS = ['looked', 'want', 'failed'] as const
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/
const HEAD_BYTES = 5

export function encodeAnswer(answer: TreeAnswer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt8(KINDS.indexOf(answer.kind), 0)
  head.writeUInt32BE(answer.entry, 1)
  if (answer.kind !== 'failed') return head
  // A code that the other end takes, whatever broke here.
  const code = Buffer.from(CODE.test(answer.code) ? answer.code : 'ERR_UNKNOWN')
  return Buffer.concat([head, Buffer.of(code.byteLength), code, answer.path])
}

/** @throws `ERR_AMST_PROTOCOL` */
export function decodeAnswer(record: Buffer): TreeAnswer {
  const kind = record.byteLength >= HEAD_BYTES ? KINDS[record.readUInt8(0)] : undefined
  const rest = record.subarray(HEAD_BYTES)
  if (kind === undefined || (kind !== 'failed' && rest.byteLength > 0)) throw noAnswer()
  const entry = record.readUInt32BE(1)
  if (kind !== 'failed') return { kind, entry }
  const end = 1 + (rest[0] ?? 0)
  const code = rest.toString('latin1', 1, end)
  if (end > rest.byteLength || !CODE.test(code)) throw noAnswer()
  return { kind, entry, code, path: Buffer.from(rest.subarray(end)) }
}

const noAnswer = (): Error => amstError('ERR_AMST_PROTOCOL', 'a record among the answers is no answer')
