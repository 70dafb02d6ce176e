import { BASELINE_ID_LIMIT_BYTES, baselineIdBytes } from './baseline-id.js'
import type { Breathing } from './breathing.js'
import { BLOCK_BYTES, DATA_LENGTH_BYTES, OPERATION_BYTES, OPERATIONS, operations } from './operations.js'
import { baselineMissing, refused, tooLong } from './refusal.js'

/** The zero byte after the id, and the count. */
const HEAD_BYTES = 5
/** What reading an operation costs besides the bytes it moves, in bytes of copying. */
const OPERATION_WORK_BYTES = 256

/**
 * The last object that went the same way under the same id.
 *
 * @public
 */
export interface V1Baseline {
  /** `v1MemoryBaselineId(…)` or `v1DiskBaselineId(…)`. */
  readonly id: string
  readonly bytes: Uint8Array
}

/** What a delta may name, and what it may become. */
export interface DeltaBounds {
  readonly baseline: ((id: string) => Uint8Array | undefined) | undefined
  readonly objectBytes: number
  /** The length that the object must have, where that is known. */
  readonly lengthBytes: number | undefined
}

/** The longest delta of an object of 4 KiB blocks. */
export function deltaLimitBytes(objectBytes: number): number {
  const blocks = Math.ceil(objectBytes / BLOCK_BYTES)
  return BASELINE_ID_LIMIT_BYTES + HEAD_BYTES + blocks * (OPERATION_BYTES + DATA_LENGTH_BYTES) + objectBytes
}

/** One operation for each block of `object`: the bytes that a v1 node makes. */
export async function makeDelta(object: Uint8Array, { id, bytes: baseline }: V1Baseline, breathing: Breathing): Promise<Uint8Array> {
  const idBytes = baselineIdBytes(id)
  const kinds = new Uint8Array(Math.ceil(object.length / BLOCK_BYTES))
  let lengthBytes = idBytes.length + HEAD_BYTES
  for (let block = 0; block < kinds.length; block += 1) {
    const offset = block * BLOCK_BYTES
    const bytes = object.subarray(offset, offset + BLOCK_BYTES)
    const kind = kindOf(bytes, baseline.subarray(offset, offset + bytes.length))
    kinds[block] = kind
    lengthBytes += OPERATION_BYTES + (kind === OPERATIONS.copy ? 0 : DATA_LENGTH_BYTES + bytes.length)
    if (breathing.isDue(bytes.length)) await breathing.pause()
  }

  const delta = new Uint8Array(lengthBytes)
  const view = new DataView(delta.buffer)
  delta.set(idBytes)
  view.setUint32(idBytes.length + 1, kinds.length)
  let at = idBytes.length + HEAD_BYTES
  for (const [block, kind] of kinds.entries()) {
    const offset = block * BLOCK_BYTES
    const bytes = object.subarray(offset, offset + BLOCK_BYTES)
    view.setUint8(at, kind)
    view.setBigInt64(at + 1, BigInt(offset))
    view.setBigInt64(at + 9, BigInt(bytes.length))
    at += OPERATION_BYTES
    if (kind === OPERATIONS.copy) continue
    view.setUint32(at, bytes.length)
    delta.set(bytes, at + DATA_LENGTH_BYTES)
    at += DATA_LENGTH_BYTES + bytes.length
    if (breathing.isDue(bytes.length)) await breathing.pause()
  }
  return delta
}

/** The object, and the id of what it was made from. Nothing is allocated before every operation has been checked. */
export async function applyDelta(
  delta: Uint8Array,
  bounds: DeltaBounds,
  breathing: Breathing,
): Promise<{ readonly baselineId: string; readonly bytes: Uint8Array }> {
  const { baselineId, count, start } = readHead(delta)
  const baseline = bounds.baseline?.(baselineId)
  if (baseline === undefined) throw baselineMissing(baselineId, 'which is not here')
  const list = { delta, start, count, baselineId, baselineBytes: baseline.length }

  let totalBytes = 0
  for (const { lengthBytes } of operations(list)) {
    totalBytes += lengthBytes
    if (totalBytes > bounds.objectBytes) throw tooLong(bounds.objectBytes)
    if (breathing.isDue(OPERATION_WORK_BYTES)) await breathing.pause()
  }
  requireLength(totalBytes, bounds.lengthBytes)

  const bytes = new Uint8Array(totalBytes)
  for (const { offset, lengthBytes, dataAt } of operations(list)) {
    const [from, at] = dataAt === undefined ? [baseline, offset] : [delta, dataAt]
    bytes.set(from.subarray(at, at + lengthBytes), offset)
    if (breathing.isDue(OPERATION_WORK_BYTES + lengthBytes)) await breathing.pause()
  }
  return { baselineId, bytes }
}

export function requireLength(madeBytes: number, lengthBytes: number | undefined): void {
  if (lengthBytes === undefined || madeBytes === lengthBytes) return
  throw refused(`a packet that makes ${madeBytes} bytes, where the object has ${lengthBytes}`)
}

function kindOf(bytes: Uint8Array, old: Uint8Array): number {
  if (old.length === 0) return OPERATIONS.add
  return Buffer.compare(bytes, old) === 0 ? OPERATIONS.copy : OPERATIONS.modify
}

function readHead(delta: Uint8Array): { readonly baselineId: string; readonly count: number; readonly start: number } {
  const end = delta.subarray(0, BASELINE_ID_LIMIT_BYTES + 1).indexOf(0)
  if (end < 1) throw refused(`a delta that names no baseline of 1 to ${BASELINE_ID_LIMIT_BYTES} bytes`)
  if (delta.length < end + HEAD_BYTES) throw refused('a delta that ends before its first operation')
  const view = new DataView(delta.buffer, delta.byteOffset, delta.byteLength)
  return { baselineId: textOf(delta.subarray(0, end)), count: view.getUint32(end + 1), start: end + HEAD_BYTES }
}

function textOf(bytes: Uint8Array): string {
  try {
    // A byte order mark belongs to the id like every other character.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw refused('a baseline id that is not UTF-8', {}, cause)
  }
}
