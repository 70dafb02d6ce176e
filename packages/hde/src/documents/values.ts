import { corrupt } from '../errors.js'
import { ArrayNode, Double, MapNode, type Node } from './tree.js'

/**
 * What a change may consist of: what JSON has, any number, integers of 64 bits and bytes.
 *
 * @public
 */
export type ChangeValue =
  | null
  | boolean
  | number
  | string
  | bigint
  | Uint8Array
  | readonly ChangeValue[]
  | { readonly [key: string]: ChangeValue }

const LEAST_WIDE = -(2n ** 63n)
const MOST_WIDE = 2n ** 64n - 1n

/** @throws `TypeError` for what no change consists of; `RangeError` for an integer past 64 bits, or deeper nesting than `depth`. */
export function nodeOfValue(value: ChangeValue, depth: number): Node {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'number':
      return value
    case 'bigint':
      if (value < LEAST_WIDE || value > MOST_WIDE) throw new RangeError(`${value} has more than 64 bits`)
      return value
    case 'object':
      break
    default:
      throw new TypeError(`a change cannot hold a ${typeof value}: leave it out`)
  }
  if (value === null || isBytes(value)) return value
  if (depth === 0) throw new RangeError('a change that is nested too deeply')
  const items: Node[] = []
  // Bounded: the depth grows less by one with each call.
  for (const member of Object.values<ChangeValue>(value)) items.push(nodeOfValue(member, depth - 1))
  return Array.isArray(value) ? new ArrayNode(items) : new MapNode(Object.keys(value), items)
}

export function valueOfNode(node: Node): ChangeValue {
  if (node instanceof ArrayNode) return node.items.map(valueOfNode)
  if (node instanceof MapNode) return Object.fromEntries(node.keys.map((key, index) => [key, valueOfNode(node.items[index] ?? null)]))
  if (node instanceof Double) return node.value
  if (node === null || typeof node !== 'object') return node
  if (node instanceof Uint8Array) return node
  throw corrupt('a value that changes do not have')
}

function isBytes(value: ChangeValue & object): value is Uint8Array {
  return value instanceof Uint8Array
}
