import type { Digest } from '@dwcp/interface'
import type { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { corrupt, foreignVersion } from '../errors.js'

/** Of docs/wire/delta.md. */
export const MAGIC: Uint8Array = new TextEncoder().encode('DWCPdelt')
const VERSION = 1
export const KINDS = { head: 1, block: 2, end: 3 } as const
export const HASH_BYTES = 16
/** A frame's head: kind, numbers and methods, never its streams. */
export const MOST_HEAD_BYTES = 256

export interface StreamHead {
  readonly baseBytes: number
  /** XXH3-128 of the whole base; nothing where there is none. */
  readonly baseHash: Uint8Array
  /** What a decoder finds the base by, where it keeps it in a store. */
  readonly baseline: Digest | undefined
  readonly targetBytes: number | undefined
}

export function writeHead({ baseBytes, baseHash, baseline, targetBytes }: StreamHead): Uint8Array {
  const writer = new ByteWriter()
  writer.byte(KINDS.head)
  writer.byte(VERSION)
  writer.varint(targetBytes === undefined ? 0 : targetBytes + 1)
  writer.varint(baseBytes)
  writer.text(baseline ?? '')
  return framed(writer.view(), [baseHash])
}

/** `reader` stands behind the kind. */
export function readHead(reader: ByteReader): StreamHead {
  const version = reader.byte()
  if (version !== VERSION) throw foreignVersion('a delta stream', version, VERSION)
  const target = reader.varint()
  const baseBytes = reader.varint()
  const baseline = reader.digest()
  const baseHash = reader.take(baseBytes === 0 ? 0 : HASH_BYTES)
  reader.end()
  return { baseBytes, baseHash, baseline, targetBytes: target === 0 ? undefined : target - 1 }
}

export function writeEnd(targetBytes: number, hash: Uint8Array): Uint8Array {
  const writer = new ByteWriter()
  writer.byte(KINDS.end)
  writer.varint(targetBytes)
  return framed(writer.view(), [hash])
}

export function readEnd(reader: ByteReader): { readonly targetBytes: number; readonly hash: Uint8Array } {
  const targetBytes = reader.varint()
  const hash = reader.take(HASH_BYTES)
  reader.end()
  return { targetBytes, hash }
}

/** The length of what follows, then what follows. */
export function framed(head: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  if (head.length > MOST_HEAD_BYTES) throw corrupt(`a head of ${head.length} bytes`)
  const length = parts.reduce((sum, part) => sum + part.length, head.length)
  const prefix = new ByteWriter()
  prefix.varint(length)
  const frame = new Uint8Array(prefix.view().length + length)
  let at = 0
  for (const part of [prefix.view(), head, ...parts]) {
    frame.set(part, at)
    at += part.length
  }
  return frame
}
