import { corrupt } from '../errors.js'
import { codeInteger, integerOdds } from './integers.js'
import type { Odds } from './range-coder.js'
import { type Session, SHARED } from './session.js'
import { TextColumn } from './text-column.js'

type Keys = readonly string[]

/** The keys of maps at one place: a tuple that was there before, or a new one with its keys as texts. */
export class Tuples {
  readonly #known: Keys[]
  readonly #indexes: Map<string, number>
  readonly #odds: Odds
  readonly #counts: Odds
  readonly #keys: TextColumn

  constructor(parent?: Tuples) {
    this.#known = parent === undefined ? [] : [...parent.#known]
    this.#indexes = new Map(parent === undefined ? [] : parent.#indexes)
    this.#odds = parent === undefined ? integerOdds() : parent.#odds.slice()
    this.#counts = parent === undefined ? integerOdds() : parent.#counts.slice()
    this.#keys = parent === undefined ? new TextColumn() : parent.#keys.fork()
  }

  code(session: Session, count: number, tuples: readonly Keys[]): Keys[] {
    const { coder } = session
    const rows: number[] = []
    const fresh: number[] = []
    const told: string[] = []
    const known = this.#known.length
    const names = coder.writing ? tuples.map((keys) => JSON.stringify(keys)) : []
    const isUniform =
      count > 1 && coder.bit(session.shared, SHARED.uniform, coder.writing && names.every((name) => name === names[0]) ? 1 : 0) === 1
    for (let row = 0; row < (isUniform ? 1 : count); row += 1) {
      const wanted = coder.writing ? this.#indexes.get(names[row] ?? '') : undefined
      const index = codeInteger(coder, this.#odds, wanted === undefined ? 0 : wanted + 1)
      if (index > known + fresh.length) throw corrupt('keys that were not said before')
      rows.push(index === 0 ? known + fresh.length : index - 1)
      if (index > 0) continue
      const length = codeInteger(coder, this.#counts, tuples[row]?.length ?? 0)
      session.budget.spendNodes(length)
      if (coder.writing) {
        this.#indexes.set(names[row] ?? '', known + fresh.length)
        told.push(...(tuples[row] ?? []))
      }
      fresh.push(length)
    }
    const keys = this.#keys.code(
      session,
      fresh.reduce((sum, length) => sum + length, 0),
      told,
    )
    let at = 0
    for (const length of fresh) {
      const tuple = keys.slice(at, at + length)
      at += length
      this.#known.push(tuple)
      if (!coder.writing) this.#indexes.set(JSON.stringify(tuple), this.#known.length - 1)
    }
    return Array.from({ length: count }, (_, row) => this.#known[rows[isUniform ? 0 : row] ?? 0] ?? [])
  }
}
