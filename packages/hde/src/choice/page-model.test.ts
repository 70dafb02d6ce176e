import { tagPages } from '@dwcp/native-rdma/codec'
import { describe, expect, test } from 'vitest'
import { MethodChooser } from './chooser.ts'
import { placeOf, predictCosts } from './cost-model.ts'
import { allowedMethods, PAGE_METHODS } from './methods.ts'
import { PAGE_FEATURES, PageSampler, pagesWorthSampling } from './page-features.ts'
import { PAGE_MODEL } from './weights.ts'

const PAGE_BYTES = 4096
const MIB = 2 ** 20

/** Words of one width, so that something can be made of them. */
function memory(pages: number): Uint8Array {
  return new Uint8Array(Uint32Array.from({ length: pages * 1024 }, (_, index) => (index % 3 === 0 ? index * 7 : index >>> 8)).buffer)
}

function sampleOf(pages: Uint8Array, old: Uint8Array, payloadBytes = 8 * MIB) {
  return { pages, old, pageBytes: PAGE_BYTES, payloadBytes }
}

test('the weights are of these features and methods', () => {
  expect(PAGE_MODEL.features).toEqual(PAGE_FEATURES)
  expect(PAGE_MODEL.methods).toEqual(PAGE_METHODS.map(({ name }) => name))
  for (const fit of [PAGE_MODEL.withOld, PAGE_MODEL.withoutOld]) {
    expect(fit.weights.length).toBe(fit.methods.length * 3 * (fit.centres.length + 1))
    expect(fit.weights.every(Number.isFinite)).toBe(true)
  }
})

describe('a sample', () => {
  const sampler = new PageSampler(tagPages)

  test('gives a number for each feature, whatever the pages', () => {
    for (const bytes of [0, 64, 512, 4096, 16 * 4096]) {
      const pages = memory(16).subarray(0, bytes)
      const features = sampler.of({
        pages,
        old: new Uint8Array(bytes),
        pageBytes: Math.min(4096, Math.max(64, bytes)),
        payloadBytes: bytes,
      })
      expect(features.length).toBe(PAGE_FEATURES.length)
      expect(features.every(Number.isFinite)).toBe(true)
    }
  })

  test('tells few changed words from new pages', () => {
    const old = memory(16)
    const touched = old.slice()
    for (let page = 0; page < 16; page += 1) touched.fill(255, page * PAGE_BYTES, page * PAGE_BYTES + 8)
    const replaced = old.map((byte, index) => byte ^ (index * 37))
    const words = PAGE_FEATURES.indexOf('words to send, log2 of their share')
    const share = (pages: Uint8Array): number => sampler.of(sampleOf(pages, old))[words] ?? 0
    expect(share(touched)).toBeLessThan(-5)
    expect(share(replaced)).toBeGreaterThan(-0.1)
  })

  test('is the same for the same pages, whatever was sampled before', () => {
    const pages = memory(16)
    const first = sampler.of(sampleOf(pages, new Uint8Array(pages.length)))
    sampler.of(
      sampleOf(
        pages.map((byte) => byte ^ 85),
        pages,
      ),
    )
    expect(sampler.of(sampleOf(pages, new Uint8Array(pages.length)))).toEqual(first)
  })

  test('is not taken where the region is over sooner', () => {
    expect(pagesWorthSampling(8 * MIB, 0.1)).toBe(0)
    expect(pagesWorthSampling(8 * MIB, 100)).toBeGreaterThan(0)
  })
})

describe('predictions', () => {
  test('are finite for features that no training has seen', () => {
    for (const value of [-1e9, 0, 1e9, Number.POSITIVE_INFINITY]) {
      const features = Array.from({ length: PAGE_FEATURES.length }, () => value)
      const costs = predictCosts(PAGE_MODEL.withOld, placeOf(PAGE_MODEL.withOld, features), MIB)
      for (const { encodeMs, bytes, decodeMs } of costs.values()) {
        expect([encodeMs, bytes, decodeMs].every((figure) => figure > 0 && figure < 1e12)).toBe(true)
      }
    }
  })

  test('leave pages as they are, or their words, on a link of 5 GB/s, and pack them on one of 2 MB/s', () => {
    const chooser = new MethodChooser(PAGE_MODEL, { explorationRatio: 0 })
    for (const hasOld of [true, false]) {
      const at = (bytesPerSecond: number) => {
        const allowed = allowedMethods(hasOld, true)
        const { method } = chooser.choose({ hasOld, payloadBytes: 8 * MIB, allowed, bytesPerSecond, mayExplore: false })
        return PAGE_METHODS[method]
      }
      expect(at(5e9)?.level).toBe(0)
      expect(['raw', 'delta']).toContain(at(5e9)?.kind)
      expect(at(2e6)?.level).toBeGreaterThanOrEqual(3)
    }
  })
})
