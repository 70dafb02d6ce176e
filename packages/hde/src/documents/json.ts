import { corrupt } from '../errors.js'
import { ArrayNode, MapNode, type Node } from './tree.js'

/**
 * What JSON can say.
 *
 * @public
 */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** @returns undefined where it is nested more deeply than `depth`. */
export function nodeOfJson(value: JsonValue, depth: number): Node | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`JSON has no way to say a number of ${value}`)
      return value + 0
    case 'object':
      break
    default:
      throw new TypeError(`JSON has no way to say a ${typeof value}`)
  }
  if (value === null) return null
  if (depth === 0) return undefined
  const keys = Array.isArray(value) ? undefined : Object.keys(value)
  const items: Node[] = []
  // Bounded: the depth grows less by one with each call.
  for (const member of Object.values<JsonValue>(value)) {
    const item = nodeOfJson(member, depth - 1)
    if (item === undefined) return undefined
    items.push(item)
  }
  return keys === undefined ? new ArrayNode(items) : new MapNode(keys, items)
}

export function jsonOfNode(node: Node): JsonValue {
  if (node instanceof ArrayNode) return node.items.map(jsonOfNode)
  if (node instanceof MapNode) return Object.fromEntries(node.keys.map((key, index) => [key, jsonOfNode(node.items[index] ?? null)]))
  if (node === null || typeof node === 'string' || typeof node === 'number' || typeof node === 'boolean') return node
  throw corrupt('a value that JSON does not have')
}
