import { DwcpError } from '@dwcp/interface'
import { ByteReader } from '../byte-reader.js'
import { ByteWriter } from '../byte-writer.js'
import type { DeltaKernels } from '../delta/kernels.js'
import { packStream } from '../delta/packing.js'
import { NAME_BYTES } from '../dictionaries/name.js'
import { corrupt, foreignVersion, type HdeErrorCode, pastLimit } from '../errors.js'
import { checkMethod, OLD_USES, oldUseOf, type Packed, unpack } from '../packing.js'
import type { Form } from './forms.js'
import { codeNodes } from './learn.js'
import type { DocumentLimits } from './limits.js'
import { Model } from './model.js'
import { PayloadReader, PayloadWriter } from './payload.js'
import { RangeReader, RangeWriter } from './range-coder.js'
import { Budget } from './session.js'
import { gaps, type Node } from './tree.js'

const VERSION = 2
const FORM_MASK = 3
const FLAGS = { formers: 4, group: 8, dictionary: 16 } as const
const CHECK_BYTES = 8
const FORMERS_CHECK_BYTES = 4
const ZSTD_LEVEL = 19
const NOTHING = new Uint8Array()
/** Below, what a reference saves is less than finding it costs. */
const REFERENCED_BYTES = 256

/** Documents with what both sides know of them. */
export interface Batch<Document> {
  readonly form: Form<Document>
  readonly formers: readonly (Document | undefined)[]
  readonly groupBy?: string | undefined
  readonly taught?: Taught | undefined
}

/** What a dictionary gives to start with. */
export interface Taught {
  /** In frames. */
  readonly name: Uint8Array
  readonly model: Model
  readonly reference: Uint8Array
}

export async function encodeBatch<Document>(
  kernels: DeltaKernels,
  { form, formers, groupBy, taught }: Batch<Document>,
  documents: readonly Document[],
  limits: DocumentLimits,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  signal?.throwIfAborted()
  checkCount(documents.length, limits)
  const payload = new PayloadWriter()
  const coder = new RangeWriter()
  codeNodes(
    new Model(taught?.model),
    { coder, payload, budget: new Budget(limits.nodes, limits.documentBytes), groupBy },
    nodesOf(form, formers),
    documents.map((document) => form.nodeOf(document)),
  )
  const columns = coder.finish()
  const { bytes, partBytes } = payload.finish()
  const known = formers.some((former) => former !== undefined) ? form.canonical(formers) : undefined
  const packed = bytes.length > 0 ? await packPayload(kernels, bytes, referenceOf(known, taught)) : undefined
  signal?.throwIfAborted()
  const head = new ByteWriter()
  head.byte(VERSION)
  head.byte(
    form.code |
      (known === undefined ? 0 : FLAGS.formers) |
      (groupBy === undefined ? 0 : FLAGS.group) |
      (taught === undefined ? 0 : FLAGS.dictionary),
  )
  head.varint(documents.length)
  head.varint(columns.length)
  head.varint(bytes.length)
  const parts = [head.view()]
  if (packed !== undefined) {
    head.varint(partBytes)
    head.byte(packed.method)
    parts[0] = head.view()
  }
  if (known !== undefined) parts.push(kernels.hash.xxh3_128(known).subarray(0, FORMERS_CHECK_BYTES))
  if (taught !== undefined) parts.push(taught.name)
  if (groupBy !== undefined) {
    const name = Buffer.from(groupBy)
    parts.push(Uint8Array.of(name.length), name)
  }
  parts.push(columns, packed?.bytes ?? NOTHING, kernels.hash.xxh3_128(form.canonical(documents)).subarray(0, CHECK_BYTES))
  return new Uint8Array(Buffer.concat(parts))
}

async function packPayload(kernels: DeltaKernels, bytes: Uint8Array, reference: Uint8Array): Promise<Packed> {
  const plain = await packStream(kernels, bytes, NOTHING, ZSTD_LEVEL)
  if (reference.length === 0 || bytes.length < REFERENCED_BYTES || !kernels.zstdPrefix) return plain
  const referenced = await packStream(kernels, bytes, reference, ZSTD_LEVEL)
  return referenced.bytes.length < plain.bytes.length ? referenced : plain
}

export async function decodeBatch<Document>(
  kernels: DeltaKernels,
  { form, formers }: Batch<Document>,
  frame: Uint8Array,
  limits: DocumentLimits,
  dictionary: (name: Uint8Array) => Promise<Taught>,
  signal: AbortSignal | undefined,
): Promise<Document[]> {
  signal?.throwIfAborted()
  const reader = new ByteReader(frame, 0)
  const version = reader.byte()
  if (version !== VERSION) throw foreignVersion('documents', version, VERSION)
  const flags = reader.byte()
  if ((flags & FORM_MASK) !== form.code) throw corrupt('documents of another form')
  const count = reader.varint()
  const columnBytes = reader.varint()
  const payloadBytes = reader.varint()
  checkCount(count, limits)
  if (payloadBytes > limits.documentBytes)
    throw pastLimit('the payload of documents', payloadBytes, limits.documentBytes, 'raise documentBytes')
  const partBytes = payloadBytes > 0 ? reader.varint() : 0
  const method = payloadBytes > 0 ? reader.byte() : 0
  checkMethod(method, (flags & (FLAGS.formers | FLAGS.dictionary)) !== 0)
  const known = (flags & FLAGS.formers) === 0 ? undefined : checkedFormers(kernels, form, formers, count, reader.take(FORMERS_CHECK_BYTES))
  const taught = (flags & FLAGS.dictionary) === 0 ? undefined : await dictionary(reader.take(NAME_BYTES))
  const groupBy = (flags & FLAGS.group) === 0 ? undefined : Buffer.from(reader.take(reader.byte())).toString()
  const columns = new RangeReader(reader.take(columnBytes))
  const rest = reader.rest()
  if (rest.length < CHECK_BYTES) throw corrupt('a batch that ends early')
  const bytes =
    payloadBytes === 0
      ? NOTHING
      : await unpack(
          kernels,
          { method, bytes: rest.subarray(0, -CHECK_BYTES) },
          oldUseOf(method) === OLD_USES.prefix ? referenceOf(known, taught) : NOTHING,
          payloadBytes,
        )
  signal?.throwIfAborted()
  const payload = new PayloadReader(bytes, partBytes)
  const budget = new Budget(limits.nodes, limits.documentBytes)
  const older = (flags & FLAGS.formers) === 0 ? [] : nodesOf(form, formers)
  const nodes = codeNodes(new Model(taught?.model), { coder: columns, payload, budget, groupBy }, older, gaps(count))
  if (!payload.atEnd) throw corrupt('more than the documents need')
  const documents = nodes.map((node) => form.documentOf(node))
  if (Buffer.compare(kernels.hash.xxh3_128(form.canonical(documents)).subarray(0, CHECK_BYTES), rest.subarray(-CHECK_BYTES)) !== 0) {
    throw corrupt('documents that do not have the digest they were sent with')
  }
  return documents
}

function checkCount(count: number, limits: DocumentLimits): void {
  if (count > limits.documents)
    throw pastLimit('the documents of a batch', count, limits.documents, 'send fewer at once, or raise documents')
}

function referenceOf(formers: Uint8Array | undefined, taught: Taught | undefined): Uint8Array {
  if (taught === undefined) return formers ?? NOTHING
  return formers === undefined ? taught.reference : Buffer.concat([taught.reference, formers])
}

function nodesOf<Document>(form: Form<Document>, formers: readonly (Document | undefined)[]): (Node | undefined)[] {
  return formers.map((former) => (former === undefined ? undefined : form.nodeOf(former)))
}

function checkedFormers<Document>(
  kernels: DeltaKernels,
  form: Form<Document>,
  formers: readonly (Document | undefined)[],
  count: number,
  check: Uint8Array,
): Uint8Array {
  // Also where a dictionary says so, which has none.
  if (count === 0 || count !== formers.length) throw corrupt('former versions of another number of documents')
  const known = form.canonical(formers)
  if (Buffer.compare(kernels.hash.xxh3_128(known).subarray(0, FORMERS_CHECK_BYTES), check) === 0) return known
  throw new DwcpError<HdeErrorCode>(
    'ERR_HDE_BASELINE_MISSING',
    'the former versions here are not those that the documents were told from: have them sent whole',
  )
}
