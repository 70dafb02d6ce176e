import { styleText } from 'node:util'

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'

/** Text with or without colour: every function returns its argument where there is none. */
export type Palette = Readonly<Record<Style, (text: string) => string>>

/** Where a command says what it has to say: lines for a person, or one JSON object a line for a program. */
export interface Output {
  readonly json: boolean
  /** Whether a person watches: progress may be drawn. */
  readonly live: boolean
  readonly palette: Palette
  /** For a person; nothing with `--json`. */
  readonly line: (text?: string) => void
  /** For a program; nothing without `--json`. */
  readonly record: (record: object) => void
}

interface Screen {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** NO_COLOR: https://no-color.org; it stands for "nothing that moves" as well. */
export function createOutput(options: { readonly json: boolean; readonly screen: Screen; readonly env: NodeJS.ProcessEnv }): Output {
  const { json, screen, env } = options
  const live = !json && screen.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  return {
    json,
    live,
    palette: createPalette(live),
    line(text = '') {
      if (!json) screen.write(`${text}\n`)
    },
    record(record) {
      if (json) screen.write(`${JSON.stringify(record)}\n`)
    },
  }
}

export function createPalette(colours: boolean): Palette {
  const paint = (style: Style) => (text: string) => (colours ? styleText(style, text, { validateStream: false }) : text)
  return {
    bold: paint('bold'),
    dim: paint('dim'),
    green: paint('green'),
    red: paint('red'),
    yellow: paint('yellow'),
    cyan: paint('cyan'),
  }
}
