import { isDwcpError } from '@dwcp/interface'
import { describe, expect, test } from 'vitest'
import { say, seeded } from '../test/implementations.ts'
import { dictionaryBackend, javaScriptDictionaries, zstdCompressWith, zstdDecompressWith, zstdTrain } from './dictionary.ts'
import { nodeZstd } from './zstd-zlib.ts'

const { canTrain, canEncode, reason } = dictionaryBackend()
if (!canTrain) say(`DICTIONARIES TESTED WITHOUT TRAINING: ${reason}`)

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const next = seeded(11)
const state = (): Uint8Array =>
  bytesOf(
    `{"node":"node-${next() % 5000}","phase":"${['Ready', 'Draining'][next() % 2]}","load":${(next() % 9000) / 100},"rack":"r${next() % 40}"}`,
  )
const samples = Array.from({ length: 800 }, state)
const object = bytesOf('{"node":"node-4711","phase":"Draining","load":17.03,"rack":"r12"}')

// Made by libzstd 1.5.4 from objects like these, and the frame of `object` with it at level 19.
const goldenDictionary = Buffer.from(
  'N6Qw7NdmH1AZEOAK5Qb/////u0FVo0R2d/duB/WN1lprLcMEAAAAVSvNAgAABGCAAACAAgZMyFQcaJYEowAEYgAAAABgTgQAAAAAAAAAAAAABG1h40cuDAAAAAAAAAAAAAAAAAABAAAABAAAAAgAAAAibG9hZCI6NjEuMTIsInJhY2siOiJsb2FkIjoyMy45MywicmFjayI6InIyIn17Im5vZGUiOiJub2RlLTIzODgiLCJwaGFzImxvYWQiOjc4LjU1LCJyYWNrIjoicjE2In17Im5vZGUiOiJub2RlLTE0MjMiLCJwaGEibG9hZCI6MTYuODYsInJhY2siOiJyMjMifXsibm9kZSI6Im5vZGUtMjUxOSIsInBoYSJsb2FkIjo0MC44OCwicmFjayI6InIxIn17Im5vZGUiOiJub2Q=',
  'base64',
)
const goldenFrame = Buffer.from(
  '28b52ffd20414d0100b87b34373131447261696e696e67222c372e30333132227d06c0b003040c7d13287d0e84cd38504005',
  'hex',
)
const twin = javaScriptDictionaries('asked for', undefined)

describe('without the addon', () => {
  test('a frame with a trained dictionary decodes to the same bytes', async () => {
    expect(Buffer.from(await twin.decompress(goldenFrame, goldenDictionary, 1_000)).equals(object)).toBe(true)
  })

  test('frames and dictionaries that are cut off or changed are refused, or give no more than declared', async () => {
    for (let length = 0; length < goldenFrame.length; length += 1) {
      await expect(twin.decompress(goldenFrame.subarray(0, length), goldenDictionary, 1_000)).rejects.toThrow(
        expect.objectContaining({ code: 'ERR_NATIVE_CORRUPT' }),
      )
    }
    const spoilt = async (frame: Uint8Array, dictionary: Uint8Array): Promise<void> => {
      try {
        expect((await twin.decompress(frame, dictionary, object.length)).length).toBe(object.length)
      } catch (error) {
        if (!isDwcpError(error, 'ERR_NATIVE_CORRUPT') && !isDwcpError(error, 'ERR_NATIVE_TOO_LARGE')) throw error
      }
    }
    for (let round = 0; round < 3_000; round += 1) {
      const [frame, dictionary] = [Uint8Array.from(goldenFrame), Uint8Array.from(goldenDictionary)]
      if (round % 2 === 0) frame[next() % frame.length] = next()
      else dictionary[4 + (next() % 160)] = next()
      await spoilt(frame, dictionary)
    }
  })

  test('cannot train, nor encode where Node cannot', async () => {
    await expect(twin.train(samples, 1024)).rejects.toThrow(expect.objectContaining({ code: 'ERR_NATIVE_UNAVAILABLE' }))
    await expect(twin.compress(object, goldenDictionary, 3)).rejects.toThrow(expect.objectContaining({ code: 'ERR_NATIVE_UNAVAILABLE' }))
  })
})

describe.runIf(canEncode)('by the backend of this host', () => {
  test('both sides decode what it encodes, with a trained dictionary and with plain content', async () => {
    const plain = bytesOf('{"node":"node-1","phase":"Ready"}'.repeat(3))
    for (const dictionary of [goldenDictionary, plain]) {
      for (const level of [-5, 1, 3, 12, 19]) {
        const frame = await zstdCompressWith(object, dictionary, { level })
        expect(frame.length).toBeLessThan(object.length)
        for (const back of [
          await zstdDecompressWith(frame, dictionary, { maxBytes: 1_000 }),
          await twin.decompress(frame, dictionary, 1_000),
        ]) {
          expect(Buffer.from(back).equals(object)).toBe(true)
        }
      }
    }
  })

  test('refuses more than the caller allows, and what is no frame', async () => {
    const frame = await zstdCompressWith(object, goldenDictionary)
    await expect(zstdDecompressWith(frame, goldenDictionary, { maxBytes: object.length - 1 })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_NATIVE_TOO_LARGE' }),
    )
    await expect(zstdDecompressWith(object, goldenDictionary, { maxBytes: 10 })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_NATIVE_CORRUPT' }),
    )
  })
})

describe.runIf(canTrain)('training', () => {
  test('gives a dictionary that saves much of a small object, and that everybody decodes', async () => {
    const dictionary = await zstdTrain(samples, { dictionaryBytes: 2048 })
    expect(dictionary.length).toBeLessThanOrEqual(2048)
    for (let round = 0; round < 50; round += 1) {
      const one = state()
      const frame = await zstdCompressWith(one, dictionary, { level: 19 })
      expect(frame.length).toBeLessThan(0.6 * one.length)
      expect(Buffer.from(await twin.decompress(frame, dictionary, 1_000)).equals(one)).toBe(true)
    }
  })

  test('refuses too few samples', async () => {
    await expect(zstdTrain(samples.slice(0, 2))).rejects.toThrow(expect.objectContaining({ code: 'ERR_NATIVE_UNAVAILABLE' }))
    await expect(zstdTrain(samples, { dictionaryBytes: 255 })).rejects.toThrow(RangeError)
  })
})

test('Node encodes with a dictionary where its zlib takes one', async () => {
  const node = nodeZstd()
  const byNode = javaScriptDictionaries('asked for', node)
  if (!byNode.backend.canEncode)
    return expect(byNode.compress(object, goldenDictionary, 3)).rejects.toThrow('zstd encoding with a dictionary')
  const frame = await byNode.compress(object, goldenDictionary, 19)
  expect(Buffer.from(await twin.decompress(frame, goldenDictionary, 1_000)).equals(object)).toBe(true)
})
