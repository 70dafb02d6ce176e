import type { Hash } from '@dwcp/native-rdma/hash'
import { decode, encode } from '@msgpack/msgpack'

/** What a journal is of. Another object under the same key begins anew. */
export interface JournalHead {
  readonly peer: string
  readonly key: string
  readonly lengthBytes: number
  readonly blockBytes: number
  /** Where the object goes. */
  readonly path: string
  /** Where its blocks are until then. */
  readonly draft: string
}

/** A block that is in the draft; or, as {@link WHOLE}, that all of them are and the draft gets its name. */
export interface JournalRecord {
  readonly block: number
  readonly digest: Uint8Array
}

export const WHOLE = 0xffff_ffff
const RECORD_BYTES = 24
const DIGEST_BYTES = 16
const CHECK_BYTES = 4
const MAGIC = Buffer.from('AMSJ1')
const PREAMBLE_BYTES = MAGIC.byteLength + 4
const HEAD_BYTES_MAX = 65_536

export function encodeJournalHead(head: JournalHead, hash: Hash): Buffer {
  const body = encode(head)
  const preamble = Buffer.alloc(PREAMBLE_BYTES)
  MAGIC.copy(preamble)
  preamble.writeUInt32BE(body.byteLength, MAGIC.byteLength)
  const whole = Buffer.concat([preamble, body])
  return Buffer.concat([whole, hash.xxh3_128(whole)])
}

export function encodeJournalRecord({ block, digest }: JournalRecord, hash: Hash): Buffer {
  const record = Buffer.alloc(RECORD_BYTES)
  record.writeUInt32BE(block, 0)
  record.set(digest, 4)
  record.set(checkOf(record, hash), RECORD_BYTES - CHECK_BYTES)
  return record
}

/** What a file says, as far as it can be read: a process may have died while it wrote. */
export function decodeJournal(
  bytes: Buffer,
  hash: Hash,
): { readonly head: JournalHead; readonly records: readonly JournalRecord[]; readonly lengthBytes: number } | undefined {
  if (bytes.byteLength < PREAMBLE_BYTES || MAGIC.compare(bytes, 0, MAGIC.byteLength) !== 0) return undefined
  const bodyBytes = bytes.readUInt32BE(MAGIC.byteLength)
  const headEnd = PREAMBLE_BYTES + bodyBytes
  if (bodyBytes > HEAD_BYTES_MAX || bytes.byteLength < headEnd + DIGEST_BYTES) return undefined
  if (bytes.compare(hash.xxh3_128(bytes.subarray(0, headEnd)), 0, DIGEST_BYTES, headEnd, headEnd + DIGEST_BYTES) !== 0) return undefined
  const head = headOf(decode(bytes.subarray(PREAMBLE_BYTES, headEnd)))
  if (!head) return undefined
  const records: JournalRecord[] = []
  let offset = headEnd + DIGEST_BYTES
  for (; offset + RECORD_BYTES <= bytes.byteLength; offset += RECORD_BYTES) {
    const record = bytes.subarray(offset, offset + RECORD_BYTES)
    if (record.compare(checkOf(record, hash), 0, CHECK_BYTES, RECORD_BYTES - CHECK_BYTES) !== 0) break
    records.push({ block: record.readUInt32BE(0), digest: record.subarray(4, 4 + DIGEST_BYTES) })
  }
  return { head, records, lengthBytes: offset }
}

const checkOf = (record: Uint8Array, hash: Hash): Uint8Array =>
  hash.xxh3_128(record.subarray(0, RECORD_BYTES - CHECK_BYTES)).subarray(0, CHECK_BYTES)

function headOf(value: unknown): JournalHead | undefined {
  if (!(value instanceof Object)) return undefined
  const fields = new Map<string, unknown>(Object.entries(value))
  const [peer, key, path, draft] = ['peer', 'key', 'path', 'draft'].map((name) => fields.get(name))
  const [lengthBytes, blockBytes] = ['lengthBytes', 'blockBytes'].map((name) => fields.get(name))
  if (typeof peer !== 'string' || typeof key !== 'string' || typeof path !== 'string' || typeof draft !== 'string') return undefined
  return typeof lengthBytes === 'number' && typeof blockBytes === 'number' ? { peer, key, lengthBytes, blockBytes, path, draft } : undefined
}
