import { TRAFFIC_CLASSES, type TrafficClass } from '@dwcp/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ClassScheduler } from './class-scheduler.ts'
import { type ClassOptions, type ClassShares, DEFAULT_CLASSES, resolveClasses } from './class-shares.ts'
import { BURST_MS, TokenBucket } from './token-bucket.ts'

const CHUNK_BYTES = 262_144
const className = fc.constantFrom(...TRAFFIC_CLASSES)
const chunkBytes = fc.integer({ min: 16_384, max: CHUNK_BYTES })
const weights = fc.record(
  Object.fromEntries(TRAFFIC_CLASSES.map((name) => [name, fc.record({ weight: fc.double({ min: 0.01, max: 100, noNaN: true }) })])),
)

/** A link of a rate, and classes that send all that they may. @returns what each has sent. */
function run(
  shares: ClassShares,
  { waiting, forMs, bytesPerSecond }: { waiting: (name: TrafficClass, nowMs: number) => boolean; forMs: number; bytesPerSecond: number },
  sizeOf: () => number = () => CHUNK_BYTES,
  seen: (sent: ReadonlyMap<TrafficClass, number>, nowMs: number) => void = () => undefined,
): ReadonlyMap<TrafficClass, number> {
  const scheduler = new ClassScheduler(shares, 0)
  const sent = new Map<TrafficClass, number>(TRAFFIC_CLASSES.map((name) => [name, 0]))
  for (let nowMs = 0; nowMs < forMs; ) {
    const isWaiting = (name: TrafficClass): boolean => waiting(name, nowMs)
    const name = scheduler.next(nowMs, isWaiting)
    if (name === undefined) {
      nowMs += Math.min(10, Math.max(0.01, scheduler.waitMs(nowMs, isWaiting)))
      continue
    }
    const bytes = sizeOf()
    scheduler.spend(name, bytes, nowMs)
    sent.set(name, (sent.get(name) ?? 0) + bytes)
    nowMs += (bytes * 1000) / bytesPerSecond
    seen(sent, nowMs)
  }
  return sent
}

test('classes that always wait never differ, by their weights, by more than a chunk of each: none starves', () => {
  const several = fc.uniqueArray(className, { minLength: 2 })
  fc.assert(
    fc.property(weights, several, fc.array(chunkBytes, { minLength: 1, maxLength: 50 }), (given, names, sizes) => {
      const shares = resolveClasses(given)
      let [turn, excess] = [0, 0]
      const compare = (sent: ReadonlyMap<TrafficClass, number>): void => {
        for (const a of names) {
          for (const b of names) {
            const apart = Math.abs((sent.get(a) ?? 0) / shares[a].weight - (sent.get(b) ?? 0) / shares[b].weight)
            excess = Math.max(excess, apart - CHUNK_BYTES / shares[a].weight - CHUNK_BYTES / shares[b].weight)
          }
        }
      }
      const sizeOf = (): number => sizes[turn++ % sizes.length] ?? CHUNK_BYTES
      run(shares, { waiting: (name) => names.includes(name), forMs: 2000, bytesPerSecond: 10e6 }, sizeOf, compare)
      expect(excess).toBeLessThan(1)
    }),
    { numRuns: 30 },
  )
})

test('a class that comes late gets its share and nothing for the time before; what it leaves is the others’', () => {
  const sent = run(DEFAULT_CLASSES, {
    waiting: (name, nowMs) => name === 'bulk' || (name === 'migration' && nowMs >= 10_000),
    forMs: 20_000,
    bytesPerSecond: 10e6,
  })
  // 32 : 8 of the second half.
  expect(sent.get('migration')).toBeCloseTo(80e6, -6)
  expect(sent.get('bulk')).toBeCloseTo(120e6, -6)
})

test('floors are kept whatever the weights are, and caps are never exceeded beyond a burst and a chunk', () => {
  const bound = fc.record({ floor: fc.integer({ min: 0, max: 1_500_000 }), cap: fc.integer({ min: 1_500_000, max: 20_000_000 }) })
  const five = fc.array(bound, { minLength: 5, maxLength: 5 })
  fc.assert(
    fc.property(weights, five, fc.array(chunkBytes, { minLength: 1 }), (given, bounds, sizes) => {
      const classes: ClassOptions = Object.fromEntries(
        TRAFFIC_CLASSES.map((name, at) => [
          name,
          { ...given[name], floorBytesPerSecond: bounds[at]?.floor ?? 0, capBytesPerSecond: bounds[at]?.cap ?? 1 },
        ]),
      )
      const shares = resolveClasses(classes)
      let [turn, excess] = [0, 0]
      const compare = (sent: ReadonlyMap<TrafficClass, number>, nowMs: number): void => {
        for (const name of TRAFFIC_CLASSES) {
          const most = (shares[name].capBytesPerSecond * (nowMs + BURST_MS)) / 1000 + CHUNK_BYTES
          excess = Math.max(excess, (sent.get(name) ?? 0) - most)
        }
      }
      const sizeOf = (): number => sizes[turn++ % sizes.length] ?? CHUNK_BYTES
      // Five floors of 1.5 MB/s at most, on 10 MB/s.
      const sent = run(shares, { waiting: () => true, forMs: 5000, bytesPerSecond: 10e6 }, sizeOf, compare)
      expect(excess).toBeLessThan(1)
      for (const name of TRAFFIC_CLASSES) {
        // A floor waits for what goes before it: a burst of each floor, and the chunk that is being sent.
        const late = 5 * ((1_500_000 * BURST_MS) / 1000 + CHUNK_BYTES)
        expect(sent.get(name)).toBeGreaterThanOrEqual(shares[name].floorBytesPerSecond * 5 - late)
      }
    }),
    { numRuns: 30 },
  )
})

test('an advisor’s caps hold until the next, and never loosen what was configured', () => {
  const scheduler = new ClassScheduler(resolveClasses({ bulk: { capBytesPerSecond: 1_000_000 } }), 0)
  expect(scheduler.capBytesPerSecond).toBe(Number.POSITIVE_INFINITY)
  scheduler.advise(new Map(TRAFFIC_CLASSES.map((name) => [name, 2_000_000])), 0)
  expect(scheduler.capBytesPerSecond).toBe(4 * 2_000_000 + 1_000_000)
  scheduler.advise(new Map([['bulk', 0]]), 0)
  scheduler.spend('bulk', CHUNK_BYTES, 0)
  expect(scheduler.next(1000, (name) => name === 'bulk')).toBeUndefined()
  scheduler.advise(new Map([['bulk', Number.NaN]]), 2000)
  expect(scheduler.next(3000, (name) => name === 'bulk')).toBe('bulk')
})

test('a bucket gives its rate over any time, and a burst and a piece at most on top', () => {
  const step = fc.record({ afterMs: fc.double({ min: 0, max: 500, noNaN: true }), bytes: chunkBytes })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), fc.array(step, { minLength: 1, maxLength: 200 }), (rate, steps) => {
      const bucket = new TokenBucket(rate, 0)
      let [nowMs, taken] = [0, 0]
      for (const { afterMs, bytes } of steps) {
        nowMs += afterMs
        if (bucket.waitMs(nowMs) > 0) continue
        bucket.spend(bytes, nowMs)
        taken += bytes
        expect(taken).toBeLessThanOrEqual((rate * (nowMs + BURST_MS)) / 1000 + CHUNK_BYTES + 1)
        const waitMs = bucket.waitMs(nowMs)
        expect(bucket.waitMs(nowMs + waitMs + 1)).toBe(0)
      }
    }),
  )
})

test('shares that make no sense are refused by name', () => {
  const bad: [unknown, string][] = [
    [{ urgent: { weight: 1 } }, 'urgent'],
    [{ bulk: { wieght: 1 } }, 'wieght'],
    [{ bulk: { weight: 0 } }, 'weight of class bulk'],
    [{ sync: { floorBytesPerSecond: 2, capBytesPerSecond: 1 } }, 'floorBytesPerSecond of class sync'],
    [{ sync: { capBytesPerSecond: 0 } }, 'class sync'],
  ]
  for (const [given, what] of bad) expect(() => Reflect.apply(resolveClasses, undefined, [given])).toThrow(what)
})
