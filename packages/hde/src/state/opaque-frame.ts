import type { ByteReader } from '../byte-reader.js'
import { corrupt, pastLimit } from '../errors.js'
import type { Kernels } from '../kernels.js'
import { CODECS, checkMethod, methodOf, OLD_USES, type Packed, pack, unpack } from '../packing.js'
import { beginFrame, FRAME_KINDS, type OpenFrame, sealFrame } from './frame.js'

/** Opaque state travels in parts of this length, so that each fits into a frame however badly it compresses. */
const PART_BYTES = 1024 * 1024
const NOTHING = new Uint8Array(0)

/** One frame a part; every one but the last says that more follows. `level` as for `pack`. */
export async function encodeOpaque(
  kernels: Kernels,
  bytes: Uint8Array,
  level: number,
  firstSequence: number,
  onPayload: (packed: Packed) => void,
): Promise<readonly Uint8Array[]> {
  // Copied at once: the caller's bytes may change under us while parts are compressed.
  const source = new Uint8Array(bytes)
  const frames: Uint8Array[] = []
  let offset = 0
  do {
    const part = source.subarray(offset, offset + PART_BYTES)
    offset += part.length
    const packed = await smallest(kernels, part, level)
    const head = beginFrame(FRAME_KINDS.opaque, firstSequence + frames.length)
    head.byte(offset < source.length ? 1 : 0)
    head.varint(part.length)
    head.byte(packed.method)
    frames.push(sealFrame(head.view(), packed.bytes, kernels.hash.xxh3_128(part), kernels.hash))
    onPayload(packed)
  } while (offset < source.length)
  return frames
}

async function smallest(kernels: Kernels, part: Uint8Array, level: number): Promise<Packed> {
  const raw = { method: methodOf(CODECS.raw, OLD_USES.none), bytes: part }
  if (part.length === 0) return raw
  const packed = await pack(kernels, part, level)
  return packed.bytes.length < part.length ? packed : raw
}

/** Joins the parts of one opaque chunk. */
export class OpaqueJoin {
  readonly #limitBytes: number
  /** One array that grows: as a list, parts of a byte each would take a hundred times the limit. */
  #bytes = NOTHING
  #lengthBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Whether a chunk has begun and not ended: then only another part may follow. */
  get open(): boolean {
    return this.#lengthBytes > 0
  }

  /** @returns the whole chunk with its last part, undefined before. */
  async add(frame: OpenFrame, kernels: Kernels): Promise<Uint8Array | undefined> {
    const { flags, lengthBytes, method, headBytes, payload } = readPart(frame.reader)
    const totalBytes = this.#lengthBytes + lengthBytes
    if (totalBytes > this.#limitBytes) {
      throw pastLimit('the length of opaque state', totalBytes, this.#limitBytes, 'raise limits.chunkBytes')
    }
    const part = await unpack(kernels, { method, bytes: payload }, NOTHING, lengthBytes)
    frame.verify(headBytes, kernels.hash.xxh3_128(part))
    if (totalBytes > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#limitBytes, flags === 1 ? Math.max(totalBytes, 2 * this.#bytes.length) : totalBytes))
      grown.set(this.#bytes.subarray(0, this.#lengthBytes))
      this.#bytes = grown
    }
    this.#bytes.set(part, this.#lengthBytes)
    this.#lengthBytes = totalBytes
    if (flags === 1) return undefined
    const whole = this.#bytes.length === totalBytes ? this.#bytes : this.#bytes.slice(0, totalBytes)
    this.#bytes = NOTHING
    this.#lengthBytes = 0
    return whole
  }
}

interface Part {
  readonly flags: number
  readonly lengthBytes: number
  readonly method: number
  readonly headBytes: number
  readonly payload: Uint8Array
}

function readPart(reader: ByteReader): Part {
  const flags = reader.byte()
  const lengthBytes = reader.varint()
  const method = reader.byte()
  checkMethod(method, false)
  const headBytes = reader.offset
  // An empty part that promises another one would cost memory without end.
  if (flags > 1 || (flags === 1 && lengthBytes === 0)) throw corrupt('a part of opaque state that cannot be')
  return { flags, lengthBytes, method, headBytes, payload: reader.rest() }
}
