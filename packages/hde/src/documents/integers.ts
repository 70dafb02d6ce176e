import { corrupt } from '../errors.js'
import type { Coder, Odds } from './range-coder.js'

/**
 * Widths from 0 to 53 are told apart by a tree of 6 bits. Below the highest bit all others have odds up to a width of 6, as symbols of
 * few values and steps that are always the same want it, and two in wider ones.
 */
const WIDTH_BITS = 6
const MOST_WIDTH = 53
const KNOWN_BITS = 2
const FULL_WIDTH = 6
const KNOWN_AT = 2 ** WIDTH_BITS + 2 ** FULL_WIDTH
const SIGN_AT = KNOWN_AT + (MOST_WIDTH + 1) * 2 ** KNOWN_BITS

/** Of the integers of one column. */
export function integerOdds(): Odds {
  return new Uint32Array(SIGN_AT + 1)
}

/** A symbol of `width` bits, by a tree of odds from `from` on, of which it takes 2^`width`. */
export function codeSymbol(coder: Coder, odds: Odds, from: number, width: number, symbol: number): number {
  let node = 1
  for (let bit = width - 1; bit >= 0; bit -= 1) node = 2 * node + coder.bit(odds, from + node, (symbol >>> bit) & 1)
  return node - 2 ** width
}

/** An integer from 0 to 2^53 - 1: how many bits it has, its highest bits at learned odds, the others as they are (after Elias 1975). */
export function codeInteger(coder: Coder, odds: Odds, value: number): number {
  const width = codeSymbol(coder, odds, 0, WIDTH_BITS, coder.writing ? widthOf(value) : 0)
  if (width > MOST_WIDTH) throw corrupt('an integer past 2^53')
  if (width < 2) return width
  const known = width <= FULL_WIDTH ? width - 1 : KNOWN_BITS
  const rest = width - 1 - known
  const high = coder.writing ? Math.floor(value / 2 ** rest) - 2 ** known : 0
  const top =
    2 ** known +
    codeSymbol(coder, odds, width <= FULL_WIDTH ? 2 ** WIDTH_BITS + 2 ** known : KNOWN_AT + width * 2 ** KNOWN_BITS, known, high)
  return rest === 0 ? top : top * 2 ** rest + coder.bits(coder.writing ? value % 2 ** rest : 0, rest)
}

/** From -(2^53 - 1) to 2^53 - 1. */
export function codeSigned(coder: Coder, odds: Odds, value: number): number {
  const magnitude = codeInteger(coder, odds, Math.abs(value))
  if (magnitude === 0) return 0
  return coder.bit(odds, SIGN_AT, value < 0 ? 1 : 0) === 1 ? -magnitude : magnitude
}

/** Bits of an integer without its leading zeros. */
export function widthOf(value: number): number {
  return value < 2 ** 32 ? 32 - Math.clz32(value) : 64 - Math.clz32(Math.floor(value / 2 ** 32))
}
