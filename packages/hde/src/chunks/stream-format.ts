import type { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { framed } from '../delta/format.js'
import { corrupt, pastLimit } from '../errors.js'
import { checkMethod, type Packed } from '../packing.js'
import { DIGEST_BYTES, DIGEST_CODES, type DigestKind, digestKindOf } from './modes.js'

/** Of docs/wire/chunks.md. */
export const CHUNK_MAGIC: Uint8Array = new TextEncoder().encode('DWCPchnk')
export const FRAMES = { group: 1, end: 2 } as const
/** A stretch of a group takes at least as much. */
const LEAST_STRETCH_BYTES = 1

export interface GroupHead {
  /** Raw, of each stretch; all but the last end where something held follows, or the object ends. */
  readonly lengths: readonly number[]
  /** Whether the last stretch goes on in the next group. */
  readonly goesOn: boolean
  readonly packed: Packed
}

export function writeGroup({ lengths, goesOn, packed }: GroupHead): Uint8Array {
  const head = new ByteWriter()
  head.byte(FRAMES.group)
  head.byte(goesOn ? 1 : 0)
  head.varint(lengths.length)
  for (const length of lengths) head.varint(length)
  head.byte(packed.method)
  // As a part: heads of frames are short.
  return framed(new Uint8Array(), [head.view(), packed.bytes])
}

/** `reader` stands behind the kind. */
export function readGroup(reader: ByteReader, frameBytes: number, mostBytes: number): GroupHead {
  const flag = reader.byte()
  if (flag > 1) throw corrupt(`a group of kind ${flag}`)
  const count = reader.varint()
  if (count === 0 || count * LEAST_STRETCH_BYTES > frameBytes) throw corrupt(`${count} stretches in a frame of ${frameBytes} bytes`)
  let total = 0
  const lengths = Array.from({ length: count }, () => {
    const length = reader.varint()
    total += length
    if (length === 0) throw corrupt('a stretch of no bytes')
    if (total > mostBytes) throw pastLimit('the length of a group', total, mostBytes, 'raise limits.groupBytes')
    return length
  })
  const method = reader.byte()
  checkMethod(method, true)
  return { lengths, goesOn: flag === 1, packed: { method, bytes: reader.rest() } }
}

export function writeChunkEnd(lengthBytes: number, kind: DigestKind, digest: Uint8Array): Uint8Array {
  const writer = new ByteWriter()
  writer.byte(FRAMES.end)
  writer.varint(lengthBytes)
  writer.byte(DIGEST_CODES[kind])
  return framed(writer.view(), [digest])
}

export function readChunkEnd(reader: ByteReader): { readonly lengthBytes: number; readonly kind: DigestKind; readonly digest: Uint8Array } {
  const lengthBytes = reader.varint()
  const kind = digestKindOf(reader.byte())
  if (kind === undefined) throw corrupt('a digest of an unknown kind')
  const digest = reader.take(DIGEST_BYTES[kind])
  reader.end()
  return { lengthBytes, kind, digest }
}
