import { DwcpError } from '@dwcp/interface'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { type DeltaKernels, loadDeltaKernels } from '../delta/kernels.js'
import { packStream } from '../delta/packing.js'
import { corrupt, type HdeErrorCode, pastLimit } from '../errors.js'
import { checkMethod, OLD_USES, oldUseOf, unpack } from '../packing.js'
import { BitReader, BitWriter } from './bits.js'
import { readColumn, writeColumn } from './columns.js'
import { type JsonValue, type Leaf, mapLeaves, sameShape, visitLeaves } from './json.js'

export type { JsonValue } from './json.js'

const VERSION = 1
const HASH_BYTES = 16
const ZSTD_LEVEL = 19
const NOTHING = new Uint8Array()

/**
 * Encodes a batch of documents as their differences from former versions that the decoder holds too. Documents that kept their
 * shape are taken apart into columns over the batch: numbers as differences or values in as few bits as their range needs, the
 * rest as text. A document without a former version, or of another shape, goes whole, described by the batch's former versions.
 *
 * @param previous - The former version of each document, by index; undefined where there is none.
 * @throws `TypeError` for a leaf that JSON cannot say (it has no -0 either: that becomes 0); `RangeError` where `previous` has another length.
 * @example
 * ```ts
 * import { decodeDocuments, encodeDocuments } from '@dwcp/hde'
 * const former = [{ node: 'a', load: 0.25 }]
 * const bytes = await encodeDocuments([{ node: 'a', load: 0.5 }], former)
 * console.log(bytes.length, await decodeDocuments(bytes, former))
 * ```
 * @public
 */
export async function encodeDocuments(documents: readonly JsonValue[], previous: readonly (JsonValue | undefined)[]): Promise<Uint8Array> {
  if (documents.length !== previous.length) throw new RangeError(`${documents.length} documents, and former versions of ${previous.length}`)
  for (const document of documents) visitLeaves(document, checkLeaf)
  const kernels = await kernelsOnce()
  const bits = new BitWriter()
  const kept = documents.map((document, index) => keepsShape(previous[index], document))
  for (const one of kept) bits.write(one ? 1 : 0, 1)
  const older = columnsOf(previous.filter((_, index) => kept[index] === true))
  const newer = columnsOf(documents.filter((_, index) => kept[index] === true))
  const texts: JsonValue[] = []
  const leaves: Leaf[] = []
  for (const [column, was] of older) writeColumn(was, newer.get(column) ?? [], bits, leaves)
  texts.push(...leaves, ...documents.filter((_, index) => kept[index] !== true))
  const text = texts.length === 0 ? NOTHING : new TextEncoder().encode(canonical(texts))
  const packed = await packStream(kernels, text, kernels.zstdPrefix ? referenceOf(previous) : NOTHING, ZSTD_LEVEL)
  const columns = bits.finish()
  const head = new ByteWriter()
  head.byte(VERSION)
  head.varint(documents.length)
  head.varint(columns.length)
  head.varint(text.length)
  head.byte(packed.method)
  return new Uint8Array(Buffer.concat([head.view(), columns, packed.bytes, digestOf(kernels, documents)]))
}

/**
 * The inverse of {@link encodeDocuments}, with the same former versions.
 *
 * @throws `ERR_HDE_BASELINE_MISSING`: the former versions are not those of the encoder. `ERR_HDE_CORRUPT`, `ERR_HDE_LIMIT`, `ERR_HDE_VERSION`.
 * @public
 */
export async function decodeDocuments(
  bytes: Uint8Array,
  previous: readonly (JsonValue | undefined)[],
  options: { /** Most bytes of text. @defaultValue 64 MiB */ readonly textBytes?: number } = {},
): Promise<JsonValue[]> {
  const { textBytes = 64 << 20 } = options
  const kernels = await kernelsOnce()
  const reader = new ByteReader(bytes, 0)
  const version = reader.byte()
  if (version !== VERSION) {
    throw new DwcpError<HdeErrorCode>('ERR_HDE_VERSION', `documents of format version ${version}, and only ${VERSION} is spoken here`)
  }
  if (reader.varint() !== previous.length) throw corrupt('a batch of another number of documents')
  const columnBytes = reader.varint()
  const lengthBytes = reader.varint()
  if (lengthBytes > textBytes) throw pastLimit('the text of documents', lengthBytes, textBytes, 'raise textBytes')
  const method = reader.byte()
  checkMethod(method, true)
  const bits = new BitReader(reader.take(columnBytes))
  const rest = reader.rest()
  if (rest.length < HASH_BYTES) throw corrupt('a batch that ends early')
  const reference = oldUseOf(method) === OLD_USES.prefix ? referenceOf(previous) : NOTHING
  const text = await unpack(kernels, { method, bytes: rest.subarray(0, -HASH_BYTES) }, reference, lengthBytes)
  const documents = assembled(previous, bits, text)
  if (Buffer.compare(checkedDigestOf(kernels, documents), rest.subarray(-HASH_BYTES)) !== 0) {
    throw new DwcpError<HdeErrorCode>(
      'ERR_HDE_BASELINE_MISSING',
      'the documents do not have the digest they were sent with: the former versions here are others; have them sent whole',
    )
  }
  return documents
}

function assembled(previous: readonly (JsonValue | undefined)[], bits: BitReader, text: Uint8Array): JsonValue[] {
  const kept = previous.map((former) => bits.read(1) === 1 && (former !== undefined || missing()))
  const texts = parsedArray(text)
  let taken = 0
  const next = (): JsonValue => {
    const value = texts[taken++]
    if (value === undefined) throw corrupt('fewer texts than columns need')
    return value
  }
  const columns = columnsOf(previous.filter((_, index) => kept[index] === true))
  const newer = new Map<string, Iterator<Leaf>>()
  for (const [column, was] of columns) newer.set(column, readColumn(was, bits, next).values())
  const documents = previous.map((former, index) =>
    kept[index] === true && former !== undefined ? mapLeaves(former, (column) => newer.get(column)?.next().value ?? null) : next(),
  )
  if (taken !== texts.length || !bits.atEnd) throw corrupt('more than the documents need')
  return documents
}

function missing(): never {
  throw corrupt('a difference from a document that is not there')
}

function keepsShape(former: JsonValue | undefined, document: JsonValue): boolean {
  return former !== undefined && sameShape(former, document)
}

/** The leaves of all documents by column, columns in the order in which they are met. */
function columnsOf(documents: readonly (JsonValue | undefined)[]): Map<string, Leaf[]> {
  const columns = new Map<string, Leaf[]>()
  for (const document of documents) {
    if (document === undefined) continue
    visitLeaves(document, (column, leaf) => {
      const leaves = columns.get(column)
      if (leaves === undefined) columns.set(column, [leaf])
      else leaves.push(leaf)
    })
  }
  return columns
}

function referenceOf(previous: readonly (JsonValue | undefined)[]): Uint8Array {
  const known = previous.filter((former) => former !== undefined)
  return known.length === 0 ? NOTHING : new TextEncoder().encode(canonical(known))
}

function digestOf(kernels: DeltaKernels, documents: readonly JsonValue[]): Uint8Array {
  return kernels.hash.xxh3_128(new TextEncoder().encode(canonical(documents)))
}

/** Of what a peer sent, which may be nested more deeply than can be written. */
function checkedDigestOf(kernels: DeltaKernels, documents: readonly JsonValue[]): Uint8Array {
  try {
    return digestOf(kernels, documents)
  } catch (error) {
    throw corrupt('documents that are nested too deeply', {}, error)
  }
}

function checkLeaf(_column: string, leaf: unknown): void {
  const said = leaf === null || typeof leaf === 'string' || typeof leaf === 'boolean' || Number.isFinite(leaf)
  if (!said) throw new TypeError(`JSON has no way to say a ${typeof leaf}${typeof leaf === 'number' ? ` of ${leaf}` : ''}`)
}

function canonical(values: readonly JsonValue[]): string {
  return JSON.stringify(values)
}

function parsedArray(text: Uint8Array): readonly JsonValue[] {
  if (text.length === 0) return []
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text))
    if (Array.isArray(value)) return value
  } catch (error) {
    throw corrupt('a text that is not JSON', {}, error)
  }
  throw corrupt('a text that is not an array')
}

let loading: Promise<DeltaKernels> | undefined
function kernelsOnce(): Promise<DeltaKernels> {
  loading ??= loadDeltaKernels()
  return loading
}
