import { corrupt } from '../errors.js'

/** A text without its numbers and hexadecimal digits, in the manner of printf: `%d`, `%5d` with leading zeros, `%40x`, `%%`. */
export interface Taken {
  readonly template: string
  readonly tokens: readonly (number | string)[]
}

/** A place in a template; without a width, of digits as they come. */
export interface Slot {
  readonly kind: 'number' | 'hex'
  readonly width: number
}

export interface Template {
  /** One more than slots. */
  readonly literals: readonly string[]
  readonly slots: readonly Slot[]
}

/** So many digits a number holds exactly. */
const MOST_DIGITS = 15
const MOST_HEX = 4096
const RUNS = /[0-9a-f]{8,4096}|[0-9]+/g
const PADDED = /(?<![0-9])0[0-9]/
const MARKS = /%(?:%|(\d*)d|(\d+)x)/g

/** @param padded - Whether numbers of this column have leading zeros: then each has the width that it is written with. */
export function takeApart(text: string, padded: boolean): Taken {
  const tokens: (number | string)[] = []
  let template = ''
  let at = 0
  for (const { 0: run, index } of text.matchAll(RUNS)) {
    const isNumber = run.length <= MOST_DIGITS && !/[a-f]/.test(run)
    template += text.slice(at, index).replaceAll('%', '%%')
    at = index + run.length
    tokens.push(isNumber ? Number(run) : run)
    // A zero in front would be lost without the width.
    const hasWidth = padded || (run.length > 1 && run.startsWith('0'))
    template += isNumber ? `%${hasWidth ? run.length : ''}d` : `%${run.length}x`
  }
  return { template: template + text.slice(at).replaceAll('%', '%%'), tokens }
}

export function isPadded(text: string): boolean {
  return PADDED.test(text)
}

export function parseTemplate(template: string): Template {
  const literals: string[] = []
  const slots: Slot[] = []
  let literal = ''
  let at = 0
  for (const { 0: mark, 1: digits, 2: hex, index } of template.matchAll(MARKS)) {
    literal += template.slice(at, index)
    at = index + mark.length
    if (mark === '%%') {
      literal += '%'
      continue
    }
    const width = Number(hex ?? digits)
    if (width > (hex === undefined ? MOST_DIGITS : MOST_HEX)) throw corrupt('a template of numbers too long')
    slots.push({ kind: hex === undefined ? 'number' : 'hex', width })
    literals.push(literal)
    literal = ''
  }
  return { literals: [...literals, literal + template.slice(at)], slots }
}

/** The text again; `tokens` in the order of the slots. */
export function putTogether({ literals, slots }: Template, tokens: readonly (number | string)[]): string {
  let text = literals[0] ?? ''
  for (const [index, { kind, width }] of slots.entries()) {
    const token = tokens[index] ?? ''
    text += (kind === 'number' ? String(token).padStart(width, '0') : String(token)) + (literals[index + 1] ?? '')
  }
  return text
}
