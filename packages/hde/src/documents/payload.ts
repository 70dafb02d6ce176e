import { corrupt } from '../errors.js'

/** What columns hold beside numbers: texts that are said for the first time, and bytes. */
export interface Payload {
  text(text: string): string
  bytes(bytes: Uint8Array, lengthBytes: number): Uint8Array
}

const SEPARATOR = '\n'
const ESCAPED = /["\\\p{Cc}\p{Cs}]/u

export class PayloadWriter implements Payload {
  #texts = ''
  readonly #parts: Uint8Array[] = []
  #partBytes = 0

  text(text: string): string {
    this.#texts += ESCAPED.test(text) ? JSON.stringify(text).slice(1, -1) + SEPARATOR : text + SEPARATOR
    return text
  }

  bytes(bytes: Uint8Array): Uint8Array {
    this.#parts.push(bytes)
    this.#partBytes += bytes.length
    return bytes
  }

  /** Bytes first; each text as in a JSON string, with a line feed behind it. */
  finish(): { readonly bytes: Uint8Array; readonly partBytes: number } {
    return { bytes: new Uint8Array(Buffer.concat([...this.#parts, Buffer.from(this.#texts)])), partBytes: this.#partBytes }
  }
}

/** Of a model that only learns. */
export const NO_PAYLOAD: Payload = { text: (text) => text, bytes: (bytes) => bytes }

export class PayloadReader implements Payload {
  readonly #texts: string
  readonly #parts: Uint8Array
  #textAt = 0
  #partAt = 0

  constructor(payload: Uint8Array, partBytes: number) {
    if (partBytes > payload.length) throw corrupt('a payload that ends early')
    this.#parts = payload.subarray(0, partBytes)
    this.#texts = decoded(payload.subarray(partBytes))
  }

  text(): string {
    const end = this.#texts.indexOf(SEPARATOR, this.#textAt)
    if (end < 0) throw corrupt('fewer texts than columns need')
    const text = this.#texts.slice(this.#textAt, end)
    this.#textAt = end + 1
    return text.includes('\\') ? unescaped(text) : text
  }

  bytes(_bytes: Uint8Array, lengthBytes: number): Uint8Array {
    if (lengthBytes > this.#parts.length - this.#partAt) throw corrupt('fewer bytes than columns need')
    this.#partAt += lengthBytes
    return new Uint8Array(this.#parts.subarray(this.#partAt - lengthBytes, this.#partAt))
  }

  get atEnd(): boolean {
    return this.#textAt === this.#texts.length && this.#partAt === this.#parts.length
  }
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw corrupt('texts that are not UTF-8', {}, error)
  }
}

function unescaped(text: string): string {
  try {
    return String(JSON.parse(`"${text}"`))
  } catch (error) {
    throw corrupt('a text that is not escaped as JSON', {}, error)
  }
}
