import { corrupt } from '../errors.js'
import type { BitReader, BitWriter } from './bits.js'
import type { Leaf } from './json.js'
import { frameBits, fromInteger, readFrame, scaled, toInteger, writeFrame } from './numbers.js'

/** What became of a column: no leaf changed, all did, or those that a bit each says. */
const CHANGES = { none: 0, all: 1, some: 2 } as const
/** How the new values of those that changed are written. */
const VALUES = { text: 0, absolute: 1, difference: 2 } as const

/** One column: `bits` takes what changed and its numbers, `texts` everything that is not a number. */
export function writeColumn(older: readonly Leaf[], newer: readonly Leaf[], bits: BitWriter, texts: Leaf[]): void {
  const changed = older.map((leaf, index) => !Object.is(leaf, newer[index]))
  const pairs = older.flatMap((leaf, index): (readonly [Leaf, Leaf])[] => (changed[index] === true ? [[leaf, newer[index] ?? null]] : []))
  if (pairs.length === 0) return bits.write(CHANGES.none, 2)
  bits.write(pairs.length === older.length ? CHANGES.all : CHANGES.some, 2)
  if (pairs.length < older.length) for (const one of changed) bits.write(one ? 1 : 0, 1)
  const numbers = scaled(pairs)
  const differences = numbers?.newer.map((value, index) => value - (numbers.older[index] ?? 0)) ?? []
  if (numbers === undefined || !Number.isFinite(Math.min(frameBits(numbers.newer), frameBits(differences)))) {
    bits.write(VALUES.text, 2)
    for (const [, leaf] of pairs) texts.push(leaf)
    return
  }
  const byDifference = frameBits(differences) < frameBits(numbers.newer)
  bits.write(byDifference ? VALUES.difference : VALUES.absolute, 2)
  bits.write(numbers.decimals, 4)
  writeFrame(bits, byDifference ? differences : numbers.newer)
}

/** The inverse; `nextText` gives what was put into `texts`, in order. */
export function readColumn(older: readonly Leaf[], bits: BitReader, nextText: () => unknown): Leaf[] {
  const changes = bits.read(2)
  if (changes === CHANGES.none) return [...older]
  const changed = older.map(() => changes === CHANGES.all || bits.read(1) === 1)
  const indexes = older.flatMap((_, index) => (changed[index] === true ? [index] : []))
  const values = bits.read(2)
  const newer = [...older]
  if (values === VALUES.text) {
    for (const index of indexes) newer[index] = leafOf(nextText())
    return newer
  }
  if (values > VALUES.difference || changes > CHANGES.some) throw corrupt('a column written in a way that is not known')
  const decimals = bits.read(4)
  for (const [nth, value] of readFrame(bits, indexes.length).entries()) {
    const index = indexes[nth] ?? 0
    const former = older[index]
    const start = values === VALUES.difference ? toInteger(typeof former === 'number' ? former : Number.NaN, decimals) : 0
    if (!Number.isSafeInteger(start + value)) throw corrupt('a difference from what is not such a number')
    newer[index] = fromInteger(start + value, decimals)
  }
  return newer
}

function leafOf(value: unknown): Leaf {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  throw corrupt('a value where a leaf belongs')
}
