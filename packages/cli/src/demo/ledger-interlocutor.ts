import { kv } from '@dwcp/core'
import { formatBytes, formatCount } from '../units.js'
import type { Interlocutor } from './interlocutor.js'

const KEY = 'balance'
const VALUE_BYTES = 32 * 1024

/**
 * Raises a number by compare-and-swap, one by one: it stands where the client's own count stands only if every request was
 * done exactly once. Beside it the store holds `bytes` of values that must stay what they are.
 */
export function createLedgerInterlocutor(bytes: number): Interlocutor {
  const values = Math.ceil(bytes / VALUE_BYTES)
  let count = 0
  return {
    async prepare(ask, onProgress) {
      for (let index = 0; index < values; index++) {
        await ask(kv.put(`value-${index}`, valueOf(index)))
        onProgress((index + 1) * VALUE_BYTES, values * VALUE_BYTES)
      }
    },
    next: () => kv.cas(KEY, count === 0 ? undefined : numberBytes(count), numberBytes(count + 1)),
    judge(reply) {
      const { status, value } = kv.decode(reply)
      if (status === 'done') {
        count++
        return 'right'
      }
      if (status !== 'differs' || numberIn(value) !== count + 1) return 'wrong'
      count++
      return 'repeated'
    },
    async verify(ask, onProgress) {
      const found = numberIn(kv.decode(await ask(kv.get(KEY))).value)
      // The talk goes on while the values are read.
      const asked = count
      let same = 0
      for (let index = 0; index < values; index++) {
        const { value } = kv.decode(await ask(kv.get(`value-${index}`)))
        if (Buffer.compare(value, valueOf(index)) === 0) same++
        onProgress((index + 1) * VALUE_BYTES, values * VALUE_BYTES)
      }
      const beside = same === values ? `all ${formatBytes(values * VALUE_BYTES)}` : `only ${same} of ${values} values`
      return {
        verified: found === asked && same === values,
        text: `${formatCount(asked)} raises, the number is ${formatCount(found)}${values > 0 ? `; ${beside} beside it as written` : ''}`,
      }
    },
  }
}

function numberBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value)
  return bytes
}

/** -1 for what is no number of ours. */
function numberIn(bytes: Uint8Array): number {
  return bytes.length === 8 ? new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0) : -1
}

/** Every value differs, and follows from its index: xorshift32. */
function valueOf(index: number): Uint8Array {
  const words = new Uint32Array(VALUE_BYTES / 4)
  let state = Math.imul(index + 1, 0x9e3779b1) | 1
  for (let word = 0; word < words.length; word++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[word] = state
  }
  return new Uint8Array(words.buffer)
}
