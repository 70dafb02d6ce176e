import { addonWith, loadAddon } from './addon.js'
import type { Backend } from './backend.js'
import { applyStreams } from './delta-apply.js'
import { matchStreams } from './delta-match.js'
import { referenceOf } from './delta-reference.js'
import { type DeltaStreams, joinStreams, NO_STREAMS, splitStreams } from './delta-streams.js'
import { outOfMemory } from './errors.js'
import { requireLent } from './lent-bytes.js'
import { settle } from './settle.js'
import { stoppable } from './stoppable.js'

export type { Backend } from './backend.js'
export type { DeltaStreams } from './delta-streams.js'
export type { NativeErrorCode } from './errors.js'

/**
 * Where the target lies in the base, and how hard to look.
 *
 * @public
 */
export interface DeltaMatchOptions {
  /** Where the target's first byte would lie in the base if nothing had moved; may be negative or past its end. @defaultValue 0 */
  readonly position?: number
  /** How densely the base is indexed, and whether steps grow longer where nothing matches. @defaultValue 'balanced' */
  readonly effort?: 'fast' | 'balanced' | 'small'
  /** Stops the work within milliseconds; without the addon it is looked at before the work begins. */
  readonly signal?: AbortSignal
}

/**
 * Who matches here, and why.
 * @public
 */
export function deltaBackend(): Backend {
  const found = loadAddon()
  return 'problem' in found ? addonWith('zstd').backend : { kind: 'native', reason: 'matching and patching on the thread pool' }
}

/**
 * Describes `target` by what `base` has: literals, copies from anywhere in it, and patches to copies that are almost right, as
 * differences of little-endian 32-bit numbers (after bsdiff, Percival 2003, whose differences are bytes). Six streams, each to be
 * compressed by itself. An index of the base costs up to 128 MiB while it runs. Bytes are borrowed, unchanged and not transferred,
 * until the promise settles. Without the addon it runs on the calling thread.
 *
 * @throws `ERR_NATIVE_OUT_OF_MEMORY`; `signal.reason`.
 * @example
 * ```ts
 * import { deltaApply, deltaMatch } from '@dwcp/native-rdma/delta'
 * const [older, newer] = ['one day in spring it rained', 'one day in May it rained'].map((text) => new TextEncoder().encode(text))
 * if (older === undefined || newer === undefined) throw new Error('two texts')
 * const streams = await deltaMatch(newer, older)
 * console.log(await deltaApply(streams, older, { lengthBytes: newer.length }))
 * ```
 * @public
 */
export async function deltaMatch(target: Uint8Array, base: Uint8Array, options: DeltaMatchOptions = {}): Promise<DeltaStreams> {
  const { position = 0, effort = 'balanced', signal } = options
  requireLent('target', target)
  requireLent('base', base)
  requirePosition(position)
  const found = loadAddon()
  signal?.throwIfAborted()
  if ('problem' in found) return matchStreams(target, base, position)
  const { addon } = found
  const work = stoppable(signal, (stop) => addon.match(target, base, position, EFFORTS[effort], stop))
  return splitStreams(await settle('a delta', target.length, work))
}

/**
 * The inverse of {@link deltaMatch}: exactly `lengthBytes`, which are allocated at once. Trusts nothing in `streams`; a wrong base
 * gives wrong bytes or an error: verify a digest.
 *
 * @throws `ERR_NATIVE_CORRUPT`; `ERR_NATIVE_OUT_OF_MEMORY`; `signal.reason`.
 * @public
 */
export async function deltaApply(
  streams: DeltaStreams,
  base: Uint8Array,
  options: { readonly lengthBytes: number; readonly position?: number; readonly signal?: AbortSignal },
): Promise<Uint8Array> {
  const { lengthBytes, position = 0, signal } = options
  requireLent('base', base)
  requirePosition(position)
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 0) throw new RangeError(`lengthBytes is ${lengthBytes}: it must be 0 or more`)
  const found = loadAddon()
  signal?.throwIfAborted()
  if ('problem' in found) return applyStreams(streams, base, position, lengthBytes)
  const { addon } = found
  const work = stoppable(signal, (stop) => addon.apply(joinStreams(streams), base, position, lengthBytes, stop))
  return settle('a delta', lengthBytes, work)
}

/**
 * What of `base` no copy takes: where content was edited that is its former version, and so the best there is to describe the literals
 * by. Follows from the operations alone, so that a decoder finds it before it has the literals. Empty where it would be too much for
 * `literalBytes` of them. On the thread pool by the addon, else on the calling thread.
 *
 * @throws `ERR_NATIVE_CORRUPT` where the operations copy what is not there; `ERR_NATIVE_OUT_OF_MEMORY`.
 * @public
 */
export async function deltaReference(
  operations: Pick<DeltaStreams, 'literalLengths' | 'copyLengths' | 'shifts'>,
  base: Uint8Array,
  options: { readonly lengthBytes: number; readonly literalBytes: number; readonly position?: number },
): Promise<Uint8Array> {
  const { lengthBytes, literalBytes, position = 0 } = options
  requireLent('base', base)
  requirePosition(position)
  if (literalBytes === 0) return new Uint8Array()
  const found = loadAddon()
  if ('problem' in found) return referenceOf(operations, base, position, lengthBytes, literalBytes)
  const script = joinStreams({ ...NO_STREAMS, ...operations })
  return settle('a delta', lengthBytes, found.addon.reference(script, base, position, lengthBytes, literalBytes))
}

/**
 * Room to read large content into, not initialised: in large pages where the addon and the system have them, which saves half of the
 * time of reading.
 *
 * @throws `ERR_NATIVE_OUT_OF_MEMORY`.
 * @public
 */
export function allocateBytes(lengthBytes: number): Uint8Array<ArrayBuffer> {
  const found = loadAddon()
  if ('problem' in found) return Buffer.allocUnsafeSlow(lengthBytes)
  const bytes = found.addon.allocate(lengthBytes)
  if (bytes === undefined) throw outOfMemory('content', `no memory for ${lengthBytes} bytes`)
  return bytes
}

const EFFORTS = { fast: 0, balanced: 1, small: 2 } as const

function requirePosition(position: number): void {
  if (!Number.isSafeInteger(position)) throw new RangeError(`position is ${position}: it must be a safe integer`)
}
