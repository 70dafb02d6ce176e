import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { createOutput } from './output.js'
import { createProgressDisplay } from './progress-display.js'

/** A terminal of 100 columns, and what was drawn on it without its control sequences. */
function terminal(): { readonly screen: PassThrough; drawn(): string } {
  const screen = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 40, cursorTo: () => true, clearLine: () => true })
  // oxlint-disable-next-line no-control-regex
  return { screen, drawn: () => String(screen.read() ?? '').replaceAll(/\u001B\[[0-9;?]*[A-Za-z]|\u001B[78]/g, '') }
}

const progress = {
  phase: 'copying',
  round: 2,
  rawBytes: 32 * 2 ** 20,
  roundRawBytes: 64 * 2 ** 20,
  wireBytes: 10 * 2 ** 20,
  ackedBytes: 0,
} as const

test('a migration shows its round, how much of it is done, and what was sent', async () => {
  const { screen, drawn } = terminal()
  const display = await createProgressDisplay(createOutput({ json: false, screen, env: {} }), screen)
  display.begin('memory → demo-b')
  display.note('12 answers')
  display.migration(progress)
  display.end()
  expect(drawn()).toMatch(/memory → demo-b {9} {2}━{24} {2}round 2, 10 MiB sent {2}12 answers/)
})

test('an amount shows how much there is of how much, and how long the rest takes at the same speed', async () => {
  const { screen, drawn } = terminal()
  let nowMs = 500
  const display = await createProgressDisplay(createOutput({ json: false, screen, env: {} }), screen, () => nowMs)
  display.begin('filling')
  nowMs = 2_500
  display.amount(2 ** 20, 2 ** 22)
  display[Symbol.dispose]()
  expect(drawn()).toContain('1 MiB of 4 MiB, 512 KiB/s, 6 s left')
})

test('nothing is drawn where nobody watches', async () => {
  const { screen, drawn } = terminal()
  const display = await createProgressDisplay(createOutput({ json: true, screen, env: {} }), screen)
  display.begin('x')
  display.migration(progress)
  display.end()
  expect(drawn()).toBe('')
})
