import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MethodChooser } from './chooser.ts'
import { Correction } from './correction.ts'
import type { CostModel } from './cost-model.ts'
import { finishMs } from './finish-time.ts'
import { PAGE_METHODS } from './methods.ts'

const MIB = 2 ** 20

/** What one method costs whatever the features: ns a byte to encode, bytes for a byte, ns a byte to decode. */
type Price = readonly [method: string, encode: number, ratio: number, decode: number]

function modelOf(prices: readonly Price[]): CostModel {
  const methods = prices.map(([name]) => PAGE_METHODS.findIndex((method) => method.name === name))
  const weights = prices.flatMap(([, ...figures]) => figures.map(Math.log2))
  const fit = { uses: [], means: [], scales: [], centres: [], methods, weights }
  return { version: 'test', machine: 'none', features: [], methods: PAGE_METHODS.map(({ name }) => name), withOld: fit, withoutOld: fit }
}

const [RAW, ZSTD, SLOW] = [0, 3, 6]
const model = modelOf([
  ['zstd 1', 2.5, 0.2, 1.25],
  ['zstd 9', 25, 0.15, 1.25],
])

const question = (bytesPerSecond: number, mayExplore = false) =>
  ({ hasOld: true, payloadBytes: 8 * MIB, allowed: [RAW, ZSTD, SLOW], bytesPerSecond, mayExplore }) as const

describe('a chooser', () => {
  test('takes the bytes on a slow link, the codec on a fast one, and steps aside where the link outruns it', () => {
    const chooser = new MethodChooser(model, { explorationRatio: 0.01 })
    expect(chooser.choose(question(2e6)).method).toBe(SLOW)
    expect(chooser.choose(question(125e6)).method).toBe(ZSTD)
    expect(chooser.choose(question(1.25e9)).method).toBe(RAW)
    expect(chooser.choose(question(5e9)).method).toBe(RAW)
  })

  test('steps aside from a codec that turns out to be slower than the link, and comes back when it no longer is', () => {
    const chooser = new MethodChooser(model, { explorationRatio: 0.01 })
    const play = (slowdown: number, batches: number): readonly string[] =>
      Array.from({ length: batches }, () => {
        const choice = chooser.choose(question(125e6, true))
        const { name = '' } = PAGE_METHODS[choice.method] ?? {}
        chooser.learn(choice, choice.predicted.encodeMs * slowdown, choice.predicted.bytes)
        return name
      })
    expect(play(1, 8)).toEqual(Array.from({ length: 8 }, () => 'zstd 1'))
    // Eight times as slow, a codec takes 20 ns for a byte; the link takes 8.
    const loaded = play(8, 40)
    expect(loaded.slice(8).filter((name) => name !== 'raw').length).toBeLessThanOrEqual(2)
    const free = play(1, 4000)
    expect(free.slice(-100).filter((name) => name === 'zstd 1').length).toBeGreaterThan(95)
  })

  test('follows a link that changes at the next batch', () => {
    const chooser = new MethodChooser(model, { explorationRatio: 0 })
    expect([2e6, 5e9, 125e6, 5e9].map((rate) => chooser.choose(question(rate)).method)).toEqual([SLOW, RAW, ZSTD, RAW])
  })

  test('counts what encoding takes in any case: a codec that hides behind the link is free, one that adds to it is not', () => {
    const chooser = new MethodChooser(model, { explorationRatio: 0 })
    expect(chooser.choose({ ...question(250e6), sharedMs: 0 }).method).toBe(ZSTD)
    expect(chooser.choose({ ...question(250e6), sharedMs: 20 }).method).toBe(RAW)
    expect(chooser.choose({ ...question(20e6), sharedMs: 20 }).method).toBe(ZSTD)
  })

  test('never chooses what is not allowed', () => {
    const allowed = fc.uniqueArray(fc.constantFrom(RAW, ZSTD, SLOW), { minLength: 1 })
    const rate = fc.double({ min: 1e3, max: 1e11, noNaN: true })
    fc.assert(
      fc.property(allowed, rate, fc.boolean(), (methods, bytesPerSecond, mayExplore) => {
        const chooser = new MethodChooser(model, { explorationRatio: 0.5 })
        for (let turn = 0; turn < 40; turn += 1) {
          const choice = chooser.choose({ ...question(bytesPerSecond, mayExplore), allowed: methods })
          expect(methods).toContain(choice.method)
          chooser.learn(choice, 1 + turn, 1000)
        }
      }),
    )
  })
})

describe('exploration', () => {
  const near = modelOf([
    ['zstd 1', 2.5, 0.2, 1.25],
    ['zstd 9', 2.6, 0.201, 1.25],
  ])

  test('tries what seems hardly worse, and costs no more than its share of the time', () => {
    const chooser = new MethodChooser(near, { explorationRatio: 0.01 })
    let [all, lost, tried] = [0, 0, 0]
    for (let turn = 0; turn < 500; turn += 1) {
      const choice = chooser.choose(question(50e6, true))
      const ms = finishMs(choice.expected, 50e6)
      const best = finishMs({ encodeMs: 0, bytes: 0.2 * 8 * MIB, decodeMs: 0 }, 50e6)
      all += best
      lost += ms - best
      if (choice.explores) tried += 1
      chooser.learn(choice, choice.predicted.encodeMs, choice.predicted.bytes)
    }
    expect(tried).toBeGreaterThan(5)
    expect(lost).toBeLessThanOrEqual(0.0101 * all)
  })

  test('does not happen where it is not allowed, as in the last round of a migration', () => {
    const chooser = new MethodChooser(near, { explorationRatio: 1 })
    expect(Array.from({ length: 200 }, () => chooser.choose(question(50e6, false)).explores)).not.toContain(true)
  })
})

describe('a correction', () => {
  test('tells a slow host from a slow method, and is bounded whatever it is told', () => {
    const correction = new Correction(['host', 'host'])
    for (let turn = 0; turn < 50; turn += 1) correction.learn(0, 4, 1)
    expect(correction.factor(0)).toBeCloseTo(4, 1)
    expect(correction.factor(1)).toBeGreaterThan(1.5)
    for (let turn = 0; turn < 1000; turn += 1) correction.learn(0, 1e300, 1e-300)
    expect(correction.factor(0)).toBeLessThanOrEqual(128)
    const before = correction.factor(1)
    correction.learn(1, Number.NaN, 1)
    correction.learn(1, 0, 1)
    expect(correction.factor(1)).toBe(before)
  })
})
