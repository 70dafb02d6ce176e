import { DwcpError, isDwcpError } from '@dwcp/interface'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import { framed, HASH_BYTES } from '../delta/format.js'
import { FrameReader } from '../delta/frame-reader.js'
import { deltaKernelsOnce } from '../delta/kernels.js'
import {
  type DocumentDecodeOptions,
  type DocumentEncodeOptions,
  decodeDocuments,
  encodeDocuments,
  type JsonValue,
} from '../documents/documents.js'
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from '../documents/limits.js'
import { corrupt, foreignVersion, type HdeErrorCode, pastLimit } from '../errors.js'

/**
 * Documents of any number, in their order.
 *
 * @public
 */
export interface DocumentSet {
  readonly documents: readonly JsonValue[]
  /** By index what the decoder holds of each, undefined where it holds nothing. @defaultValue nothing of any */
  readonly former?: readonly (JsonValue | undefined)[]
}

/** Of docs/wire/objects.md. */
export const DOCUMENTS_MAGIC: Uint8Array = new TextEncoder().encode('DWCPdocs')
const VERSION = 1
const KINDS = { head: 1, batch: 2, end: 3 } as const
/** What ends each batch. */
const CHECK_BYTES = 8
/** So many documents of 60 members are what the default limits take; more of them would share little more. */
const BATCH_DOCUMENTS = 1_024
/** What one member or element may take in columns, with room to spare. */
const NODE_BYTES = 64

/** Whether some document has no former version, which says more than a dictionary does. */
export function usesDictionary({ documents, former }: DocumentSet): boolean {
  return documents.length > 0 && (former === undefined || former.includes(undefined))
}

/** A stream of batches that each keep within the limits; `counted` hears the bytes of their JSON text. */
export async function* encodeDocumentSet(
  { documents, former }: DocumentSet,
  options: DocumentEncodeOptions,
  counted: (rawBytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (former !== undefined && former.length !== documents.length)
    throw new RangeError(`${documents.length} documents, and former versions of ${former.length}`)
  const limit = options.limits?.documents ?? DEFAULT_DOCUMENT_LIMITS.documents
  if (!(limit >= 1)) throw new RangeError(`limits.documents is ${limit}: it must be 1 or more`)
  const { hash } = await deltaKernelsOnce()
  const checks = hash.stream()
  const head = new ByteWriter()
  head.byte(KINDS.head)
  head.byte(VERSION)
  head.varint(documents.length)
  yield new Uint8Array(Buffer.concat([DOCUMENTS_MAGIC, framed(head.view(), [])]))
  let most = Math.min(BATCH_DOCUMENTS, limit)
  for (let at = 0; at < documents.length; ) {
    const { batch, count } = await batchWithin(documents.slice(at, at + most), former?.slice(at, at + most), options)
    counted(Buffer.byteLength(JSON.stringify(documents.slice(at, at + count))))
    checks.update(batch.subarray(-CHECK_BYTES))
    const front = new ByteWriter()
    front.byte(KINDS.batch)
    front.varint(count)
    yield framed(front.view(), [batch])
    at += count
    most = count
  }
  yield framed(Uint8Array.of(KINDS.end), [checks.digest()])
}

/** As many of the documents as the limits take, of half as many each time. */
async function batchWithin(
  documents: readonly JsonValue[],
  former: DocumentSet['former'],
  options: DocumentEncodeOptions,
): Promise<{ readonly batch: Uint8Array; readonly count: number }> {
  // Bounded by BATCH_DOCUMENTS, halved until it is 1.
  for (let count = documents.length; ; count = Math.ceil(count / 2)) {
    const some = documents.slice(0, count)
    try {
      return { batch: await encodeDocuments(some, former?.slice(0, count) ?? some.map(() => undefined), options), count }
    } catch (error) {
      if (count <= 1 || !isDwcpError(error, 'ERR_HDE_LIMIT')) throw error
    }
  }
}

/** The documents of each batch, verified. */
export async function* decodeDocumentSet(
  frames: Uint8Array | AsyncIterable<Uint8Array>,
  former: DocumentSet['former'],
  options: DocumentDecodeOptions,
): AsyncGenerator<JsonValue[], void, undefined> {
  const limits: DocumentLimits = { ...DEFAULT_DOCUMENT_LIMITS, ...options.limits }
  const { hash } = await deltaKernelsOnce()
  const checks = hash.stream()
  const source = new FrameReader(frames, 2 * limits.documentBytes + NODE_BYTES * limits.nodes, options.signal)
  try {
    await source.magic(DOCUMENTS_MAGIC)
    const total = readHead(new ByteReader(await source.frame(), 0))
    if (former !== undefined && former.length !== total) throw otherFormers(former.length, total)
    for (let at = 0; at < total; ) {
      const reader = new ByteReader(await source.frame(), 0)
      if (reader.byte() !== KINDS.batch) throw corrupt('a frame where a batch of documents was due')
      const count = reader.varint()
      if (count === 0 || count > total - at) throw corrupt(`a batch of ${count} documents where ${total - at} are left`)
      if (count > limits.documents)
        throw pastLimit('the documents of a batch', count, limits.documents, 'send fewer at once, or raise limits.documents')
      const batch = reader.rest()
      const held = former?.slice(at, at + count) ?? Array.from({ length: count }, () => undefined)
      const documents = await decodeDocuments(batch, held, options)
      if (documents.length !== count) throw corrupt(`a batch of ${documents.length} documents where ${count} were declared`)
      checks.update(batch.subarray(-CHECK_BYTES))
      at += count
      yield documents
    }
    const end = new ByteReader(await source.frame(), 0)
    if (end.byte() !== KINDS.end || Buffer.compare(end.take(HASH_BYTES), checks.digest()) !== 0)
      throw corrupt('the documents are not those that were encoded')
    end.end()
    if (!(await source.atEnd())) throw corrupt('bytes follow the end of the documents')
  } finally {
    await source.close()
  }
}

function readHead(reader: ByteReader): number {
  if (reader.byte() !== KINDS.head) throw corrupt('a stream of documents that does not begin with its head')
  const version = reader.byte()
  if (version !== VERSION) throw foreignVersion('a stream of documents', version, VERSION)
  const total = reader.varint()
  reader.end()
  return total
}

function otherFormers(given: number, wanted: number): DwcpError<HdeErrorCode> {
  const text = `${wanted} documents, and former versions of ${given} here: have them sent whole`
  return new DwcpError('ERR_HDE_BASELINE_MISSING', text, { details: { documents: wanted, former: given } })
}
