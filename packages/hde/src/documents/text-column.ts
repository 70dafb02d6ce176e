import { corrupt } from '../errors.js'
import { codeInteger, codeSigned, integerOdds } from './integers.js'
import { Interned } from './interned.js'
import { NumberColumn } from './number-column.js'
import type { Odds } from './range-coder.js'
import { type Session, SHARED } from './session.js'
import { isPadded, parseTemplate, putTogether, type Taken, type Template, takeApart } from './templates.js'

/** How a text goes that no column has said: as it is, as hexadecimal digits, or without its numbers where that is shorter. */
type Content = 'plain' | 'hex' | 'any'

const FLAG = { repeat: 0, elsewhere: 1, plain: 2 } as const
/** Of a character of text after zstd, and of a digit in a column of its own: what decides between them. */
const BITS_PER_CHARACTER = 5
const BITS_PER_DIGIT = 3.4
const BITS_PER_HEX = 4

/** Texts of one place: each is one that this column had, one that another column had, or new. */
export class TextColumn {
  readonly #content: Content
  readonly #hexDigits: number
  #seen = new Interned()
  #flags: Odds = new Uint32Array(3)
  #indexes: Odds = integerOdds()
  #elsewhere: Odds | undefined
  #lastElsewhere = -1
  #templates: TextColumn | undefined
  #slots = new Map<string, readonly (NumberColumn | TextColumn)[]>()
  #parent: TextColumn | undefined

  constructor(content: Content = 'any', hexDigits = 0) {
    this.#content = content
    this.#hexDigits = hexDigits
  }

  fork(): TextColumn {
    const fork = new TextColumn(this.#content, this.#hexDigits)
    fork.#seen = new Interned(this.#seen)
    fork.#flags = this.#flags.slice()
    fork.#indexes = this.#indexes.slice()
    fork.#elsewhere = this.#elsewhere?.slice()
    fork.#lastElsewhere = this.#lastElsewhere
    fork.#templates = this.#templates?.fork()
    fork.#parent = this
    return fork
  }

  /** @param groups - Of each row, for the numbers in texts. */
  code(session: Session, count: number, texts: readonly string[], groups: readonly number[] = []): string[] {
    const { coder } = session
    if (count === 0) return []
    const known = this.#seen.size
    // Of those new to this column: the text, where another column has it; else it is told below.
    const fresh: (string | undefined)[] = []
    const freshGroups: number[] = []
    const rows: number[] = []
    const isUniform = count > 1 && coder.bit(session.shared, SHARED.uniform, coder.writing && isUniformIn(texts) ? 1 : 0) === 1
    for (let row = 0; row < (isUniform ? 1 : count); row += 1) {
      const text = texts[row] ?? ''
      const wanted = coder.writing ? this.#seen.indexOf(text) : undefined
      if (row > 0 && coder.bit(this.#flags, FLAG.repeat, wanted === rows[row - 1] ? 1 : 0) === 1) {
        rows.push(rows[row - 1] ?? 0)
        continue
      }
      const index = codeInteger(coder, this.#indexes, wanted === undefined ? 0 : wanted + 1)
      if (index > known + fresh.length) throw corrupt('a text that was not said before')
      rows.push(index === 0 ? known + fresh.length : index - 1)
      if (index > 0) continue
      const elsewhere = this.#fromElsewhere(session, text)
      fresh.push(elsewhere)
      if (elsewhere === undefined) freshGroups.push(groups[row] ?? 0)
      if (coder.writing) this.#seen.add(text)
    }
    const told = coder.writing ? fresh.flatMap((text, nth) => (text === undefined ? [this.#seen.at(known + nth)] : [])) : []
    const contents = this.#tell(session, freshGroups, told).values()
    for (const [nth, elsewhere] of fresh.entries()) {
      const text = elsewhere ?? contents.next().value ?? ''
      if (elsewhere === undefined) session.texts.add(text)
      if (!coder.writing) this.#seen.add(text)
      fresh[nth] = text
    }
    const all = Array.from({ length: count }, (_, row) => this.#seen.at(rows[isUniform ? 0 : row] ?? 0))
    for (const text of all) session.budget.spendBytes(text.length)
    return all
  }

  #fromElsewhere({ coder, texts }: Session, text: string): string | undefined {
    const position = coder.writing ? texts.indexOf(text) : undefined
    if (texts.size === 0 || coder.bit(this.#flags, FLAG.elsewhere, position === undefined ? 0 : 1) === 0) return undefined
    this.#elsewhere ??= integerOdds()
    const next = this.#lastElsewhere + 1
    this.#lastElsewhere = next + codeSigned(coder, this.#elsewhere, (position ?? 0) - next)
    return texts.at(this.#lastElsewhere)
  }

  #tell(session: Session, groups: readonly number[], texts: readonly string[]): readonly string[] {
    const count = groups.length
    if (count === 0) return []
    const all = Array.from({ length: count }, (_, nth) => texts[nth] ?? '')
    if (this.#content === 'hex') return all.map((text) => codeHex(session, text, this.#hexDigits))
    const padded = session.coder.writing && texts.some(isPadded)
    const taken = this.#content === 'plain' || !session.coder.writing ? [] : texts.map((text) => takeApart(text, padded))
    const wantsPlain = this.#content === 'plain' || !this.#isShorter(session, texts, taken)
    const isPlain = this.#content === 'plain' || session.coder.bit(this.#flags, FLAG.plain, wantsPlain ? 1 : 0) === 1
    if (isPlain) return all.map((text) => session.payload.text(text))

    this.#templates ??= new TextColumn('plain')
    const names = this.#templates.code(
      session,
      count,
      taken.map(({ template }) => template),
    )
    const rowsOf = new Map<string, number[]>()
    for (const [row, name] of names.entries()) {
      const rows = rowsOf.get(name)
      if (rows === undefined) rowsOf.set(name, [row])
      else rows.push(row)
    }
    const isGrouped = groups.some((group) => group > 0)
    for (const [name, rows] of rowsOf) {
      const template = parseTemplate(name)
      session.budget.spendNodes(rows.length * template.slots.length)
      const columns = this.#columnsOf(name, template)
      const ownGroups = isGrouped ? { groups: rows.map((row) => groups[row] ?? 0) } : {}
      const tokens = columns.map((column, slot) => {
        const values = session.coder.writing ? rows.map((row) => taken[row]?.tokens[slot] ?? '') : []
        return column instanceof NumberColumn
          ? column.code(session, rows.length, values.map(Number), 0, ownGroups)
          : column.code(session, rows.length, values.map(String))
      })
      for (const [nth, row] of rows.entries())
        all[row] = putTogether(
          template,
          tokens.map((column) => column[nth] ?? ''),
        )
    }
    return all
  }

  #isShorter({ texts: said }: Session, texts: readonly string[], taken: readonly Taken[]): boolean {
    let plain = 0
    let apart = 0
    for (const text of texts) plain += text.length * BITS_PER_CHARACTER
    for (const template of new Set(taken.map((one) => one.template))) {
      const isKnown = said.indexOf(template) !== undefined
      apart += isKnown ? BITS_PER_CHARACTER : template.length * BITS_PER_CHARACTER
    }
    for (const { tokens } of taken) {
      for (const token of tokens) {
        apart += typeof token === 'number' ? String(token).length * BITS_PER_DIGIT : token.length * BITS_PER_HEX
      }
    }
    return apart < plain
  }

  #columnsOf(name: string, { slots }: Template): readonly (NumberColumn | TextColumn)[] {
    const taught = this.#parent === undefined ? undefined : this.#parent.#slots.get(name)
    const columns =
      this.#slots.get(name) ??
      taught?.map((column) => column.fork()) ??
      slots.map(({ kind, width }) => (kind === 'number' ? new NumberColumn() : new TextColumn('hex', width)))
    this.#slots.set(name, columns)
    return columns
  }
}

function isUniformIn(texts: readonly string[]): boolean {
  return texts.every((text) => text === texts[0])
}

const HEX_DIGITS_A_CHUNK = 12

function codeHex({ coder, budget }: Session, text: string, digits: number): string {
  budget.spendBytes(digits)
  let all = ''
  for (let at = 0; at < digits; at += HEX_DIGITS_A_CHUNK) {
    const count = Math.min(HEX_DIGITS_A_CHUNK, digits - at)
    const value = coder.writing ? Number.parseInt(text.slice(at, at + count), 16) : 0
    all += coder
      .bits(value, 4 * count)
      .toString(16)
      .padStart(count, '0')
  }
  return all
}
