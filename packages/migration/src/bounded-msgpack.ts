import { decode } from '@msgpack/msgpack'

/** What questions and answers need is 6. */
const MAX_DEPTH = 12

/**
 * Decodes a message of a peer; undefined where it is none. A decoder takes memory for an array when it reads its length,
 * and five bytes can claim four billion: so lengths and nesting are checked first, and decoding costs no more than a
 * small multiple of the message.
 */
export function decodeBounded(bytes: Uint8Array): unknown {
  if (!isBounded(bytes)) return undefined
  try {
    return decode(bytes)
  } catch {
    // No message of ours: whoever checks its shape refuses undefined.
    return undefined
  }
}

/** Whether each value lies within `bytes`, each container could hold as much as it claims, and none nests too deeply. */
function isBounded(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** Values still to come, of each container that is open. */
  const open = [1]
  let at = 0
  while (open.length > 0) {
    const left = open.pop() ?? 0
    if (left === 0) continue
    open.push(left - 1)
    if (at >= bytes.length) return false
    const head = headOf(view, at)
    if (head === undefined) return false
    at += head.bytes
    if (at > bytes.length || head.values > bytes.length - at) return false
    if (head.values === 0) continue
    if (open.length > MAX_DEPTH) return false
    open.push(head.values)
  }
  return at === bytes.length
}

interface Head {
  /** Of the value and what it holds itself. */
  readonly bytes: number
  /** Values that follow and belong to it. */
  readonly values: number
}

const scalar = (bytes: number): Head => ({ bytes, values: 0 })

/** https://github.com/msgpack/msgpack/blob/master/spec.md */
function headOf(view: DataView, at: number): Head | undefined {
  const type = view.getUint8(at)
  if (type < 0x80 || type >= 0xe0) return scalar(1)
  if (type < 0x90) return { bytes: 1, values: 2 * (type & 0x0f) }
  if (type < 0xa0) return { bytes: 1, values: type & 0x0f }
  if (type < 0xc0) return scalar(1 + (type & 0x1f))
  const fixed = FIXED_BYTES.get(type)
  if (fixed !== undefined) return scalar(fixed)
  const counted = COUNTED.get(type)
  if (counted === undefined || at + 1 + counted.countBytes > view.byteLength) return undefined
  const { countBytes, extraBytes, valuesEach } = counted
  const count = countBytes === 1 ? view.getUint8(at + 1) : countBytes === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1)
  const head = 1 + countBytes + extraBytes
  return valuesEach === 0 ? scalar(head + count) : { bytes: head, values: count * valuesEach }
}

/** nil, booleans, floats, integers, and extensions of fixed length. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0xc0, 1],
  [0xc2, 1],
  [0xc3, 1],
  [0xca, 5],
  [0xcb, 9],
  [0xcc, 2],
  [0xcd, 3],
  [0xce, 5],
  [0xcf, 9],
  [0xd0, 2],
  [0xd1, 3],
  [0xd2, 5],
  [0xd3, 9],
  [0xd4, 3],
  [0xd5, 4],
  [0xd6, 6],
  [0xd7, 10],
  [0xd8, 18],
])

const counted = (
  countBytes: 1 | 2 | 4,
  extraBytes: number,
  valuesEach: number,
): { countBytes: 1 | 2 | 4; extraBytes: number; valuesEach: number } => ({
  countBytes,
  extraBytes,
  valuesEach,
})

/** Binary, extensions, strings, arrays and maps, whose length follows. */
const COUNTED: ReadonlyMap<number, ReturnType<typeof counted>> = new Map([
  [0xc4, counted(1, 0, 0)],
  [0xc5, counted(2, 0, 0)],
  [0xc6, counted(4, 0, 0)],
  [0xc7, counted(1, 1, 0)],
  [0xc8, counted(2, 1, 0)],
  [0xc9, counted(4, 1, 0)],
  [0xd9, counted(1, 0, 0)],
  [0xda, counted(2, 0, 0)],
  [0xdb, counted(4, 0, 0)],
  [0xdc, counted(2, 0, 1)],
  [0xdd, counted(4, 0, 1)],
  [0xde, counted(2, 0, 2)],
  [0xdf, counted(4, 0, 2)],
])
