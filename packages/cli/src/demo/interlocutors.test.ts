import { simulation } from '@dwcp/core'
import { describe, expect, test } from 'vitest'
import { createChainInterlocutor } from './chain-interlocutor.js'
import { createLedgerInterlocutor } from './ledger-interlocutor.js'
import { createMemoryInterlocutor } from './memory-interlocutor.js'

/** An answer of the hash chain. */
function chainReply(links: number, head: number, former: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(24))
  view.setFloat64(0, links, true)
  view.setUint32(8, head, true)
  view.setUint32(12, former, true)
  return new Uint8Array(view.buffer)
}

function memoryReply(filled: number, written: number, checksum = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(32))
  view.setFloat64(0, filled, true)
  view.setFloat64(8, written, true)
  view.setUint32(16, checksum, true)
  return new Uint8Array(view.buffer)
}

function number(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value)
  return bytes
}

const DONE = Uint8Array.of(0)
const ABSENT = Uint8Array.of(1)
const differs = (value: number): Uint8Array => Uint8Array.of(2, ...number(value))
const quiet = (): void => undefined

describe('the chain', () => {
  test('is right at its beginning, and wrong where its last link is another', () => {
    expect(createChainInterlocutor().judge(chainReply(0, 0x243f6a88, 0x85a308d3))).toBe('right')
    expect(createChainInterlocutor().judge(chainReply(1000, 1, 2))).toBe('wrong')
  })

  test('has gone back when it is shorter than before', () => {
    const chain = createChainInterlocutor()
    chain.judge(chainReply(1000, 1, 2))
    expect(chain.judge(chainReply(999, 1, 2))).toBe('repeated')
  })

  test('is not verified by another last link', async () => {
    const proof = await createChainInterlocutor().verify(async () => chainReply(10, 1, 2), quiet)
    expect(proof).toEqual({ verified: false, text: '10 links recomputed here: another last link' })
  })
})

describe('the ledger', () => {
  test('counts what was done, and sees what was done twice, lost, or never there', () => {
    const ledger = createLedgerInterlocutor(0)
    expect([ledger.judge(DONE), ledger.judge(DONE), ledger.judge(DONE)]).toEqual(['right', 'right', 'right'])
    expect(ledger.judge(differs(4))).toBe('repeated')
    expect(ledger.judge(differs(3))).toBe('wrong')
    expect(ledger.judge(ABSENT)).toBe('wrong')
  })

  test('is verified when the number is the count of raises', async () => {
    const ledger = createLedgerInterlocutor(0)
    ledger.judge(DONE)
    expect(await ledger.verify(async () => Uint8Array.of(0, ...number(1)), quiet)).toMatchObject({ verified: true })
    expect(await ledger.verify(async () => Uint8Array.of(0, ...number(2)), quiet)).toMatchObject({ verified: false })
    expect(await ledger.verify(async () => ABSENT, quiet)).toMatchObject({ verified: false })
  })

  test('is not verified when a value beside it has changed', async () => {
    const ledger = createLedgerInterlocutor(64 * 1024)
    const stored: Uint8Array[] = []
    await ledger.prepare(async (request) => {
      stored.push(request.slice(3 + 'value-0'.length))
      return DONE
    }, quiet)
    expect(stored).toHaveLength(2)
    const answers = (second: Uint8Array) => {
      const values = [number(0), stored[0], second]
      return async () => Uint8Array.of(0, ...(values.shift() ?? []))
    }
    const right = stored[1] ?? new Uint8Array()
    expect(await ledger.verify(answers(right), quiet)).toMatchObject({ verified: true })
    expect(await ledger.verify(answers(right.with(100, (right[100] ?? 0) ^ 1)), quiet)).toMatchObject({ verified: false })
  })
})

describe('the memory', () => {
  const shape = { pages: 300, changingPages: 100, pagesPerSecond: 10, seed: 1, randomWords: 8 }
  const check = (written: number, spoil: boolean) => async (request: Uint8Array) => {
    const view = new DataView(request.buffer, request.byteOffset)
    const [first, count] = [view.getUint32(1, true), view.getUint32(5, true)]
    return memoryReply(300, written, simulation.expectedChecksum(shape, first, count, written) ^ (spoil && first === 0 ? 1 : 0))
  }

  test('is verified page by page, and not when one page is another', async () => {
    const done: number[] = []
    expect(await createMemoryInterlocutor(shape).verify(check(50, false), (bytes) => done.push(bytes))).toEqual({
      verified: true,
      text: '300 of 300 pages hold what they must after 50 rewrites',
    })
    expect(done).toEqual([256 * 4096, 300 * 4096])
    expect(await createMemoryInterlocutor(shape).verify(check(50, true), quiet)).toEqual({
      verified: false,
      text: '44 of 300 pages hold what they must after 50 rewrites',
    })
  })

  test('has gone back when fewer rewrites are counted, and is wrong when pages are missing', () => {
    const memory = createMemoryInterlocutor(shape)
    expect([memory.judge(memoryReply(300, 10)), memory.judge(memoryReply(300, 9)), memory.judge(memoryReply(299, 11))]).toEqual([
      'right',
      'repeated',
      'wrong',
    ])
  })
})
