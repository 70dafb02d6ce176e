import { invalidReply } from './reply.js'

/** What the program `kv` answers. */
export interface KvReply {
  readonly status: 'done' | 'absent' | 'differs' | 'not-understood'
  /** What `get` found, or what `cas` found instead of what it expected. */
  readonly value: Uint8Array
}

const STATUSES = ['done', 'absent', 'differs', 'not-understood'] as const
const ABSENT = 0xffffffff
const NOTHING = new Uint8Array(0)

/**
 * Requests of the program `kv`, a key-value server. Keys have at most 65,535 bytes of UTF-8.
 *
 * @public
 */
export const kv = {
  get: (key: string): Uint8Array => encode(0, key),
  put: (key: string, value: Uint8Array): Uint8Array => encode(1, key, value),
  /** Replaces `expected` (undefined: nothing) by `value`. */
  cas(key: string, expected: Uint8Array | undefined, value: Uint8Array): Uint8Array {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, expected?.length ?? ABSENT, true)
    return encode(2, key, length, expected ?? NOTHING, value)
  },
  count: (): Uint8Array => encode(3, ''),
  delete: (key: string): Uint8Array => encode(4, key),
  /** Reads the reply to any of these. */
  decode(reply: Uint8Array): KvReply {
    const status = STATUSES[reply[0] ?? 255]
    if (status === undefined) throw invalidReply('kv', reply, 1)
    return { status, value: reply.slice(1) }
  },
  /** Reads the reply to `count`. */
  decodeCount(reply: Uint8Array): number {
    if (reply.length !== 5) throw invalidReply('kv', reply, 5)
    return new DataView(reply.buffer, reply.byteOffset).getUint32(1, true)
  },
} as const

function encode(operation: number, key: string, ...values: readonly Uint8Array[]): Uint8Array {
  const name = new TextEncoder().encode(key)
  if (name.length > 0xffff) throw new RangeError(`a key of ${name.length} bytes; 65,535 are allowed`)
  const bytes = new Uint8Array(3 + name.length + values.reduce((sum, value) => sum + value.length, 0))
  bytes[0] = operation
  new DataView(bytes.buffer).setUint16(1, name.length, true)
  bytes.set(name, 3)
  let offset = 3 + name.length
  for (const value of values) {
    bytes.set(value, offset)
    offset += value.length
  }
  return bytes
}
