import { ArrayNode, Double, Extension, MapNode, type Node, Opaque, Single } from './tree.js'

/** Each value in the fewest bytes that MessagePack has for it; integers that are not negative as unsigned ones. */
export class MsgpackWriter {
  #bytes = Buffer.allocUnsafe(512)
  #length = 0

  value(node: Node): void {
    if (node === null) return this.#put(0xc0)
    if (typeof node === 'boolean') return this.#put(node ? 0xc3 : 0xc2)
    if (typeof node === 'number') return Number.isInteger(node) ? this.#integer(node) : this.#float64(node)
    if (typeof node === 'string') return this.#text(node)
    if (typeof node === 'bigint') return this.#wide(node)
    if (node instanceof MapNode) {
      this.#sized(node.keys.length, 16, 0x80, 0xde)
      for (const [index, key] of node.keys.entries()) {
        this.#text(key)
        this.value(node.items[index] ?? null)
      }
      return
    }
    if (node instanceof ArrayNode) {
      this.#sized(node.items.length, 16, 0x90, 0xdc)
      for (const item of node.items) this.value(item)
      return
    }
    if (node instanceof Double) return this.#float64(node.value)
    if (node instanceof Single) {
      this.#put(0xca)
      const at = this.#room(4)
      this.#length = this.#bytes.writeFloatBE(node.value, at)
      return
    }
    if (node instanceof Extension) return this.#extension(node)
    const bytes = node instanceof Opaque ? node.bytes : node
    this.#put(bytes.length < 2 ** 8 ? 0xc4 : bytes.length < 2 ** 16 ? 0xc5 : 0xc6)
    this.#uint(bytes.length, bytes.length < 2 ** 8 ? 1 : bytes.length < 2 ** 16 ? 2 : 4)
    this.#append(bytes)
  }

  finish(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#length))
  }

  #integer(value: number): void {
    if (!Number.isSafeInteger(value)) return this.#float64(value)
    if (value >= 0) {
      if (value < 128) return this.#put(value)
      if (value < 2 ** 8) return this.#marked(0xcc, value, 1)
      if (value < 2 ** 16) return this.#marked(0xcd, value, 2)
      if (value < 2 ** 32) return this.#marked(0xce, value, 4)
      return this.#wide(BigInt(value))
    }
    if (value >= -32) return this.#put(value + 256)
    if (value >= -(2 ** 7)) return this.#marked(0xd0, value + 2 ** 8, 1)
    if (value >= -(2 ** 15)) return this.#marked(0xd1, value + 2 ** 16, 2)
    if (value >= -(2 ** 31)) return this.#marked(0xd2, value + 2 ** 32, 4)
    this.#wide(BigInt(value))
  }

  #wide(value: bigint): void {
    this.#put(value < 0n ? 0xd3 : 0xcf)
    const at = this.#room(8)
    this.#length = this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), at)
  }

  #float64(value: number): void {
    this.#put(0xcb)
    const at = this.#room(8)
    this.#length = this.#bytes.writeDoubleBE(value, at)
  }

  #text(text: string): void {
    const lengthBytes = Buffer.byteLength(text)
    if (lengthBytes < 32) this.#put(0xa0 | lengthBytes)
    else if (lengthBytes < 2 ** 8) this.#marked(0xd9, lengthBytes, 1)
    else this.#marked(lengthBytes < 2 ** 16 ? 0xda : 0xdb, lengthBytes, lengthBytes < 2 ** 16 ? 2 : 4)
    const at = this.#room(lengthBytes)
    this.#length = at + this.#bytes.write(text, at)
  }

  #extension({ type, bytes }: Extension): void {
    const fixed = [1, 2, 4, 8, 16].indexOf(bytes.length)
    if (fixed >= 0) this.#put(0xd4 + fixed)
    else if (bytes.length < 2 ** 8) this.#marked(0xc7, bytes.length, 1)
    else this.#marked(bytes.length < 2 ** 16 ? 0xc8 : 0xc9, bytes.length, bytes.length < 2 ** 16 ? 2 : 4)
    this.#put(type & 0xff)
    this.#append(bytes)
  }

  #sized(count: number, few: number, short: number, long: number): void {
    if (count < few) return this.#put(short | count)
    this.#marked(count < 2 ** 16 ? long : long + 1, count, count < 2 ** 16 ? 2 : 4)
  }

  #marked(mark: number, value: number, lengthBytes: number): void {
    this.#put(mark)
    this.#uint(value, lengthBytes)
  }

  #uint(value: number, lengthBytes: number): void {
    const at = this.#room(lengthBytes)
    this.#length = this.#bytes.writeUIntBE(value, at, lengthBytes)
  }

  #put(byte: number): void {
    const at = this.#room(1)
    this.#bytes[at] = byte
    this.#length = at + 1
  }

  #append(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
    this.#length = at + bytes.length
  }

  /** @returns where the next bytes go: to be asked before `#bytes` is read, which may be another one afterwards. */
  #room(moreBytes: number): number {
    if (this.#length + moreBytes > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + moreBytes))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    return this.#length
  }
}
