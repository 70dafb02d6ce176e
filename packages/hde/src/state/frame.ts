import type { DecodeLimits } from '@dwcp/interface'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { corrupt, foreignVersion, pastLimit } from '../errors.js'
import type { Kernels } from '../kernels.js'

/** Of docs/wire/hde.md. */
const FRAME_VERSION = 1
export const HASH_BYTES = 16

export const FRAME_KINDS = { start: 1, pages: 2, opaque: 3, round: 4, stopped: 5, final: 6 } as const

/** Version, kind, sequence of one byte, check. */
const FRAME_BYTES_MIN = 3 + HASH_BYTES

export function beginFrame(kind: number, sequence: number): ByteWriter {
  const head = new ByteWriter()
  head.byte(FRAME_VERSION)
  head.byte(kind)
  head.varint(sequence)
  return head
}

/** `content` stands for what the frame decodes to: a hash of it, or hashes; empty where the head says it all. */
export function sealFrame(head: Uint8Array, payload: Uint8Array, content: Uint8Array, hash: Kernels['hash']): Uint8Array {
  const frame = new Uint8Array(head.length + payload.length + HASH_BYTES)
  frame.set(head)
  frame.set(payload, head.length)
  return sealInPlace(frame, head.length, content, hash)
}

/** `frame` is head, payload and room for the check. */
export function sealInPlace(frame: Uint8Array, headBytes: number, content: Uint8Array, hash: Kernels['hash']): Uint8Array {
  const check = hash.xxh3_128(Buffer.concat([frame.subarray(0, headBytes), content]))
  frame.set(check, frame.length - HASH_BYTES)
  return frame
}

export interface OpenFrame {
  readonly kind: number
  /** Behind version, kind and sequence. */
  readonly reader: ByteReader
  /** Every byte before this place. */
  head(headBytes: number): Uint8Array
  readonly check: Uint8Array
  /** Throws unless the check at the end fits the head, which ends where `reader` stood after it, and `content`. */
  verify(headBytes: number, content: Uint8Array): void
}

/** Checks length, version and place in the stream. Everything else about the frame is still to be distrusted. */
export function openFrame(frame: Uint8Array, sequence: number, limits: DecodeLimits, hash: Kernels['hash']): OpenFrame {
  if (frame.length > limits.frameBytes) throw pastLimit('the length of a frame', frame.length, limits.frameBytes, 'raise limits.frameBytes')
  const version = frame[0]
  if (version !== undefined && version !== FRAME_VERSION) throw foreignVersion('a frame', version, FRAME_VERSION)
  if (frame.length < FRAME_BYTES_MIN) throw corrupt(`a frame of ${frame.length} bytes`)
  const reader = new ByteReader(frame.subarray(0, -HASH_BYTES), 1)
  const kind = reader.byte()
  const found = reader.varint()
  if (found !== sequence) throw corrupt(`frame ${found} came where frame ${sequence} was due`, { found, due: sequence })
  const [head, check] = [(headBytes: number): Uint8Array => frame.subarray(0, headBytes), frame.subarray(-HASH_BYTES)]
  return {
    kind,
    reader,
    head,
    check,
    verify(headBytes, content) {
      if (Buffer.compare(hash.xxh3_128(Buffer.concat([head(headBytes), content])), check) !== 0)
        throw corrupt(`the check of frame ${sequence} does not hold`)
    },
  }
}
