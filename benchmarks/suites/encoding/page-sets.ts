import { randomBytes, randomIntegers } from '../../harness/data.js'

export const PAGE_BYTES = 4096

/** Shares of the pages of a synthetic memory: the rest of the pages are of text. */
const ZERO_SHARE = 0.5
const RANDOM_SHARE = 0.2
const DUPLICATE_SHARE = 0.1
/** Of the second version: pages with a few words changed, and pages that are new. */
const TOUCHED_SHARE = 0.05
const REPLACED_SHARE = 0.01
const TOUCHES = 8

/** A memory of half zero pages, a fifth random, a tenth duplicates and a fifth text of 4,096 words in Zipf's proportion. */
export function syntheticMemory(seed: number, bytes: number): Uint8Array<ArrayBuffer> {
  const memory = new Uint8Array(bytes)
  const pages = bytes / PAGE_BYTES
  const noise = randomBytes(seed, bytes)
  const next = randomIntegers(seed)
  const words = vocabulary(next)
  for (let page = 0; page < pages; page++) {
    const at = page * PAGE_BYTES
    const kind = next(1000) / 1000
    if (kind < ZERO_SHARE) continue
    if (kind < ZERO_SHARE + RANDOM_SHARE) memory.set(noise.subarray(at, at + PAGE_BYTES), at)
    else if (kind < ZERO_SHARE + RANDOM_SHARE + DUPLICATE_SHARE) copyPage(memory, next(page + 1), page)
    else memory.set(textPage(words, next), at)
  }
  return memory
}

/** The same memory a little later. */
export function changedMemory(memory: Uint8Array, seed: number): Uint8Array<ArrayBuffer> {
  const later = memory.slice()
  const next = randomIntegers(seed)
  const noise = randomBytes(seed, PAGE_BYTES * 64)
  for (let page = 0; page < memory.length / PAGE_BYTES; page++) {
    const kind = next(1000) / 1000
    const at = page * PAGE_BYTES
    if (kind < REPLACED_SHARE) later.set(randomBytes(seed + page + 1, PAGE_BYTES), at)
    else if (kind < REPLACED_SHARE + TOUCHED_SHARE) {
      for (let touch = 0; touch < TOUCHES; touch++) {
        const from = next(noise.length / 8) * 8
        later.set(noise.subarray(from, from + 8), at + next(PAGE_BYTES / 8) * 8)
      }
    }
  }
  return later
}

function copyPage(memory: Uint8Array, from: number, to: number): void {
  memory.copyWithin(to * PAGE_BYTES, from * PAGE_BYTES, (from + 1) * PAGE_BYTES)
}

function vocabulary(next: (bound: number) => number): readonly string[] {
  const letters = 'etaoinshrdlcumwfgypbvkjxqz'
  return Array.from({ length: 4096 }, () => Array.from({ length: 2 + next(9) }, () => letters[Math.min(next(26), next(26))]).join(''))
}

function textPage(words: readonly string[], next: (bound: number) => number): Uint8Array {
  let text = ''
  // exp of a uniform exponent: word n about 1/n as often as word 1.
  while (text.length < PAGE_BYTES) text += `${words[Math.floor(4096 ** (next(65536) / 65536)) - 1] ?? ''} `
  return Buffer.from(text.slice(0, PAGE_BYTES), 'latin1')
}
