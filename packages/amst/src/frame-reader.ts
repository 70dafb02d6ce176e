import type { Hash } from '@dwcp/native-rdma/hash'
import { amstError } from './errors.js'
import { decodeHeader, FRAME, type FrameHeader, HEADER_BYTES } from './frame.js'

export interface ReceivedFrame extends FrameHeader {
  readonly body: Buffer
  /** Whether the body is what its digest says. */
  readonly intact: boolean
}

export interface FrameBounds {
  readonly chunkBytes: number
  /** Of every other frame. */
  readonly controlBytes: number
}

/** Cuts the bytes of one stream into frames. Holds one header and at most one body of bounded size. */
export class FrameReader {
  readonly #hash: Hash
  readonly #bounds: FrameBounds
  readonly #onFrame: (frame: ReceivedFrame) => void
  readonly #headerBytes = Buffer.allocUnsafeSlow(HEADER_BYTES)
  #header: FrameHeader | undefined
  #body: Buffer = this.#headerBytes
  #filled = 0

  constructor(hash: Hash, bounds: FrameBounds, onFrame: (frame: ReceivedFrame) => void) {
    this.#hash = hash
    this.#bounds = bounds
    this.#onFrame = onFrame
  }

  /** @throws `ERR_AMST_CORRUPT`, `ERR_AMST_LIMIT`: the stream is of no more use, since where the next frame begins is unknown. */
  push(bytes: Buffer): void {
    let offset = 0
    // Until the bytes are used up: each turn takes some, or finishes a frame that has none.
    for (;;) {
      const target = this.#header ? this.#body : this.#headerBytes
      const taken = Math.min(target.byteLength - this.#filled, bytes.byteLength - offset)
      bytes.copy(target, this.#filled, offset, offset + taken)
      this.#filled += taken
      offset += taken
      if (this.#filled < target.byteLength) return
      this.#filled = 0
      if (this.#header) this.#finish(this.#header)
      else this.#begin()
    }
  }

  #begin(): void {
    const header = decodeHeader(this.#hash, this.#headerBytes)
    if (!header)
      throw amstError('ERR_AMST_CORRUPT', 'a frame header arrived damaged, or the peer does not speak this protocol', { retryable: true })
    const limitBytes = header.type === FRAME.chunk ? this.#bounds.chunkBytes : this.#bounds.controlBytes
    if (header.bodyBytes > limitBytes) {
      throw amstError('ERR_AMST_LIMIT', `a frame of ${header.bodyBytes} bytes is past the limit of ${limitBytes}`, {
        details: { limitBytes },
      })
    }
    this.#header = { ...header, digest: Uint8Array.from(header.digest) }
    // Not from the pool: the body is handed to the application, which may keep it.
    this.#body = Buffer.allocUnsafeSlow(header.bodyBytes)
  }

  #finish(header: FrameHeader): void {
    const body = this.#body
    this.#header = undefined
    this.#onFrame({ ...header, body, intact: Buffer.compare(this.#hash.xxh3_128(body), header.digest) === 0 })
  }
}
