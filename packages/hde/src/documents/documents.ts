import { type DeltaKernels, loadDeltaKernels } from '../delta/kernels.js'
import { decodeBatch, encodeBatch } from './batch.js'
import { JSON_TEXTS, JSON_VALUES, MSGPACK } from './forms.js'
import type { JsonValue } from './json.js'
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from './limits.js'

export type { JsonValue } from './json.js'

/**
 * Of {@link encodeDocuments} and {@link encodeDocumentBytes}.
 *
 * @public
 */
export interface DocumentEncodeOptions {
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
export async function encodeDocuments(
  documents: readonly JsonValue[],
  previous: readonly (JsonValue | undefined)[],
  options: DocumentEncodeOptions = {},
): Promise<Uint8Array> {
  requireEqual(documents.length, previous.length)
  return encodeBatch(await kernelsOnce(), { form: JSON_VALUES, formers: previous }, documents, options.signal)
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
  const limits = { ...DEFAULT_DOCUMENT_LIMITS, ...options.limits }
  return decodeBatch(await kernelsOnce(), { form: JSON_VALUES, formers: previous }, bytes, limits, options.signal)
}

/**
 * As {@link encodeDocuments}, of documents that come as bytes and come back byte by byte: JSON text or MessagePack. A document that
 * writing would not give back so (white space, numbers written in an unusual way, integers in more bytes than they need, keys that are
 * no texts) goes whole, compressed with the former versions as reference.
 *
 * @throws `RangeError` where `previous` has another length.
 * @public
 */
export async function encodeDocumentBytes(
  documents: readonly Uint8Array[],
  previous: readonly (Uint8Array | undefined)[],
  options: DocumentEncodeOptions & { readonly form: 'json' | 'msgpack' },
): Promise<Uint8Array> {
  requireEqual(documents.length, previous.length)
  return encodeBatch(await kernelsOnce(), { form: FORMS[options.form], formers: previous }, documents, options.signal)
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
  const limits = { ...DEFAULT_DOCUMENT_LIMITS, ...options.limits }
  return decodeBatch(await kernelsOnce(), { form: FORMS[options.form], formers: previous }, bytes, limits, options.signal)
}

const FORMS = { json: JSON_TEXTS, msgpack: MSGPACK } as const

function requireEqual(documents: number, previous: number): void {
  if (documents !== previous) throw new RangeError(`${documents} documents, and former versions of ${previous}`)
}

let loading: Promise<DeltaKernels> | undefined
function kernelsOnce(): Promise<DeltaKernels> {
  loading ??= loadDeltaKernels()
  return loading
}
