import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFrameQueue } from './frame-queue.ts'
import { frameHeader, unframed } from './state-stream.ts'

const framed = (frame: Uint8Array): Uint8Array => Buffer.concat([frameHeader(frame), frame])

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const cut of cuts) {
    yield bytes.subarray(at, at + cut)
    at = Math.min(bytes.length, at + cut)
  }
  yield bytes.subarray(at)
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for await (const each of stream) all.push(Uint8Array.from(each))
  return all
}

describe('the state stream', () => {
  test('gives back the frames, however the stream was cut', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), fc.array(fc.nat(20)), async (frames, cuts) => {
        expect(await collect(unframed(pieces(Buffer.concat(frames.map(framed)), cuts), 50))).toEqual(frames)
      }),
    ))

  test('refuses a frame past the limit before it holds it, and takes one at the limit', async () => {
    expect(await collect(unframed(pieces(framed(new Uint8Array(50)), []), 50))).toHaveLength(1)
    await expect(collect(unframed(pieces(framed(new Uint8Array(51)).subarray(0, 4), []), 50))).rejects.toMatchObject({
      code: 'ERR_MIGRATION_PROTOCOL',
    })
  })

  test('notices a stream that ends inside a frame, wherever', async () => {
    const whole = Buffer.concat([framed(Uint8Array.of(1, 2, 3)), framed(Uint8Array.of(4))])
    for (let length = 1; length < whole.length; length++) {
      if (length === 7) continue
      await expect(collect(unframed(pieces(whole.subarray(0, length), []), 50))).rejects.toMatchObject({ code: 'ERR_MIGRATION_PROTOCOL' })
    }
  })
})

describe('the frame queue', () => {
  test('makes the writer wait while it is full, and gives frames in order', async () => {
    const queue = createFrameQueue(10)
    const written: number[] = []
    const writer = (async () => {
      for (let i = 0; i < 5; i++) {
        await queue.push(new Uint8Array(8).fill(i))
        written.push(i)
      }
      queue.end()
    })()
    await new Promise((resolve) => setImmediate(resolve))
    expect(written).toEqual([0])
    expect((await collect(queue)).map((frame) => frame[0])).toEqual([0, 1, 2, 3, 4])
    await writer
    expect(queue.pushedBytes).toBe(40)
  })

  test('passes a failure on to both ends', async () => {
    const queue = createFrameQueue(10)
    await queue.push(new Uint8Array(4))
    const waiting = queue.push(new Uint8Array(40))
    queue.fail(new Error('broken'))
    await expect(waiting).rejects.toThrow('broken')
    await expect(queue.push(new Uint8Array(1))).rejects.toThrow('broken')
    await expect(collect(queue)).rejects.toThrow('broken')
  })

  test('stops the writer when the reader leaves', async () => {
    const queue = createFrameQueue(10)
    await queue.push(new Uint8Array(4))
    for await (const _ of queue) break
    await expect(queue.push(new Uint8Array(1))).rejects.toThrow('stopped reading')
  })
})
