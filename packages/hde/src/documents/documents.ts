import { deltaKernelsOnce } from '../delta/kernels.js'
import { missingDictionary } from '../dictionaries/missing.js'
import { digestNamed } from '../dictionaries/name.js'
import type { DictionaryStore } from '../dictionaries/store.js'
import { decodeBatch, encodeBatch, type Taught } from './batch.js'
import { type Form, JSON_TEXTS, JSON_VALUES, MSGPACK } from './forms.js'
import type { JsonValue } from './json.js'
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from './limits.js'
import { taughtBy } from './taught.js'

export type { JsonValue } from './json.js'

/**
 * Of {@link encodeDocuments} and {@link encodeDocumentBytes}.
 *
 * @public
 */
export interface DocumentEncodeOptions {
  /** Documents of a kind begin with what its dictionary knows, and become samples of it. @defaultValue none */
  readonly dictionaries?: Pick<DictionaryStore, 'current' | 'get' | 'sample'>
  /** What the documents are like. @defaultValue `''` */
  readonly kind?: string
  /** What the decoder accepts. @defaultValue those of {@link DEFAULT_DOCUMENT_LIMITS} */
  readonly limits?: Partial<DocumentLimits>
  /** Ends the work between two steps. */
  readonly signal?: AbortSignal
}

/**
 * Of {@link decodeDocuments} and {@link decodeDocumentBytes}.
 *
 * @public
 */
export interface DocumentDecodeOptions {
  /** @defaultValue those of {@link DEFAULT_DOCUMENT_LIMITS} */
  readonly limits?: Partial<DocumentLimits>
  /** Where the frame's dictionary is looked for. @defaultValue none */
  readonly dictionaries?: Pick<DictionaryStore, 'get'>
  readonly signal?: AbortSignal
}

/**
 * Encodes a batch of documents as their differences from former versions that the decoder holds too. Documents are taken apart into
 * columns over the batch: what did not change costs next to nothing, numbers as many bits as their differences have, names and
 * digests what is new in them. Documents without a former version share one another's shape, keys and texts.
 *
 * Documents nested more than 64 deep go as text.
 *
 * @param previous - The former version of each document, by index; undefined where there is none.
 * @throws `TypeError` for a leaf that JSON cannot say (it has no -0 either: that becomes 0); `RangeError` where `previous` has another
 * length; `ERR_HDE_LIMIT`.
 * @example
 * ```ts
 * import { decodeDocuments, encodeDocuments } from '@dwcp/hde'
 * const former = [{ node: 'a', load: 0.25 }]
 * const bytes = await encodeDocuments([{ node: 'a', load: 0.5 }], former)
 * console.log(bytes.length, await decodeDocuments(bytes, former))
 * ```
 * @public
 */
export async function encodeDocuments(
  documents: readonly JsonValue[],
  previous: readonly (JsonValue | undefined)[],
  options: DocumentEncodeOptions = {},
): Promise<Uint8Array> {
  return encode(JSON_VALUES, documents, previous, options, (document) => Buffer.from(JSON.stringify(document)))
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
  options: DocumentDecodeOptions = {},
): Promise<JsonValue[]> {
  return decode(JSON_VALUES, bytes, previous, options)
}

/**
 * As {@link encodeDocuments}, of documents that come as bytes and come back byte by byte: JSON text or MessagePack. A document that
 * writing would not give back so (white space, numbers written in an unusual way, integers in more bytes than they need, keys that are
 * no texts) goes whole, compressed with the former versions as reference.
 *
 * @throws `RangeError` where `previous` has another length; `ERR_HDE_LIMIT`.
 * @public
 */
export async function encodeDocumentBytes(
  documents: readonly Uint8Array[],
  previous: readonly (Uint8Array | undefined)[],
  options: DocumentEncodeOptions & { readonly form: 'json' | 'msgpack' },
): Promise<Uint8Array> {
  return encode(FORMS[options.form], documents, previous, options, (document) => document.slice())
}

/**
 * The inverse of {@link encodeDocumentBytes}, with the same former versions and form.
 *
 * @throws as {@link decodeDocuments}.
 * @public
 */
export async function decodeDocumentBytes(
  bytes: Uint8Array,
  previous: readonly (Uint8Array | undefined)[],
  options: DocumentDecodeOptions & { readonly form: 'json' | 'msgpack' },
): Promise<Uint8Array[]> {
  return decode(FORMS[options.form], bytes, previous, options)
}

const FORMS = { json: JSON_TEXTS, msgpack: MSGPACK } as const

async function encode<Document>(
  form: Form<Document>,
  documents: readonly Document[],
  formers: readonly (Document | undefined)[],
  { dictionaries, kind = '', limits, signal }: DocumentEncodeOptions,
  sampleOf: (document: Document) => Uint8Array,
): Promise<Uint8Array> {
  if (documents.length !== formers.length) throw new RangeError(`${documents.length} documents, and former versions of ${formers.length}`)
  const kernels = await deltaKernelsOnce()
  // Former versions say more than a dictionary does.
  const digest = formers.includes(undefined) ? dictionaries?.current(kind) : undefined
  const dictionary = digest === undefined ? undefined : dictionaries?.get(digest)
  const taught = dictionary === undefined ? undefined : await taughtBy(kernels, dictionary)
  const bytes = await encodeBatch(kernels, { form, formers, taught }, documents, { ...DEFAULT_DOCUMENT_LIMITS, ...limits }, signal)
  // A batch past the limits comes again in smaller ones: its documents are samples once.
  for (const document of documents) dictionaries?.sample(kind, form === MSGPACK ? 'msgpack' : 'json', () => sampleOf(document))
  return bytes
}

async function decode<Document>(
  form: Form<Document>,
  bytes: Uint8Array,
  formers: readonly (Document | undefined)[],
  { limits, dictionaries, signal }: DocumentDecodeOptions,
): Promise<Document[]> {
  const kernels = await deltaKernelsOnce()
  const taught = async (name: Uint8Array): Promise<Taught> => {
    const digest = digestNamed(name)
    const dictionary = dictionaries?.get(digest)
    if (dictionary === undefined) throw missingDictionary(digest)
    return taughtBy(kernels, dictionary)
  }
  return decodeBatch(kernels, { form, formers }, bytes, { ...DEFAULT_DOCUMENT_LIMITS, ...limits }, taught, signal)
}
