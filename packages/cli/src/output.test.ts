import { expect, test } from 'vitest'
import { createOutput, createPalette } from './output.js'
import { formatTable } from './table.js'

function screen(isTTY: boolean): { readonly isTTY: boolean; readonly written: string[]; write(text: string): void } {
  const written: string[] = []
  return { isTTY, written, write: (text) => void written.push(text) }
}

test('with --json only records are written, one a line', () => {
  const out = screen(true)
  const output = createOutput({ json: true, screen: out, env: {} })
  output.line('for a person')
  output.record({ a: 1 })
  expect(out.written).toEqual(['{"a":1}\n'])
  expect(output.live).toBe(false)
})

test('without --json only lines are written', () => {
  const out = screen(false)
  const output = createOutput({ json: false, screen: out, env: {} })
  output.line('for a person')
  output.line()
  output.record({ a: 1 })
  expect(out.written).toEqual(['for a person\n', '\n'])
})

test('colours and progress are for a terminal without NO_COLOR that can move its cursor', () => {
  const live = (isTTY: boolean, env: NodeJS.ProcessEnv): boolean => createOutput({ json: false, screen: screen(isTTY), env }).live
  expect([live(true, {}), live(false, {}), live(true, { NO_COLOR: '1' }), live(true, { TERM: 'dumb' })]).toEqual([
    true,
    false,
    false,
    false,
  ])
  expect(createPalette(false).red('x')).toBe('x')
  expect(createPalette(true).red('x')).toBe('\u001B[31mx\u001B[39m')
})

test('a table is as wide as its widest cells, and has no blanks at line ends', () => {
  expect(
    formatTable(
      [{ title: 'name' }, { title: 'size', align: 'right' }, { title: '' }],
      [
        ['a', '10 MiB', ''],
        ['longer', '1', 'x'],
      ],
    ),
  ).toEqual(['name      size', 'a       10 MiB', 'longer       1  x'])
})
