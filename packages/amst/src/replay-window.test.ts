import fc from 'fast-check'
import { expect, test } from 'vitest'
import { REPLAY_WINDOW, ReplayWindow } from './replay-window.ts'

test('a number is taken once, in any order within the window, and never from behind it', () => {
  const window = new ReplayWindow()
  const numbers = Array.from({ length: 5000 }, (_, at) => at + 1)
  for (let at = 0; at < numbers.length; at += 1) {
    const other = Math.min(numbers.length - 1, at + ((at * 7919) % 500))
    const [a = 0, b = 0] = [numbers[at], numbers[other]]
    numbers[at] = b
    numbers[other] = a
  }
  const taken = new Set<number>()
  let highest = 0
  for (const number of numbers) {
    expect(window.isNew(number)).toBe(number > highest - 1024)
    if (window.take(number)) taken.add(number)
    highest = Math.max(highest, number)
    expect(window.take(number)).toBe(false)
  }
  for (const number of taken) expect(window.take(number)).toBe(false)
  expect(taken.size).toBeGreaterThan(4000)
  expect(window.take(10_000)).toBe(true)
  expect(window.take(10_000 - 1024)).toBe(false)
  expect(window.take(10_000 - 1023)).toBe(true)
})

test('of any numbers it takes those that did not come before, and are not too far behind to tell', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(2 * REPLAY_WINDOW), fc.nat(2 ** 50)), { maxLength: 2000 }), (numbers) => {
      const window = new ReplayWindow()
      const taken = new Set<number>()
      for (const number of numbers) {
        const due = !taken.has(number) && number > Math.max(-1, ...taken) - REPLAY_WINDOW
        expect(window.isNew(number)).toBe(due)
        expect(window.take(number)).toBe(due)
        if (due) taken.add(number)
      }
    }),
    { numRuns: 30 },
  )
})
