import { corrupt } from '../errors.js'
import { type BitReader, type BitWriter, widthOf } from './bits.js'

const MOST_DECIMALS = 15

/** Numbers of one column as integers of `decimals` decimal places, each exact. */
export interface Scaled {
  readonly decimals: number
  readonly older: readonly number[]
  readonly newer: readonly number[]
}

/** Undefined where not every pair is two numbers that decimals of one length hold exactly. */
export function scaled(pairs: readonly (readonly [unknown, unknown])[]): Scaled | undefined {
  let decimals = 0
  for (const value of pairs.flat()) {
    if (typeof value !== 'number' || Object.is(value, -0)) return undefined
    while (decimals <= MOST_DECIMALS && !isExact(value, decimals)) decimals += 1
    if (decimals > MOST_DECIMALS) return undefined
  }
  const integers = (which: 0 | 1): number[] => pairs.map((pair) => toInteger(Number(pair[which]), decimals))
  const [older, newer] = [integers(0), integers(1)]
  // A place more for one value may be one too many for another.
  const exact = pairs.flat().every((value) => isExact(Number(value), decimals))
  const apart = older.every((value, index) => Number.isSafeInteger((newer[index] ?? 0) - value))
  return exact && apart ? { decimals, older, newer } : undefined
}

export function toInteger(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals)
}

/** The nearest double, as a parser of decimals finds it: both operands are exact and division rounds once. */
export function fromInteger(value: number, decimals: number): number {
  return value / 10 ** decimals
}

function isExact(value: number, decimals: number): boolean {
  const integer = toInteger(value, decimals)
  return Number.isSafeInteger(integer) && fromInteger(integer, decimals) === value
}

/** Frame of reference (Goldstein, Ramakrishnan, Shaft 1998): the least value, then each above it in as few bits as the greatest needs. */
export function writeFrame(bits: BitWriter, values: readonly number[]): void {
  const [least, greatest] = rangeOf(values)
  const width = widthOf(greatest - least)
  bits.write(least < 0 ? 1 : 0, 1)
  bits.write(widthOf(Math.abs(least)), 6)
  bits.write(Math.abs(least), widthOf(Math.abs(least)))
  bits.write(width, 6)
  for (const value of values) bits.write(value - least, width)
}

/** Bits that {@link writeFrame} takes. */
export function frameBits(values: readonly number[]): number {
  const [least, greatest] = rangeOf(values)
  if (!Number.isSafeInteger(greatest - least)) return Number.POSITIVE_INFINITY
  return 13 + widthOf(Math.abs(least)) + values.length * widthOf(greatest - least)
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    least = Math.min(least, value)
    greatest = Math.max(greatest, value)
  }
  return [least, greatest]
}

export function readFrame(bits: BitReader, count: number): number[] {
  const sign = bits.read(1) === 1 ? -1 : 1
  const least = sign * bits.read(bits.read(6))
  const width = bits.read(6)
  return Array.from({ length: count }, () => {
    const value = least + bits.read(width)
    if (!Number.isSafeInteger(value)) throw corrupt('a number past 2^53')
    return value
  })
}
