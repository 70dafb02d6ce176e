import { createCipheriv, createHash } from 'node:crypto'

/** The same `length` bytes for the same seed on every machine; uniform, so no codec can shrink them. */
export function randomBytes(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const key = createHash('sha256').update(`dwcp benchmark ${seed}`).digest().subarray(0, 16)
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  const bytes = new Uint8Array(length)
  const stepBytes = 1 << 20
  const zeros = Buffer.alloc(Math.min(length, stepBytes))
  for (let at = 0; at < length; at += stepBytes) bytes.set(stream.update(zeros.subarray(0, Math.min(stepBytes, length - at))), at)
  return bytes
}

/** A seeded generator of whole numbers below `bound` (mulberry32). */
export function randomIntegers(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound)
  }
}

/** Shannon entropy of single bytes, in bits: 8 for uniform bytes, 0 for one value. It sees no repeats. */
export function entropyBitsPerByte(bytes: Uint8Array): number {
  const counts = new Float64Array(256)
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1
  let bits = 0
  for (const count of counts) if (count > 0) bits -= (count / bytes.length) * Math.log2(count / bytes.length)
  return bits
}
