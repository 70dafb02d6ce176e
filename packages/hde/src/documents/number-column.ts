import { corrupt } from '../errors.js'
import { codeSigned, codeSymbol, integerOdds, widthOf } from './integers.js'
import type { Odds } from './range-coder.js'
import { type Session, SHARED } from './session.js'
import type { Node } from './tree.js'

const MOST_DECIMALS = 15
/** So that a difference of two stays below 2^53. */
const MOST_MAGNITUDE = 2 ** 51
const DECIMAL_BITS = 4
/** What a number is told from: 0 or what was least before, the least of these, the one before, its former version, the one before of its group. */
const MODES = { base: 0, newBase: 1, previous: 2, former: 3, group: 4, constant: 5 } as const
const MODE_BITS = 3
const NO_MODE = 7

/** What numbers may be told from, row by row. */
export interface NumberContext {
  readonly formers?: readonly (Node | undefined)[]
  readonly groups?: readonly number[]
}

/** The fewest decimal places that hold the value exactly as an integer; undefined where none do. */
export function decimalsOf(value: number, atLeast = 0): number | undefined {
  if (Object.is(value, -0)) return undefined
  for (let decimals = atLeast; decimals <= MOST_DECIMALS; decimals += 1) if (isExact(value, decimals)) return decimals
  return undefined
}

export function isExact(value: number, decimals: number): boolean {
  const integer = Math.round(value * 10 ** decimals)
  return Math.abs(integer) <= MOST_MAGNITUDE && integer / 10 ** decimals === value
}

/** Numbers of one place as integers of so many decimal places: differences from what predicts them best. */
export class NumberColumn {
  readonly #odds: Odds
  #base = 0
  #last = 0
  #mode: number = NO_MODE

  constructor(odds: Odds = integerOdds()) {
    this.#odds = odds
  }

  fork(): NumberColumn {
    const fork = new NumberColumn(this.#odds.slice())
    fork.#base = this.#base
    fork.#last = this.#last
    fork.#mode = this.#mode
    return fork
  }

  /** @param values - All exact with `places` decimals where they are written. */
  code(session: Session, count: number, values: readonly number[], places: number, context: NumberContext): number[] {
    const { coder, shared, once } = session
    const decimals = codeSymbol(coder, shared, SHARED.decimals, DECIMAL_BITS, places)
    const scale = 10 ** decimals
    const integers = coder.writing ? values.map((value) => Math.round(value * scale)) : Array.from({ length: count }, () => 0)
    const plan = coder.writing ? this.#plan(integers, scale, context) : { mode: 0, base: 0 }
    const mode = codeSymbol(coder, shared, SHARED.mode + this.#mode * 2 ** MODE_BITS, MODE_BITS, plan.mode)
    if (mode > MODES.constant) throw corrupt('numbers told from what is not known')
    const inherited = scaled(this.#base, scale)
    let base = inherited
    if (mode === MODES.newBase || mode === MODES.constant) base = inherited + codeSigned(coder, once, plan.base - inherited)
    const predict = predictor(mode, base, scaled(this.#last, scale), scale, context)
    for (let row = 0; row < count; row += 1) {
      const predicted = predict(row, integers)
      const difference = mode === MODES.constant ? 0 : codeSigned(coder, this.#odds, (integers[row] ?? 0) - predicted)
      integers[row] = predicted + difference
      if (Math.abs(predicted + difference) > 2 * MOST_MAGNITUDE) throw corrupt('a number past what columns hold')
    }
    this.#mode = mode
    this.#base = base / scale
    this.#last = (integers[count - 1] ?? 0) / scale
    return coder.writing ? [...values] : integers.map((integer) => integer / scale)
  }

  /** By the bits that the differences have. */
  #plan(integers: readonly number[], scale: number, context: NumberContext): { readonly mode: number; readonly base: number } {
    const least = integers.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY)
    const [inherited, last] = [scaled(this.#base, scale), scaled(this.#last, scale)]
    const said = 6 + widthOf(Math.abs(least - inherited))
    if (integers.every((value) => value === least)) {
      const own = integers.length * (1 + widthOf(Math.abs(least - inherited)))
      if (said < own) return { mode: MODES.constant, base: least }
    }
    let best: { mode: number; bits: number } = { mode: MODES.base, bits: Number.POSITIVE_INFINITY }
    for (const mode of [MODES.base, MODES.newBase, MODES.previous, MODES.former, MODES.group]) {
      if (mode === MODES.former && context.formers === undefined) continue
      if (mode === MODES.group && context.groups === undefined) continue
      const predict = predictor(mode, mode === MODES.newBase ? least : inherited, last, scale, context)
      let bits = mode === MODES.newBase ? said : 0
      for (const [row, value] of integers.entries()) bits += 1 + widthOf(Math.abs(value - predict(row, integers)))
      if (mode === MODES.newBase) bits -= integers.length
      if (bits < best.bits) best = { mode, bits }
    }
    return { mode: best.mode, base: least }
  }
}

type Predictor = (row: number, integers: readonly number[]) => number

function predictor(mode: number, base: number, last: number, scale: number, { formers, groups }: NumberContext): Predictor {
  const previous: Predictor = (row, integers) => (row === 0 ? last : (integers[row - 1] ?? 0))
  switch (mode) {
    case MODES.previous:
      return previous
    case MODES.former:
      return (row, integers) => {
        const former = formers?.[row]
        return typeof former === 'number' ? scaled(former, scale) : previous(row, integers)
      }
    case MODES.group: {
      const latest = new Map<number, number>()
      return (row, integers) => {
        if (row > 0) latest.set(groups?.[row - 1] ?? 0, integers[row - 1] ?? 0)
        return latest.get(groups?.[row] ?? 0) ?? previous(row, integers)
      }
    }
    default:
      return () => base
  }
}

function scaled(value: number, scale: number): number {
  const integer = Math.round(value * scale)
  return Math.abs(integer) <= MOST_MAGNITUDE ? integer : 0
}
