import { loadHash } from '@dwcp/native-rdma/hash'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPageTree } from './page-tree.ts'

const PAGE = 4096
const hash = await loadHash()
const region = (pages: number): { pageBytes: number; lengthBytes: number; maxLengthBytes: number } => ({
  pageBytes: PAGE,
  lengthBytes: pages * PAGE,
  maxLengthBytes: 1 << 30,
})
const page = (fill: number): Uint8Array => new Uint8Array(PAGE).fill(fill)

describe('the page tree', () => {
  test('has one root for one content, however the pages came', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 700 }), fc.integer({ min: 0, max: 255 })), { maxLength: 40 }), (writes) => {
        const last = new Map(writes)
        const oneByOne = createPageTree(hash, [region(512)])
        for (const [at, fill] of writes) oneByOne.update(0, Uint32Array.of(at), page(fill))
        const pages = [...last.keys()].sort((x, y) => x - y)
        const atOnce = createPageTree(hash, [region(512)])
        atOnce.update(0, Uint32Array.from(pages), Buffer.concat(pages.map((at) => page(last.get(at) ?? 0))))
        expect(atOnce.root()).toBe(oneByOne.root())
      }),
    )
  })

  test('changes with any page, any region and the opaque state, and with nothing else', () => {
    const make = (change: (tree: ReturnType<typeof createPageTree>) => void): string => {
      const tree = createPageTree(hash, [region(300), region(10)])
      tree.update(0, Uint32Array.of(299), page(7))
      change(tree)
      return tree.root()
    }
    const roots = [
      make(() => undefined),
      make((tree) => tree.update(0, Uint32Array.of(0), page(1))),
      make((tree) => tree.update(0, Uint32Array.of(299), page(8))),
      make((tree) => tree.update(1, Uint32Array.of(0), page(1))),
      make((tree) => tree.opaque(Uint8Array.of(1))),
      make((tree) => tree.opaque(new Uint8Array(0))),
      make((tree) => {
        tree.opaque(Uint8Array.of(1))
        tree.opaque(Uint8Array.of(2))
      }),
      make((tree) => tree.opaque(Uint8Array.of(1, 2))),
    ]
    expect(new Set(roots).size).toBe(roots.length)
    expect(make((tree) => tree.update(0, Uint32Array.of(5), page(0)))).toBe(roots[0])
    expect(roots[0]).toMatch(/^pages-xxh3-128:[0-9a-f]{32}$/)
  })

  test('can be asked for its root again and again', () => {
    const tree = createPageTree(hash, [region(4)])
    tree.opaque(Uint8Array.of(9))
    const before = tree.root()
    expect(tree.root()).toBe(before)
    tree.update(0, Uint32Array.of(1), page(1))
    expect(tree.root()).not.toBe(before)
    tree.update(0, Uint32Array.of(1), page(0))
    expect(tree.root()).toBe(before)
  })

  test('refuses bytes that are not the pages, and a region that is not there', () => {
    const tree = createPageTree(hash, [region(4)])
    expect(() => tree.update(0, Uint32Array.of(1, 2), page(1))).toThrow(RangeError)
    expect(() => tree.update(1, Uint32Array.of(1), page(1))).toThrow(RangeError)
  })
})
