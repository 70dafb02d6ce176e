import { allocate } from './allocate.js'
import { corrupt } from './errors.js'

// The raw LZ4 block format: https://github.com/lz4/lz4/blob/v1.9.4/doc/lz4_Block_format.md
const MIN_MATCH_BYTES = 4
const MAX_OFFSET_BYTES = 65_535
/** End-of-block rules: the last 5 bytes are literals, and no match starts in the last 12. */
const LAST_LITERAL_BYTES = 5
const MATCH_START_LIMIT_BYTES = 12
const HASH_BITS = 14
/** After so many positions without a match the search takes longer steps (a power of two). */
const SKIP_TRIGGER_LOG = 6

/** One block that decodes to `source` after `prefix`, by the greedy search of the reference implementation. */
export function compressLz4Block(source: Uint8Array, prefix: Uint8Array): Uint8Array {
  const window = prefix.length > 0 ? Buffer.concat([prefix, source]) : source
  const start = prefix.length
  const end = window.length
  const block = new Uint8Array(source.length + Math.floor(source.length / 255) + 16)
  // Positions plus one, so that zero means none.
  const table = new Float64Array(1 << HASH_BITS)
  for (let at = 0; at + MIN_MATCH_BYTES <= start; at += 1) table[hash(word(window, at))] = at + 1

  let written = 0
  let anchor = start
  let misses = 1 << SKIP_TRIGGER_LOG
  for (let at = start; at <= end - MATCH_START_LIMIT_BYTES; ) {
    const here = word(window, at)
    const slot = hash(here)
    const candidate = (table[slot] ?? 0) - 1
    table[slot] = at + 1
    if (candidate < 0 || at - candidate > MAX_OFFSET_BYTES || word(window, candidate) !== here) {
      at += misses >> SKIP_TRIGGER_LOG
      misses += 1
      continue
    }
    let length = MIN_MATCH_BYTES
    while (at + length < end - LAST_LITERAL_BYTES && window[candidate + length] === window[at + length]) length += 1
    written = putSequence(block, written, window.subarray(anchor, at), at - candidate, length)
    at += length
    anchor = at
    misses = 1 << SKIP_TRIGGER_LOG
  }
  written = putSequence(block, written, window.subarray(anchor, end), 0, MIN_MATCH_BYTES)
  return block.slice(0, written)
}

/** Decodes to exactly `lengthBytes`; @throws `ERR_NATIVE_CORRUPT` otherwise. */
export function decompressLz4Block(block: Uint8Array, lengthBytes: number, prefix: Uint8Array): Uint8Array {
  const output = allocate('LZ4', lengthBytes)
  let at = 0
  let written = 0
  while (at < block.length) {
    const token = block[at++] ?? 0
    const literals = readLength(token >> 4)
    if (literals > block.length - at || literals > lengthBytes - written) throw corrupt('an LZ4 block', 'literals run over its end')
    output.set(block.subarray(at, at + literals), written)
    at += literals
    written += literals
    if (at === block.length) {
      if (written !== lengthBytes) throw corrupt('an LZ4 block', `it holds ${written} bytes instead of ${lengthBytes}`)
      return output
    }
    if (block.length - at < 2) throw corrupt('an LZ4 block', 'an offset is cut off')
    const offset = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8)
    at += 2
    const length = readLength(token & 15) + MIN_MATCH_BYTES
    if (offset === 0 || offset > written + prefix.length) throw corrupt('an LZ4 block', 'a match points before the content')
    if (length > lengthBytes - written) throw corrupt('an LZ4 block', 'a match runs over its end')
    copyMatch(offset, length)
  }
  throw corrupt('an LZ4 block', 'it ends without literals')

  function readLength(nibble: number): number {
    let length = nibble
    if (nibble !== 15) return length
    for (let byte = 255; byte === 255; length += byte) {
      if (at === block.length) throw corrupt('an LZ4 block', 'a length is cut off')
      byte = block[at++] ?? 0
    }
    return length
  }

  function copyMatch(offset: number, length: number): void {
    let left = length
    if (offset > written) {
      const from = prefix.length - (offset - written)
      const part = prefix.subarray(from, Math.min(from + left, prefix.length))
      output.set(part, written)
      written += part.length
      left -= part.length
    }
    // A match may overlap what it writes: the copied stretch doubles.
    for (let stretch = offset; left > 0; stretch *= 2) {
      const count = Math.min(stretch, left)
      output.copyWithin(written, written - stretch, written - stretch + count)
      written += count
      left -= count
    }
  }
}

/** With `offset` 0 the last sequence, which is literals only. */
function putSequence(block: Uint8Array, from: number, literals: Uint8Array, offset: number, matchBytes: number): number {
  const extra = matchBytes - MIN_MATCH_BYTES
  let at = from
  block[at++] = (Math.min(literals.length, 15) << 4) | Math.min(extra, 15)
  at = putLength(block, at, literals.length)
  block.set(literals, at)
  at += literals.length
  if (offset === 0) return at
  block[at++] = offset & 0xff
  block[at++] = offset >> 8
  return putLength(block, at, extra)
}

function putLength(block: Uint8Array, from: number, length: number): number {
  let at = from
  if (length < 15) return at
  let left = length - 15
  for (; left >= 255; left -= 255) block[at++] = 255
  block[at++] = left
  return at
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
}

function hash(value: number): number {
  return Math.imul(value, 2654435761) >>> (32 - HASH_BITS)
}
