import type { LinkSample, NetworkMode } from '@dwcp/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModeDetector } from './mode-detector.ts'

const GBIT = 1e9 / 8
const sample = (
  rttMs: number,
  gbit: number,
  limitedBy: LinkSample['limitedBy'] = 'network',
): Pick<LinkSample, 'rttMs' | 'deliveredBytesPerSecond' | 'limitedBy'> => ({
  rttMs,
  deliveredBytesPerSecond: gbit * GBIT,
  limitedBy,
})
function feed(detector: ModeDetector, times: number, rttMs: number, gbit: number, limitedBy?: LinkSample['limitedBy']): NetworkMode {
  for (let i = 0; i < times; i++) detector.observe(sample(rttMs, gbit, limitedBy))
  return detector.mode
}

describe('the class of a link', () => {
  test.each([
    ['datacenter', 0.5, 9.4],
    ['datacenter', 9, 0.94],
    ['hybrid', 20, 2],
    ['hybrid', 49, 0.95],
    ['internet', 60, 10],
    ['internet', 1, 0.5],
    ['internet', 100, 0.1],
  ] as const)('is %s at %d ms and %d Gbit/s', (mode, rttMs, gbit) => {
    expect(feed(new ModeDetector(), 1, rttMs, gbit)).toBe(mode)
  })

  test('is hybrid before anything is measured, and by a long round trip alone internet', () => {
    const detector = new ModeDetector()
    expect([detector.mode, detector.decided]).toEqual(['hybrid', false])
    feed(detector, 3, 120, 0, 'sender')
    expect([detector.mode, detector.decided]).toEqual(['internet', false])
  })

  test('is never lowered by traffic that something other than the network limited', () => {
    for (const limitedBy of ['sender', 'receiver', 'pacing'] as const) {
      const detector = new ModeDetector()
      expect(feed(detector, 10, 1, 9)).toBe('datacenter')
      expect(feed(detector, 50, 1, 0.001, limitedBy)).toBe('datacenter')
    }
  })

  test('is raised by any traffic that was faster', () => {
    const detector = new ModeDetector()
    expect(feed(detector, 10, 1, 0.5)).toBe('internet')
    expect(feed(detector, 20, 1, 5, 'sender')).toBe('datacenter')
  })

  test('is doubted where a near link is slow, until ten measurements agree', () => {
    const detector = new ModeDetector()
    expect(detector.isDoubtful).toBe(false)
    feed(detector, 1, 1, 0.1)
    expect([detector.mode, detector.isDoubtful]).toEqual(['internet', true])
    feed(detector, 3, 1, 9)
    expect([detector.mode, detector.isDoubtful]).toEqual(['datacenter', false])
    const slow = new ModeDetector()
    for (let samples = 1; samples < 10; samples++) {
      feed(slow, 1, 1, 0.1)
      expect(slow.isDoubtful).toBe(true)
    }
    feed(slow, 1, 1, 0.1)
    expect([slow.mode, slow.isDoubtful]).toEqual(['internet', false])
    const far = new ModeDetector()
    feed(far, 1, 100, 0.1)
    expect([far.mode, far.isDoubtful]).toEqual(['internet', false])
  })

  test('follows a lasting change within the ten samples it looks back on', () => {
    const detector = new ModeDetector()
    feed(detector, 30, 1, 9)
    expect(feed(detector, 10, 100, 0.1)).toBe('internet')
    expect(feed(detector, 13, 1, 9)).toBe('datacenter')
  })

  test('does not flutter at a border', () => {
    const detector = new ModeDetector()
    feed(detector, 10, 8, 2)
    const seen = new Set<NetworkMode>()
    for (let i = 0; i < 100; i++) {
      detector.observe(sample(i % 2 === 0 ? 9 : 11.5, 2))
      seen.add(detector.mode)
    }
    expect([...seen]).toEqual(['datacenter'])
  })

  test('is not moved by one odd sample', () => {
    const detector = new ModeDetector()
    feed(detector, 10, 1, 9)
    detector.observe(sample(400, 9))
    expect(detector.mode).toBe('datacenter')
  })

  test('is always one of the three, whatever is fed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1e3, noNaN: true }))),
        (samples) => {
          const detector = new ModeDetector()
          for (const [rttMs, gbit] of samples) expect(['datacenter', 'internet', 'hybrid']).toContain(detector.observe(sample(rttMs, gbit)))
          expect(detector.measure.samples).toBe(samples.length)
        },
      ),
    )
  })
})
