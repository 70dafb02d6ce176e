/** A document taken apart: what JSON and msgpack say, with what tells their bytes apart. */
export type Node = Leaf | ArrayNode | MapNode

/** A number that is no integer is of 64 bits; integers past 2^53 are bigints. */
export type Leaf = null | boolean | number | string | bigint | Uint8Array | Double | Single | Extension | Opaque

export class ArrayNode {
  readonly items: Node[]

  constructor(items: Node[]) {
    this.items = items
  }
}

/** Members in their order. */
export class MapNode {
  readonly keys: readonly string[]
  readonly items: Node[]

  constructor(keys: readonly string[], items: Node[]) {
    this.keys = keys
    this.items = items
  }
}

/** A float of 64 bits whose value is that of an integer, or none at all. */
export class Double {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** A float of 32 bits. */
export class Single {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

export class Extension {
  readonly type: number
  readonly bytes: Uint8Array

  constructor(type: number, bytes: Uint8Array) {
    this.type = type
    this.bytes = bytes
  }
}

/** A whole document that is carried as it is. */
export class Opaque {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

export const KINDS = {
  null: 0,
  false: 1,
  true: 2,
  number: 3,
  text: 4,
  array: 5,
  map: 6,
  float: 7,
  double: 8,
  single: 9,
  wide: 10,
  bytes: 11,
  extension: 12,
  opaque: 13,
} as const
export const KIND_BITS = 4

/** So many nodes that are yet to be read. */
export function gaps(count: number): Node[] {
  return Array.from({ length: count }, () => null)
}

/** A number is `number` where its column's decimals hold it, and `float` else: that is the column's to say. */
export function kindOf(node: Node): number {
  switch (typeof node) {
    case 'string':
      return KINDS.text
    case 'number':
      return KINDS.number
    case 'boolean':
      return node ? KINDS.true : KINDS.false
    case 'bigint':
      return KINDS.wide
    default:
  }
  if (node === null) return KINDS.null
  if (node instanceof MapNode) return KINDS.map
  if (node instanceof ArrayNode) return KINDS.array
  if (node instanceof Double) return KINDS.double
  if (node instanceof Single) return KINDS.single
  if (node instanceof Extension) return KINDS.extension
  return node instanceof Opaque ? KINDS.opaque : KINDS.bytes
}

/** Whether both are the same at this level: equal leaves, arrays of one length, maps of the same keys in the same order. */
export function sameLevel(one: Node, other: Node): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return Object.is(one, other)
  if (one instanceof MapNode) return other instanceof MapNode && sameKeys(one.keys, other.keys)
  if (one instanceof ArrayNode) return other instanceof ArrayNode && one.items.length === other.items.length
  if (one instanceof Double) return other instanceof Double && Object.is(one.value, other.value)
  if (one instanceof Single) return other instanceof Single && Object.is(one.value, other.value)
  if (one instanceof Extension) return other instanceof Extension && one.type === other.type && sameBytes(one.bytes, other.bytes)
  if (one instanceof Opaque) return other instanceof Opaque && sameBytes(one.bytes, other.bytes)
  return other instanceof Uint8Array && sameBytes(one, other)
}

function sameKeys(one: readonly string[], other: readonly string[]): boolean {
  return one === other || (one.length === other.length && one.every((key, index) => key === other[index]))
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
