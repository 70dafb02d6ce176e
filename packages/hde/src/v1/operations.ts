import { baselineMissing, refused } from './refusal.js'

/** v1 compares an object with its baseline at these fixed offsets. */
export const BLOCK_BYTES = 4096
/** What becomes of a range of the object: as the baseline has it, or given. `add` and `modify` mean the same to a reader. */
export const OPERATIONS = { copy: 0, add: 1, modify: 2 } as const
/** Kind, offset and length. */
export const OPERATION_BYTES = 17
/** Before the bytes that an operation carries. */
export const DATA_LENGTH_BYTES = 4

/** One range of the object. */
interface Operation {
  readonly offset: number
  readonly lengthBytes: number
  /** Where its bytes are in the delta; undefined: in the baseline, at the same offset. */
  readonly dataAt: number | undefined
}

/** The operations of a delta, and what bounds them. */
export interface OperationList {
  readonly delta: Uint8Array
  /** Where the first of them begins. */
  readonly start: number
  readonly count: number
  readonly baselineId: string
  readonly baselineBytes: number
}

/**
 * Each operation, checked before it is given: they describe the object from its first byte to its last without gap or overlap, begin
 * where a block does, copy only what the baseline has, carry only bytes that are there, and end where the delta does. What they add up to has no bound here.
 */
export function* operations({ delta, start, count, baselineId, baselineBytes }: OperationList): Generator<Operation, void, void> {
  const view = new DataView(delta.buffer, delta.byteOffset, delta.byteLength)
  let at = start
  let offset = 0
  for (let index = 0; index < count; index += 1) {
    if (delta.length - at < OPERATION_BYTES) throw refused(`a delta that ends in operation ${index} of ${count}`)
    const kind = view.getUint8(at)
    if (kind > OPERATIONS.modify) throw refused(`an operation of kind ${kind}, where 0 to 2 belongs`)
    const offsetSaid = readInt64(view, at + 1)
    if (offsetSaid !== offset) throw refused(`operation ${index} at offset ${offsetSaid}, where the one before it ended at ${offset}`)
    if (offset % BLOCK_BYTES !== 0) throw refused(`operation ${index} at offset ${offset}, inside a block of ${BLOCK_BYTES} bytes`)
    const lengthBytes = readInt64(view, at + 9)
    if (lengthBytes < 1) throw refused(`operation ${index} of ${lengthBytes} bytes`)
    at += OPERATION_BYTES
    if (kind === OPERATIONS.copy) {
      const reason = `which has ${baselineBytes} bytes and not the ${lengthBytes} from ${offset} on that are to be copied`
      if (lengthBytes > baselineBytes - offset) throw baselineMissing(baselineId, reason)
      yield { offset, lengthBytes, dataAt: undefined }
    } else {
      if (delta.length - at < DATA_LENGTH_BYTES) throw refused(`a delta that ends in operation ${index} of ${count}`)
      const dataBytes = view.getUint32(at)
      at += DATA_LENGTH_BYTES
      if (dataBytes !== lengthBytes) throw refused(`operation ${index} of ${lengthBytes} bytes that carries ${dataBytes}`)
      if (dataBytes > delta.length - at) throw refused(`a delta that ends in operation ${index} of ${count}`)
      yield { offset, lengthBytes, dataAt: at }
      at += dataBytes
    }
    offset += lengthBytes
  }
  if (at !== delta.length) throw refused(`${delta.length - at} bytes after the last operation of a delta`)
}

/** Exact up to 2^53; what is larger stays larger than every bound it is compared with. */
function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4)
}
