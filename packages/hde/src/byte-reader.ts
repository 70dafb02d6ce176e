import type { Digest } from '@dwcp/interface'
import { corrupt } from './errors.js'

/** Longer than any digest of {@link Digest}. */
const DIGEST_TEXT_LIMIT = 200
const DIGEST_TEXT = /^(?:xxh3-128|sha-256|blake3|pages-xxh3-128):[0-9a-f]+$/

/** Reads the head of a frame; every read past its end, and every integer past 2^53 - 1, is `ERR_HDE_CORRUPT`. */
export class ByteReader {
  readonly #bytes: Buffer
  #offset: number

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#offset = offset
  }

  get offset(): number {
    return this.#offset
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** A view of the next bytes. */
  take(lengthBytes: number): Uint8Array {
    this.#need(lengthBytes)
    const bytes = this.#bytes.subarray(this.#offset, this.#offset + lengthBytes)
    this.#offset += lengthBytes
    return bytes
  }

  byte(): number {
    const value = this.#bytes[this.#offset]
    if (value === undefined) throw this.#truncated()
    this.#offset += 1
    return value
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count += 1) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw corrupt(`an integer before byte ${this.#offset} is past 2^53 - 1`)
  }

  zigzag(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  float64(): number {
    this.#need(8)
    const value = this.#bytes.readDoubleBE(this.#offset)
    this.#offset += 8
    return value
  }

  /** A digest, or undefined where the text is empty. */
  digest(): Digest | undefined {
    const lengthBytes = this.varint()
    if (lengthBytes === 0) return undefined
    if (lengthBytes > DIGEST_TEXT_LIMIT) throw corrupt(`a digest of ${lengthBytes} characters`)
    this.#need(lengthBytes)
    const text = this.#bytes.toString('latin1', this.#offset, this.#offset + lengthBytes)
    if (!isDigest(text)) throw corrupt('a text where a digest belongs')
    this.#offset += lengthBytes
    return text
  }

  /** Everything that is left. */
  rest(): Uint8Array {
    const bytes = this.#bytes.subarray(this.#offset)
    this.#offset = this.#bytes.length
    return bytes
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw corrupt(`${this.#bytes.length - this.#offset} bytes after the end of a frame`)
  }

  #need(moreBytes: number): void {
    if (this.#offset + moreBytes > this.#bytes.length) throw this.#truncated()
  }

  #truncated(): Error {
    return corrupt(`a frame of ${this.#bytes.length} bytes ends too early`)
  }
}

export function isDigest(text: string): text is Digest {
  return text.length <= DIGEST_TEXT_LIMIT && DIGEST_TEXT.test(text)
}
