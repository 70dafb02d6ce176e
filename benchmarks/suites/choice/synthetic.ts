import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { randomBytes, randomIntegers } from '../../harness/data.js'
import { syntheticMemory } from '../encoding/page-sets.js'
import { SIZES } from './corpus.js'
import { PAGE_BYTES, type Region, regionsOf } from './regions.js'

const GROUND_BYTES = 12 * 2 ** 20

export const GROUND_NAMES: readonly string[] = [
  'synthetic memory',
  'machine code',
  'read-only data',
  'program text',
  'log text',
  'table',
  'noise',
]

type Edit = (ground: Uint8Array, next: (bound: number) => number) => Uint8Array

/** What happens to memory and files, at shares that no corpus of real pairs has all of. */
const EDITS: readonly Edit[] = [
  rewriting(0.002, () => 0x9e37_79b9_7f4a_7c15n),
  rewriting(0.02, counted),
  rewriting(0.1, pointing),
  rewriting(0.3, noisy),
  rewriting(0.45, counted),
  rewriting(0.8, noisy),
  moving(1, 8),
  moving(24, 8),
  moving(3, 5),
  shuffling(0.5),
  shuffling(1),
  replacing(0.1),
  replacing(0.5),
  replacing(0.95),
]

/** Each ground, edited in each way: a group for each ground. What is there on every machine that runs this, and what is made by a seed. */
export async function syntheticRegions(seed: number): Promise<readonly Region[]> {
  const require = createRequire(import.meta.url)
  // Not Buffers: the `slice` of these is no copy.
  const binary = new Uint8Array(await readFile(process.execPath))
  const code = new Uint8Array(await readFile(require.resolve('typescript/lib/typescript.js')))
  const grounds: Readonly<Record<string, Uint8Array>> = {
    'synthetic memory': syntheticMemory(seed, GROUND_BYTES),
    'machine code': binary.subarray(binary.length >> 1),
    'read-only data': binary.subarray(binary.length >> 3),
    'program text': code.subarray(0, code.length - (code.length % PAGE_BYTES)),
    'log text': text(seed, GROUND_BYTES),
    table: counters(GROUND_BYTES),
    noise: randomBytes(seed, GROUND_BYTES),
  }
  return Object.entries(grounds).flatMap(([group, ground], row) => {
    const next = randomIntegers(seed + row)
    const edited = EDITS.flatMap((edit, turn) => {
      const lengthBytes = (SIZES[(row + turn) % SIZES.length] ?? 256) * PAGE_BYTES
      const from = next(Math.max(1, Math.min(ground.length, GROUND_BYTES) / PAGE_BYTES - lengthBytes / PAGE_BYTES)) * PAGE_BYTES
      const before = ground.slice(from, from + lengthBytes)
      return regionsOf(edit(before, next), before, { group, sizes: [lengthBytes / PAGE_BYTES], most: 1 })
    })
    return [...edited, ...regionsOf(ground.subarray(0, GROUND_BYTES), undefined, { group, sizes: SIZES, most: 3 })]
  })
}

/** `share` of the words anew, in half of the pages. */
function rewriting(share: number, word: (before: bigint, next: (bound: number) => number) => bigint): Edit {
  return (ground, next) => {
    const after = ground.slice()
    const words = new BigUint64Array(after.buffer, 0, Math.floor(after.length / 8))
    for (const at of words.keys()) if (next(1e6) < share * 1e6) words[at] = word(words[at] ?? 0n, next)
    return after
  }
}

/** Pieces inserted, so that all behind them moves by multiples of `step` bytes. */
function moving(insertions: number, step: number): Edit {
  return (ground, next) => {
    const parts: Uint8Array[] = []
    const pieceBytes = Math.floor(ground.length / (insertions + 1))
    for (let piece = 0; piece <= insertions; piece++) {
      parts.push(randomBytes(next(1000), step * (1 + next(8))), ground.subarray(piece * pieceBytes, (piece + 1) * pieceBytes))
    }
    return new Uint8Array(Buffer.concat(parts)).subarray(0, ground.length)
  }
}

/** `share` of the pages from other places. */
function shuffling(share: number): Edit {
  return (ground, next) => {
    const after = ground.slice()
    const pages = ground.length / PAGE_BYTES
    for (let page = 0; page < pages; page++) {
      const from = next(pages) * PAGE_BYTES
      // By some words further, or whoever compares whole pages finds them.
      if (next(1000) < share * 1000) after.set(ground.subarray(from, from + PAGE_BYTES - 64), page * PAGE_BYTES + 64)
    }
    return after
  }
}

/** `share` of the pages by what has nothing to do with them. */
function replacing(share: number): Edit {
  return (ground, next) => {
    const after = ground.slice()
    for (let page = 0; page < ground.length / PAGE_BYTES; page++) {
      if (next(1000) >= share * 1000) continue
      const other = next(2) === 0 ? randomBytes(next(1e6), PAGE_BYTES) : Buffer.from(`${next(1e9)} `.repeat(500)).subarray(0, PAGE_BYTES)
      after.set(other, page * PAGE_BYTES)
    }
    return after
  }
}

function noisy(_: bigint, next: (bound: number) => number): bigint {
  return (BigInt(next(2 ** 32)) << 32n) | BigInt(next(2 ** 32))
}

function counted(before: bigint, next: (bound: number) => number): bigint {
  return (before + BigInt(next(256))) & 0xffff_ffff_ffff_ffffn
}

function pointing(_: bigint, next: (bound: number) => number): bigint {
  return 0xffff_8880_0000_0000n | BigInt(next(2 ** 26) * 8)
}

function counters(bytes: number): Uint8Array {
  const row = (index: number): number => (index % 4 === 0 ? index * 7 : index % 4 === 1 ? 0 : index >>> 9)
  return new Uint8Array(Uint32Array.from({ length: bytes / 4 }, (_, index) => row(index)).buffer)
}

/** Lines that a program might log. */
function text(seed: number, bytes: number): Uint8Array {
  const next = randomIntegers(seed)
  const words = Array.from({ length: 2048 }, (_, index) => `w${(index * 2654435761) % 9973}${index % 7 === 0 ? 'state' : ''}`)
  const lines: string[] = []
  for (let length = 0; length < bytes; length += lines.at(-1)?.length ?? 0) {
    lines.push(
      `${next(2 ** 31)} level=info ${words[Math.floor(2048 ** (next(65536) / 65536)) - 1] ?? ''} id=${next(5000)} took ${next(900)} ms\n`,
    )
  }
  return new Uint8Array(Buffer.from(lines.join('').slice(0, bytes), 'latin1'))
}
