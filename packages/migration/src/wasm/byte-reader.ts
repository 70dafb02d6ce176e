import { unsupported } from './errors.js'

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Reads a WebAssembly binary from `offset` up to `end`, and never a byte beyond. Throws `ERR_MIGRATION_UNSUPPORTED` where the bytes end early. */
export class ByteReader {
  readonly bytes: Uint8Array
  readonly end: number
  offset: number

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.offset = offset
    this.end = end
  }

  get done(): boolean {
    return this.offset >= this.end
  }

  u8(): number {
    if (this.offset >= this.end) throw malformed('the bytes end in the middle of an item', this.offset)
    return this.bytes[this.offset++] ?? 0
  }

  /** An unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8()
      if (shift === 28 && byte > 0x0f) break
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw malformed('a number has more than 32 bits', this.offset)
  }

  /** A signed LEB128 of up to `maxBytes` bytes, of which only the length matters here. */
  skipSigned(maxBytes: number): void {
    for (let i = 0; i < maxBytes; i++) if (this.u8() < 0x80) return
    throw malformed(`a number has more than ${maxBytes} bytes`, this.offset)
  }

  skip(lengthBytes: number): void {
    if (lengthBytes > this.end - this.offset) throw malformed(`${lengthBytes} bytes announced, ${this.end - this.offset} left`, this.offset)
    this.offset += lengthBytes
  }

  /** A view, not a copy. */
  take(lengthBytes: number): Uint8Array {
    const start = this.offset
    this.skip(lengthBytes)
    return this.bytes.subarray(start, this.offset)
  }

  /** A reader over the next `lengthBytes` alone; this one goes on behind them. */
  section(lengthBytes: number): ByteReader {
    const start = this.offset
    this.skip(lengthBytes)
    return new ByteReader(this.bytes, start, this.offset)
  }

  name(): string {
    const bytes = this.take(this.u32())
    try {
      return decoder.decode(bytes)
    } catch {
      throw malformed('a name is not UTF-8', this.offset)
    }
  }

  /** A count of items that take at least one byte each: more than there are bytes left is refused before anything is allocated. */
  count(): number {
    const count = this.u32()
    if (count > this.end - this.offset) throw malformed(`${count} items announced in ${this.end - this.offset} bytes`, this.offset)
    return count
  }

  finish(what: string): void {
    if (!this.done) throw malformed(`${this.end - this.offset} bytes left over after the ${what}`, this.offset)
  }
}

export function malformed(reason: string, offset: number): Error {
  return unsupported(`the module is malformed at byte ${offset}: ${reason}`, { offset })
}

/** An unsigned LEB128. */
export function leb128(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return Uint8Array.from(bytes)
}
