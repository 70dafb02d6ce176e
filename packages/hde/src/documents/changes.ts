import { deltaKernelsOnce } from '../delta/kernels.js'
import { corrupt } from '../errors.js'
import { decodeBatch, encodeBatch } from './batch.js'
import { CHANGES } from './forms.js'
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from './limits.js'
import type { ChangeValue } from './values.js'

export type { ChangeValue } from './values.js'

/**
 * Of {@link encodeChanges}.
 *
 * @public
 */
export interface ChangeEncodeOptions {
  /** The member of each change that says whose it is: counters are told from that one's latest. At most 255 bytes. @defaultValue `'actor'` */
  readonly actorKey?: string
  /** What the decoder accepts. @defaultValue those of {@link DEFAULT_DOCUMENT_LIMITS} */
  readonly limits?: Partial<DocumentLimits>
  /** Ends the work between two steps. */
  readonly signal?: AbortSignal
}

/**
 * Of {@link decodeChanges}.
 *
 * @public
 */
export interface ChangeDecodeOptions {
  /** @defaultValue those of {@link DEFAULT_DOCUMENT_LIMITS} */
  readonly limits?: Partial<DocumentLimits>
  readonly signal?: AbortSignal
}

/**
 * Encodes a batch of changes of one kind, such as those of a CRDT, column by column: actors and hashes are said once, wherever they
 * occur; counters and clocks by what they differ from the latest of the same actor, or from the change before; identifiers made of
 * numbers and hashes in those parts. Columns and coding are those of {@link encodeDocuments}, with nothing that the decoder must have.
 *
 * @throws `TypeError` for a value that is none of {@link ChangeValue}; `RangeError` for integers past 64 bits and more than 64 levels;
 * `ERR_HDE_LIMIT`.
 * @example
 * ```ts
 * import { decodeChanges, encodeChanges } from '@dwcp/hde'
 * const changes = [1, 2, 3].map((seq) => ({ actor: 'a1b2c3d4e5f60718', seq, startOp: 10 * seq, ops: [{ action: 'set', key: 'load', value: 0.5 }] }))
 * const bytes = await encodeChanges(changes)
 * console.log(bytes.length, (await decodeChanges(bytes)).length)
 * ```
 * @public
 */
export async function encodeChanges(changes: readonly ChangeValue[], options: ChangeEncodeOptions = {}): Promise<Uint8Array> {
  const { actorKey = 'actor', signal } = options
  const limits = { ...DEFAULT_DOCUMENT_LIMITS, ...options.limits }
  if (Buffer.byteLength(actorKey) > 255) throw new RangeError(`actorKey is longer than 255 bytes: ${actorKey}`)
  const formers = changes.map(() => undefined)
  return encodeBatch(await deltaKernelsOnce(), { form: CHANGES, formers, groupBy: actorKey }, changes, limits, signal)
}

/**
 * The inverse of {@link encodeChanges}. Members come in the order in which they were.
 *
 * @throws `ERR_HDE_CORRUPT`, `ERR_HDE_LIMIT`, `ERR_HDE_VERSION`.
 * @public
 */
export async function decodeChanges(bytes: Uint8Array, options: ChangeDecodeOptions = {}): Promise<ChangeValue[]> {
  const limits = { ...DEFAULT_DOCUMENT_LIMITS, ...options.limits }
  return decodeBatch(await deltaKernelsOnce(), { form: CHANGES, formers: [] }, bytes, limits, noDictionary, options.signal)
}

function noDictionary(): never {
  throw corrupt('changes made with a dictionary')
}
