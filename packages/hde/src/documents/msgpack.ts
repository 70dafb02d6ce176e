import { MsgpackWriter } from './msgpack-writer.js'
import { ArrayNode, Double, Extension, MapNode, type Node, Single } from './tree.js'

// The MessagePack specification (github.com/msgpack/msgpack, spec.md, 2013).

/**
 * The document in `bytes`, or undefined where it is not one, is nested more deeply than `depth`, has a map with keys that are no
 * texts, or is not written in the fewest bytes: what the writer would not give back byte by byte.
 */
export function nodeOfMsgpack(bytes: Uint8Array, depth: number): Node | undefined {
  const reader = new MsgpackReader(bytes)
  try {
    const node = reader.value(depth)
    return Buffer.compare(msgpackOfNode(node), bytes) === 0 ? node : undefined
  } catch (error) {
    if (error instanceof Unreadable || error instanceof RangeError) return undefined
    throw error
  }
}

export function msgpackOfNode(node: Node): Uint8Array {
  const writer = new MsgpackWriter()
  writer.value(node)
  return writer.finish()
}

class Unreadable extends Error {}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

class MsgpackReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  value(depth: number): Node {
    if (depth < 0) throw new Unreadable()
    const mark = this.#uint(1)
    if (mark < 0x80) return mark
    if (mark >= 0xe0) return mark - 256
    if (mark < 0x90) return this.#map(mark & 15, depth)
    if (mark < 0xa0) return this.#array(mark & 15, depth)
    if (mark < 0xc0) return this.#text(mark & 31)
    switch (mark) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#uint(2 ** (mark - 0xc4)))
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(2 ** (mark - 0xc7)))
      case 0xca:
        return new Single(this.#view.getFloat32(this.#skip(4)))
      case 0xcb: {
        const value = this.#view.getFloat64(this.#skip(8))
        return Number.isFinite(value) && !Number.isInteger(value) ? value : new Double(value)
      }
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(2 ** (mark - 0xcc))
      case 0xcf:
        return narrowed(this.#view.getBigUint64(this.#skip(8)))
      case 0xd0:
        return this.#view.getInt8(this.#skip(1))
      case 0xd1:
        return this.#view.getInt16(this.#skip(2))
      case 0xd2:
        return this.#view.getInt32(this.#skip(4))
      case 0xd3:
        return narrowed(this.#view.getBigInt64(this.#skip(8)))
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(2 ** (mark - 0xd4))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(2 ** (mark - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 * (mark - 0xdb)), depth)
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 * (mark - 0xdd)), depth)
      default:
        throw new Unreadable()
    }
  }

  #array(length: number, depth: number): Node {
    const items: Node[] = []
    // Each element takes a byte at least: bounded by the bytes, and nested at most `depth` times.
    for (let index = 0; index < length; index += 1) items.push(this.value(depth - 1))
    return new ArrayNode(items)
  }

  #map(length: number, depth: number): Node {
    const keys: string[] = []
    const items: Node[] = []
    for (let index = 0; index < length; index += 1) {
      const key = this.value(0)
      if (typeof key !== 'string') throw new Unreadable()
      keys.push(key)
      items.push(this.value(depth - 1))
    }
    return new MapNode(keys, items)
  }

  #text(lengthBytes: number): string {
    try {
      return UTF8.decode(this.#take(lengthBytes))
    } catch {
      throw new Unreadable()
    }
  }

  #extension(lengthBytes: number): Node {
    const type = this.#view.getInt8(this.#skip(1))
    return new Extension(type, this.#take(lengthBytes))
  }

  #uint(lengthBytes: number): number {
    const at = this.#skip(lengthBytes)
    return lengthBytes === 1 ? this.#view.getUint8(at) : lengthBytes === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  #take(lengthBytes: number): Uint8Array {
    const at = this.#skip(lengthBytes)
    return this.#bytes.subarray(at, at + lengthBytes)
  }

  #skip(lengthBytes: number): number {
    const at = this.#at
    this.#at += lengthBytes
    if (this.#at > this.#bytes.length) throw new Unreadable()
    return at
  }
}

/** As a number where it is one exactly. */
function narrowed(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
