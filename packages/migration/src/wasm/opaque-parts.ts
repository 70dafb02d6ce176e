import { invalidState } from './errors.js'

/** What the driver sends beside pages. */
export type OpaqueKind = 'module' | 'host'

const TYPES: Readonly<Record<OpaqueKind, number>> = { module: 1, host: 2 }
const HEADER_BYTES = 9
const PART_BYTES = 1 << 20

/** Cuts `bytes` into parts of at most 1 MiB: type (1 byte), length of the whole (u32), offset of this part (u32), its bytes. */
export function* opaqueParts(kind: OpaqueKind, bytes: Uint8Array): Iterable<Uint8Array> {
  let offset = 0
  do {
    const part = bytes.subarray(offset, offset + PART_BYTES)
    const framed = new Uint8Array(HEADER_BYTES + part.length)
    const view = new DataView(framed.buffer)
    view.setUint8(0, TYPES[kind])
    view.setUint32(1, bytes.length)
    view.setUint32(5, offset)
    framed.set(part, HEADER_BYTES)
    yield framed
    offset += part.length
  } while (offset < bytes.length)
}

/** Joins the parts of one whole; they come in order, and what comes is bounded by `maxBytes` before it is kept. */
export class OpaqueAssembly {
  readonly #kind: OpaqueKind
  readonly #maxBytes: number
  readonly #parts: Uint8Array[] = []
  #received = 0

  constructor(kind: OpaqueKind, maxBytes: number) {
    this.#kind = kind
    this.#maxBytes = maxBytes
  }

  /** @returns the whole once the last part is here. Throws `ERR_MIGRATION_STATE_INVALID`. */
  add(framed: Uint8Array): Uint8Array | undefined {
    if (framed.length < HEADER_BYTES) throw invalidState(`an opaque part of ${framed.length} bytes`)
    const view = new DataView(framed.buffer, framed.byteOffset, framed.byteLength)
    if (view.getUint8(0) !== TYPES[this.#kind])
      throw invalidState(`an opaque part of type ${view.getUint8(0)} where the ${this.#kind} belongs`)
    const total = view.getUint32(1)
    const part = framed.subarray(HEADER_BYTES)
    if (total > this.#maxBytes) throw invalidState(`a ${this.#kind} of ${total} bytes; ${this.#maxBytes} are allowed`)
    if (view.getUint32(5) !== this.#received || this.#received + part.length > total)
      throw invalidState(`a part of the ${this.#kind} in the wrong place`)
    if (part.length === 0 && total > 0) throw invalidState(`an empty part of the ${this.#kind}`)
    this.#parts.push(part.slice())
    this.#received += part.length
    if (this.#received < total) return undefined
    const whole = new Uint8Array(total)
    let offset = 0
    for (const piece of this.#parts) {
      whole.set(piece, offset)
      offset += piece.length
    }
    return whole
  }
}
