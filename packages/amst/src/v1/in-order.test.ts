import { expect, test } from 'vitest'
import { InOrder } from './in-order.ts'

const OBJECT = Buffer.from(Array.from({ length: 100 }, (_, n) => n))

/** A sink that keeps what it is given, as Node streams may. */
function collecting(): { readonly sink: ConstructorParameters<typeof InOrder>[0]; readonly parts: Uint8Array[] } {
  const parts: Uint8Array[] = []
  const sink = {
    takesBlocks: false,
    write: (_offset: number, bytes: Uint8Array) => void parts.push(bytes),
    commit: async () => undefined,
    abandon: async () => undefined,
  }
  return { sink, parts }
}

test('pieces in any order come out in theirs', async () => {
  const { sink, parts } = collecting()
  const inOrder = new InOrder(sink, 100_000)
  for (const at of [90, 10, 30, 0, 50, 20, 40, 80, 60, 70]) await inOrder.write(at, OBJECT.subarray(at, at + 10))
  expect(OBJECT.equals(Buffer.concat(parts))).toBe(true)
})

test('a piece that is held takes its own length, not that of the read it came with', async () => {
  const { sink, parts } = collecting()
  const inOrder = new InOrder(sink, 100_000)
  const read = Buffer.alloc(65_536)
  await inOrder.write(10, read.subarray(500, 510))
  await inOrder.write(0, read.subarray(0, 10))
  expect(parts.map(({ buffer }) => buffer.byteLength)).toEqual([65_536, 10])
})

test('what finds no room waits until what comes before it has been written, and the next in turn never waits', async () => {
  const { sink, parts } = collecting()
  const inOrder = new InOrder(sink, 2 * (10 + 256))
  await inOrder.write(20, OBJECT.subarray(20, 30))
  await inOrder.write(30, OBJECT.subarray(30, 40))
  const late = inOrder.write(40, OBJECT.subarray(40, 100))
  expect(inOrder.waiting).toBe(1)
  await inOrder.write(0, OBJECT.subarray(0, 20))
  await late
  expect(inOrder.waiting).toBe(0)
  expect(OBJECT.equals(Buffer.concat(parts))).toBe(true)
})

test('a sink that refuses a piece refuses it to whoever brought it', async () => {
  const { sink } = collecting()
  const full = (): never => {
    throw new Error('full')
  }
  const inOrder = new InOrder({ ...sink, write: full }, 1000)
  await expect(inOrder.write(0, OBJECT)).rejects.toThrow('full')
})
