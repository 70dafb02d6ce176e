import { expect, test } from 'vitest'
import { createChunkDecoder, createChunkEncoder, createDecoder, createDeltaDecoder, createDeltaEncoder } from './index.ts'
import { untilAborted } from './until-aborted.ts'

async function gathered(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}

/** Gives what it has, tells that it is asked for more, and says nothing for ever. */
function silentAfter(bytes: Uint8Array): { readonly source: AsyncIterable<Uint8Array>; readonly asked: Promise<void> } {
  let tell = (): void => undefined
  const asked = new Promise<void>((resolve) => {
    tell = resolve
  })
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    if (bytes.length > 0) yield bytes
    tell()
    await new Promise(() => undefined)
  }
  return { source: source(), asked }
}

const object = new Uint8Array(10_000).fill(7)
const delta = await gathered(createDeltaEncoder().encode(object))
const chunks = await gathered(createChunkEncoder().encode(object, {}))

const decoders = {
  'a delta decoder': (source: AsyncIterable<Uint8Array>, signal: AbortSignal) => createDeltaDecoder().decode(source, { signal }),
  'a chunk decoder': (source: AsyncIterable<Uint8Array>, signal: AbortSignal) => createChunkDecoder().decode(source, { signal }),
  'a decoder of objects': (source: AsyncIterable<Uint8Array>, signal: AbortSignal) => createDecoder().decode(source, { signal }),
}
const streams = { delta, chunks }

test.each([
  ['a delta decoder', 'delta'],
  ['a chunk decoder', 'chunks'],
  ['a decoder of objects', 'delta'],
  ['a decoder of objects', 'chunks'],
] as const)('%s stops while a peer that sends %s is silent', async (name, kind) => {
  for (const heardBytes of [0, 3, streams[kind].length - 1]) {
    const { source, asked } = silentAfter(streams[kind].subarray(0, heardBytes))
    const stop = new AbortController()
    const decoded = gathered(decoders[name](source, stop.signal))
    await asked
    stop.abort(new Error('enough'))
    await expect(decoded).rejects.toThrow('enough')
  }
})

test('parts come through as they are, and what the source throws too', async () => {
  async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Uint8Array.of(1)
    throw new Error('broken')
  }
  const parts = untilAborted(failing(), new AbortController().signal)[Symbol.asyncIterator]()
  expect(await parts.next()).toEqual({ done: false, value: Uint8Array.of(1) })
  await expect(parts.next()).rejects.toThrow('broken')
})

test('whoever stops early returns the source', async () => {
  let isReturned = false
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield Uint8Array.of(1)
      yield Uint8Array.of(2)
    } finally {
      isReturned = true
    }
  }
  for await (const part of untilAborted(source(), new AbortController().signal)) {
    expect(part).toEqual(Uint8Array.of(1))
    break
  }
  expect(isReturned).toBe(true)
})
