import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SpareBuffers } from './spare-buffers.js'

const LENGTH_BYTES = 8

test('a buffer has one holder at a time, comes back into use, and no more are kept than was said', () => {
  const steps = fc.array(fc.record({ takes: fc.boolean(), which: fc.nat(), twice: fc.boolean() }), { maxLength: 60 })
  fc.assert(
    fc.property(steps, fc.nat(4), (actions, mostSpare) => {
      const buffers = new SpareBuffers(LENGTH_BYTES, mostSpare)
      const held: ArrayBuffer[] = []
      const spare = new Set<ArrayBuffer>()
      for (const { takes, which, twice } of actions) {
        if (takes) {
          const expected = spare.size
          const taken = buffers.take()
          expect(taken.byteLength).toBe(LENGTH_BYTES)
          expect(held).not.toContain(taken)
          expect(spare.delete(taken)).toBe(expected > 0)
          held.push(taken)
          continue
        }
        for (const given of held.splice(which % Math.max(1, held.length), 1)) {
          buffers.giveBack(given)
          if (twice) buffers.giveBack(given)
          if (spare.size < mostSpare) spare.add(given)
        }
      }
    }),
  )
})

test('what is of another length, has moved elsewhere or is shared is not taken back', () => {
  const buffers = new SpareBuffers(LENGTH_BYTES, 4)
  const moved = buffers.take()
  structuredClone(moved, { transfer: [moved] })
  for (const buffer of [moved, new ArrayBuffer(LENGTH_BYTES + 1), new SharedArrayBuffer(LENGTH_BYTES)]) {
    buffers.giveBack(buffer)
    const next = buffers.take()
    expect(next).not.toBe(buffer)
    expect(next).toBeInstanceOf(ArrayBuffer)
    expect(next.byteLength).toBe(LENGTH_BYTES)
  }
})
