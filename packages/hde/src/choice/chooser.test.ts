import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MethodChooser } from './chooser.ts'
import { Correction } from './correction.ts'
import type { CostModel } from './cost-model.ts'
import { finishMs } from './finish-time.ts'
import { PAGE_METHODS } from './methods.ts'
import { OLD_PAGES_FEATURE } from './page-features.ts'

const MIB = 2 ** 20

/** What one method costs whatever the features: ns a byte to encode, bytes for a byte, ns a byte to decode. */
type Price = readonly [method: string, encode: number, ratio: number, decode: number]

function modelOf(prices: readonly Price[]): CostModel {
  const methods = prices.map(([name]) => PAGE_METHODS.findIndex((method) => method.name === name))
  const weights = prices.flatMap(([, ...figures]) => figures.map(Math.log2))
  const fit = { uses: [], means: [], scales: [], landmarks: [], centres: [], methods, weights }
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
    expect(loaded.slice(10).filter((name) => name !== 'raw').length).toBeLessThanOrEqual(2)
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

  test('expects of pages with old content, and of those without, what each of them costs', () => {
    const withOld = modelOf([['delta 1', 1, 0.05, 1]]).withOld
    const chooser = new MethodChooser({ ...modelOf([['delta 1', 4, 0.4, 2]]), withOld }, { explorationRatio: 0 })
    const delta = PAGE_METHODS.findIndex(({ name }) => name === 'delta 1')
    const expectedAt = (oldRatio: number) => {
      const features = Float64Array.from({ length: OLD_PAGES_FEATURE + 1 }).fill(oldRatio, OLD_PAGES_FEATURE)
      return chooser.choose({ ...question(1e6), allowed: [delta], features }).expected
    }
    for (const ratio of [0, 0.25, 1]) {
      const { encodeMs, bytes, decodeMs } = expectedAt(ratio)
      expect(encodeMs).toBeCloseTo((8 * MIB * (ratio * 1 + (1 - ratio) * 4)) / 1e6)
      expect(bytes).toBeCloseTo(8 * MIB * (ratio * 0.05 + (1 - ratio) * 0.4))
      expect(decodeMs).toBeCloseTo((8 * MIB * (ratio * 1 + (1 - ratio) * 2)) / 1e6)
    }
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

describe('a chooser that has seen batches', () => {
  test('stays with what was best so far, unless something else gains more than 3 %', () => {
    const costs = (fastNs: number): CostModel => ({
      ...modelOf([]),
      features: ['which'],
      withOld: {
        uses: [0],
        means: [0],
        scales: [1],
        landmarks: [],
        centres: [0],
        methods: [ZSTD, SLOW],
        // The feature moves the encoder of the second by so many doublings.
        weights: [Math.log2(10), 0, Math.log2(0.1), 0, 0, 0, Math.log2(10), Math.log2(fastNs / 10), Math.log2(0.1), 0, 0, 0],
      },
    })
    const second = (fastNs: number): number => {
      const chooser = new MethodChooser(costs(fastNs), { explorationRatio: 0 })
      chooser.choose({ ...question(30e6), features: [-0.1], allowed: [ZSTD, SLOW] })
      return chooser.choose({ ...question(30e6), features: [1], allowed: [ZSTD, SLOW] }).method
    }
    expect(second(9.9)).toBe(ZSTD)
    expect(second(5)).toBe(SLOW)
  })
})

describe('a correction', () => {
  const place = (...at: readonly number[]) => ({ hasOld: true, at })

  test('follows what was measured of the same method in regions that look alike most, of others less, of other kinds not at all', () => {
    const correction = new Correction(['zstd', 'zstd', 'lz4'])
    for (let turn = 0; turn < 64; turn += 1) correction.learn(0, place(0, 0), { time: 4, bytes: 0.5 })
    expect(correction.factorsAt(place(0, 0))(0).time).toBeGreaterThan(2.8)
    expect(correction.factorsAt(place(0, 0))(0).bytes).toBeLessThan(0.6)
    const level = correction.factorsAt(place(0, 0))(1).time
    const far = correction.factorsAt(place(2, 2))(1).time
    expect(level).toBeGreaterThan(far)
    expect(far).toBeGreaterThan(1)
    expect(correction.factorsAt({ hasOld: false, at: [] })(1).time).toBeGreaterThan(1)
    expect(correction.factorsAt(place(0, 0))(2)).toEqual({ time: 1, bytes: 1 })
  })

  test('forgets what is 64 measurements old', () => {
    const correction = new Correction(['zstd'])
    correction.learn(0, place(0), { time: 16, bytes: 16 })
    for (let turn = 0; turn < 64; turn += 1) correction.learn(0, place(0), { time: 1, bytes: 1 })
    expect(correction.factorsAt(place(0))(0)).toEqual({ time: 1, bytes: 1 })
  })

  test('is bounded whatever it is told', () => {
    const ratio = fc.double({ min: 0, max: Number.POSITIVE_INFINITY })
    fc.assert(
      fc.property(fc.array(fc.tuple(ratio, ratio), { maxLength: 80 }), (told) => {
        const correction = new Correction(['zstd'])
        for (const [time, bytes] of told) correction.learn(0, place(0), { time, bytes })
        const factors = correction.factorsAt(place(0))(0)
        for (const factor of [factors.time, factors.bytes]) {
          expect(factor).toBeGreaterThanOrEqual(1 / 16)
          expect(factor).toBeLessThanOrEqual(16)
        }
      }),
    )
  })
})
