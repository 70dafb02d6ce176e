import { isDwcpError } from '@dwcp/interface'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { DIGEST_BYTES, DIGEST_CODES, type DigestKind, digestKindOf, MODE_CODES, modeOf } from '../chunks/modes.js'
import { type DigestOf, digestBytesOf, digestText } from '../chunks/object-digest.js'
import type { ObjectHead } from './shelf.js'

/** A pack's file ends with these bytes: the length of the table as 8 bytes, a digest of the table, the magic. */
const MAGIC = Buffer.from('DWCPpak1')
const TABLE_LENGTH_BYTES = 8

export interface ChunkName {
  /** Its digest, one character a byte. */
  readonly key: string
  readonly lengthBytes: number
}

/** What a pack holds. The chunks' bytes stand before the table, one after the other. */
export interface PackTable {
  readonly chunks: readonly ChunkName[]
  /** The object that came with them: its chunks by name, whichever packs they are in. */
  readonly object?: { readonly head: ObjectHead; readonly chunks: readonly ChunkName[] }
}

export function tailBytes(kind: DigestKind): number {
  return TABLE_LENGTH_BYTES + DIGEST_BYTES[kind] + MAGIC.length
}

/** Never less than what {@link writeTable} makes of an object with a name of at most 200 characters. */
export function mostTableBytes(kind: DigestKind, listedChunks: number): number {
  return 1024 + listedChunks * (DIGEST_BYTES[kind] + 4) + tailBytes(kind)
}

export function writeTable(kind: DigestKind, digestOf: DigestOf, { chunks, object }: PackTable): Uint8Array {
  const writer = new ByteWriter()
  writer.byte(DIGEST_CODES[kind])
  writeNames(writer, chunks)
  writer.byte(object === undefined ? 0 : MODE_CODES[object.head.mode])
  if (object !== undefined) {
    writer.bytes(digestBytesOf(kind, object.head.digest) ?? new Uint8Array())
    const name = Buffer.from(object.head.name)
    writer.varint(name.length)
    writer.bytes(name)
    writeNames(writer, object.chunks)
  }
  const table = writer.view()
  const tail = Buffer.alloc(TABLE_LENGTH_BYTES)
  tail.writeBigUInt64LE(BigInt(table.length))
  return Buffer.concat([table, tail, digestOf(table), MAGIC])
}

/** The length of the table, from the tail of a file; undefined where it has no whole one. */
export function tableLength(kind: DigestKind, tail: Uint8Array, fileBytes: number): number | undefined {
  if (tail.length !== tailBytes(kind) || !Buffer.from(tail.subarray(-MAGIC.length)).equals(MAGIC)) return undefined
  const length = Buffer.from(tail.subarray(0, TABLE_LENGTH_BYTES)).readBigUInt64LE()
  return length <= fileBytes - tail.length ? Number(length) : undefined
}

/** Undefined where it is not what was written. */
export function readTable(kind: DigestKind, digestOf: DigestOf, table: Uint8Array, tail: Uint8Array): PackTable | undefined {
  const digest = tail.subarray(TABLE_LENGTH_BYTES, TABLE_LENGTH_BYTES + DIGEST_BYTES[kind])
  if (Buffer.compare(digestOf(table), digest) !== 0) return undefined
  try {
    const reader = new ByteReader(table, 0)
    if (digestKindOf(reader.byte()) !== kind) return undefined
    const chunks = readNames(reader, kind)
    const code = reader.byte()
    if (code === 0) return { chunks }
    const mode = modeOf(code)
    const objectDigest = digestText(kind, reader.take(DIGEST_BYTES[kind]))
    const name = Buffer.from(reader.take(reader.varint())).toString()
    const names = readNames(reader, kind)
    reader.end()
    const lengthBytes = names.reduce((sum, chunk) => sum + chunk.lengthBytes, 0)
    return mode === undefined ? undefined : { chunks, object: { head: { digest: objectDigest, name, mode, lengthBytes }, chunks: names } }
  } catch (error) {
    if (isDwcpError(error)) return undefined
    throw error
  }
}

function writeNames(writer: ByteWriter, names: readonly ChunkName[]): void {
  writer.varint(names.length)
  for (const { key, lengthBytes } of names) {
    writer.varint(lengthBytes)
    writer.bytes(Buffer.from(key, 'latin1'))
  }
}

function readNames(reader: ByteReader, kind: DigestKind): readonly ChunkName[] {
  const names: ChunkName[] = []
  for (let left = reader.varint(); left > 0; left -= 1) {
    const lengthBytes = reader.varint()
    names.push({ lengthBytes, key: Buffer.from(reader.take(DIGEST_BYTES[kind])).toString('latin1') })
  }
  return names
}
