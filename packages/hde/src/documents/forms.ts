import { corrupt } from '../errors.js'
import { type JsonValue, jsonOfNode, nodeOfJson } from './json.js'
import { msgpackOfNode, nodeOfMsgpack } from './msgpack.js'
import { MOST_DEPTH } from './place.js'
import { type Node, Opaque } from './tree.js'
import { type ChangeValue, nodeOfValue, valueOfNode } from './values.js'

/** What documents come as, and go as. */
export interface Form<Document> {
  /** In frames. */
  readonly code: number
  nodeOf(document: Document): Node
  /** Trusts nothing in the node. */
  documentOf(node: Node): Document
  /** Bytes that differ where documents do: for digests, and as reference of what is compressed. */
  canonical(documents: readonly (Document | undefined)[]): Uint8Array
}

export const JSON_VALUES: Form<JsonValue> = {
  code: 0,
  nodeOf: (document) => nodeOfJson(document, MOST_DEPTH) ?? new Opaque(Buffer.from(JSON.stringify(document))),
  documentOf: (node) => (node instanceof Opaque ? parsed(node.bytes) : jsonOfNode(node)),
  canonical: (documents) => Buffer.from(JSON.stringify(documents)),
}

/** As they are where parsing and writing does not give them back, byte by byte. */
export const JSON_TEXTS: Form<Uint8Array> = {
  code: 1,
  nodeOf: nodeOfJsonText,
  documentOf: (node) => (node instanceof Opaque ? node.bytes : new Uint8Array(Buffer.from(JSON.stringify(jsonOfNode(node))))),
  canonical: joined,
}

export const MSGPACK: Form<Uint8Array> = {
  code: 2,
  nodeOf: (document) => nodeOfMsgpack(document, MOST_DEPTH) ?? new Opaque(document),
  documentOf: (node) => (node instanceof Opaque ? node.bytes : msgpackOfNode(node)),
  canonical: joined,
}

export const CHANGES: Form<ChangeValue> = {
  code: 3,
  nodeOf: (document) => nodeOfValue(document, MOST_DEPTH),
  documentOf: valueOfNode,
  canonical: (documents) =>
    joined(documents.map((document) => (document === undefined ? undefined : msgpackOfNode(nodeOfValue(document, MOST_DEPTH))))),
}

function nodeOfJsonText(document: Uint8Array): Node {
  try {
    const text = Buffer.from(document.buffer, document.byteOffset, document.byteLength).toString()
    const value: JsonValue = JSON.parse(text)
    const isSame = Buffer.compare(Buffer.from(JSON.stringify(value)), document) === 0
    return (isSame ? nodeOfJson(value, MOST_DEPTH) : undefined) ?? new Opaque(document)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return new Opaque(document)
    throw error
  }
}

function parsed(bytes: Uint8Array): JsonValue {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch (error) {
    throw corrupt('a text that is not JSON', {}, error)
  }
}

const LENGTH_BYTES = 4

function joined(documents: readonly (Uint8Array | undefined)[]): Uint8Array {
  return Buffer.concat(
    documents.flatMap((document) => {
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeUInt32LE(document === undefined ? 2 ** 32 - 1 : document.length)
      return document === undefined ? [length] : [length, document]
    }),
  )
}
