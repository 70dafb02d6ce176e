import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PathRate, type PathSample } from './path-rate.ts'

/** Streams that send what they are allowed, over a path with a base round trip and a queue. */
class Path {
  readonly rate = new PathRate()
  readonly #streams: { readonly serial: number; deliveredBytes: number; mayBytesPerSecond: number }[]
  nowMs = 0
  queuedBytes = 0
  capacity: number
  /** Less than they may, for want of bytes. */
  offered = 1
  baseMs = 100

  constructor(streams: number, capacity: number, mayBytesPerSecond: number) {
    this.capacity = capacity
    this.#streams = Array.from({ length: streams }, (_, serial) => ({ serial, deliveredBytes: 0, mayBytesPerSecond }))
  }

  get sum(): number {
    return this.#streams.reduce((sum, { mayBytesPerSecond }) => sum + mayBytesPerSecond, 0)
  }

  /** The first so many have nothing to send. */
  silent = 0

  told(serial: number): number {
    return this.#streams[serial]?.mayBytesPerSecond ?? Number.NaN
  }

  grow(factor: number): void {
    for (const stream of this.#streams) stream.mayBytesPerSecond *= factor
  }

  join(): void {
    this.#streams.push({ serial: this.#streams.length, deliveredBytes: 0, mayBytesPerSecond: 10e6 })
  }

  /** What each may send at, where it was told. */
  run(forMs: number): readonly number[] {
    const told: number[] = []
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; ) {
      const spanMs = this.rate.tickMs
      this.nowMs += spanMs
      const sent = this.#streams.map(({ mayBytesPerSecond }) => (Math.min(mayBytesPerSecond, 10e6) * this.offered * spanMs) / 1000)
      const total = sent.reduce((sum, bytes) => sum + bytes, 0)
      const served = Math.min(this.queuedBytes + total, (this.capacity * spanMs) / 1000)
      this.queuedBytes += total - served
      for (const [at, stream] of this.#streams.entries()) stream.deliveredBytes += (served * (sent[at] ?? 0)) / Math.max(1, total)
      const rttMs = this.baseMs + (this.queuedBytes * 1000) / this.capacity
      const samples: PathSample[] = this.#streams.map(({ serial, deliveredBytes }) => ({
        serial,
        deliveredBytes,
        rttMs,
        notSentBytes: this.offered < 1 || serial < this.silent ? 0 : 1,
      }))
      const parts = this.rate.observe(this.nowMs, samples)
      for (const stream of this.#streams) stream.mayBytesPerSecond = parts?.get(stream.serial) ?? stream.mayBytesPerSecond
      if (parts) told.push([...parts.values()].reduce((sum, part) => sum + part, 0))
    }
    return told
  }
}

test('streams that make no queue are never held back', () => {
  const path = new Path(4, 60e6, 10e6)
  expect(path.run(20_000)).toEqual([])
  expect(path.rate.bytesPerSecond).toBeCloseTo(40e6, -5)
})

test('streams that are more than the path are held to what it delivers, and its queue stays short', () => {
  const path = new Path(16, 60e6, 10e6)
  // What came together before it was seen takes some rounds to be gone.
  path.run(6000)
  let mostMs = 0
  let delivered = 0
  for (let turn = 0; turn < 400; turn += 1) {
    path.run(25)
    mostMs = Math.max(mostMs, (path.queuedBytes * 1000) / path.capacity)
    delivered += path.queuedBytes > 0 ? 60e6 : Math.min(60e6, path.sum)
  }
  expect(mostMs).toBeLessThan(40)
  expect(delivered / 400).toBeGreaterThan(0.98 * 60e6)
})

test('a path that has grown is found to have, and one that has shrunk', () => {
  const path = new Path(16, 30e6, 10e6)
  path.run(3000)
  expect(path.rate.bytesPerSecond).toBeCloseTo(30e6, -6)
  path.capacity = 500e6
  path.run(1500)
  expect(path.sum).toBe(Number.POSITIVE_INFINITY)
  path.capacity = 15e6
  path.run(3000)
  expect(path.sum).toBeLessThan(1.3 * 15e6)
})

test('a path that has shrunk by much is known to have after two rounds, not after ten', () => {
  const path = new Path(16, 60e6, 10e6)
  path.run(6000)
  path.capacity = 12e6
  path.run(400)
  expect(path.sum).toBeLessThan(12e6)
  path.run(4000)
  expect(path.rate.bytesPerSecond).toBeCloseTo(12e6, -6)
})

test('what is sent while there is little to send says nothing of the path', () => {
  const path = new Path(16, 60e6, 10e6)
  path.run(3000)
  path.offered = 0.01
  path.run(10_000)
  path.offered = 1
  expect(path.sum).toBeGreaterThan(0.7 * 60e6)
})

test('a stream that joins gets a part as large as the others have', () => {
  const path = new Path(8, 40e6, 10e6)
  path.run(3000)
  path.join()
  path.run(3000)
  expect(path.rate.bytesPerSecond).toBeCloseTo(40e6, -6)
  expect(path.sum).toBeLessThan(1.3 * 40e6)
})

test('streams that double what they send are held as soon as the path shows its rate, not after its queue is full', () => {
  const path = new Path(8, 40e6, 0.5e6)
  for (let round = 0; round < 12 && path.sum <= 40e6; round += 1) {
    path.run(path.baseMs)
    path.grow(2)
  }
  const mostQueue: number[] = []
  for (let step = 0; step < 20; step += 1) {
    path.run(path.rate.tickMs)
    mostQueue.push(path.queuedBytes)
  }
  // Twice as much as the path takes would make 4 MB in a round.
  expect(Math.max(...mostQueue)).toBeLessThan(1e6)
  expect(path.sum).toBeGreaterThan(36e6)
})

test('what streams with nothing to send leave is for the others', () => {
  const path = new Path(4, 20e6, 10e6)
  path.run(1500)
  const before = path.told(3)
  path.silent = 3
  path.run(path.rate.tickMs)
  // As a probe may begin meanwhile.
  expect(path.told(3) / before).toBeGreaterThan(3)
  expect(path.told(3) / before).toBeLessThan(5.1)
  path.silent = 0
  path.run(path.rate.tickMs * 2)
  expect(path.told(3)).toBeLessThan(before * 1.6)
})

test('whatever is measured, no part is less than a stream needs, or not a number', () => {
  const sample = fc.record({
    serial: fc.integer({ min: 1, max: 5 }),
    deliveredBytes: fc.double({ min: 0, max: 1e12, noNaN: true }),
    rttMs: fc.double({ min: 0, max: 1e5, noNaN: true }),
    notSentBytes: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(fc.record({ spanMs: fc.double({ min: 0, max: 500, noNaN: true }), samples: fc.array(sample) })), (steps) => {
      const rate = new PathRate()
      let nowMs = 0
      for (const { spanMs, samples } of steps) {
        nowMs += spanMs
        for (const part of rate.observe(nowMs, samples)?.values() ?? []) expect(part).toBeGreaterThanOrEqual(65_536)
        expect(rate.tickMs).toBeGreaterThanOrEqual(5)
      }
    }),
  )
})
