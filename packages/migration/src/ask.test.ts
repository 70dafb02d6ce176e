import { createMemoryNetwork } from '@dwcp/compliance'
import { DwcpError, type NodeId, systemClock } from '@dwcp/interface'
import { encode } from '@msgpack/msgpack'
import { afterEach, describe, expect, test } from 'vitest'
import { type Asker, createAsker } from './ask.ts'

const open: Asker[] = []
afterEach(() => {
  for (const asker of open.splice(0)) asker[Symbol.dispose]()
})

function pair(answer: (from: NodeId, question: unknown) => Promise<unknown>): {
  network: ReturnType<typeof createMemoryNetwork>
  asker: Asker
} {
  const network = createMemoryNetwork()
  const options = { channel: 'q', clock: systemClock, resendMs: 10 }
  const asker = createAsker({ ...options, transport: network.transport('a'), answer: async () => 'a answers' })
  const answerer = createAsker({ ...options, transport: network.transport('b'), answer })
  open.push(asker, answerer)
  return { network, asker }
}

describe('asking', () => {
  test('brings back what the other side answers', async () => {
    const { asker } = pair(async (from, question) => ({ from, question }))
    expect(await asker.ask('b', { n: 1 }, { timeoutMs: 1000 })).toEqual({ from: 'a', question: { n: 1 } })
  })

  test('brings back why the other side refuses', async () => {
    const { asker } = pair(() => Promise.reject(new Error('not today')))
    await expect(asker.ask('b', 1, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'ERR_MIGRATION_REFUSED', message: 'not today' })
  })

  test('asks again until a lost question arrives, and the other side answers once', async () => {
    let answered = 0
    const { network, asker } = pair(async () => ++answered)
    network.cut('a', 'b')
    const answer = asker.ask('b', 1, { timeoutMs: 5000 })
    await new Promise((resolve) => setTimeout(resolve, 30))
    network.heal('a', 'b')
    expect(await answer).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(answered).toBe(1)
  })

  test('does not run a slow answer twice, however often it is asked', async () => {
    let asked = 0
    const { asker } = pair(async () => {
      asked++
      await new Promise((resolve) => setTimeout(resolve, 60))
      return asked
    })
    expect(await asker.ask('b', 1, { timeoutMs: 1000 })).toBe(1)
  })

  test('gives up after its time, saying who did not answer', async () => {
    const { asker } = pair(() => new Promise(() => undefined))
    await expect(asker.ask('b', 1, { timeoutMs: 40 })).rejects.toMatchObject({
      code: 'ERR_MIGRATION_UNANSWERED',
      retryable: true,
      details: { peer: 'b' },
    })
  })

  test('ends with its signal, and when this side closes', async () => {
    const { asker } = pair(() => new Promise(() => undefined))
    const abort = new AbortController()
    const first = asker.ask('b', 1, { timeoutMs: 1000, signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    await expect(asker.ask('b', 1, { timeoutMs: 1000, signal: abort.signal })).rejects.toThrow('enough')
    const second = asker.ask('b', 1, { timeoutMs: 1000 })
    asker[Symbol.dispose]()
    await expect(second).rejects.toMatchObject({ code: 'ERR_MIGRATION_CLOSED' })
  })

  test('ignores what is no message, and answers from one who was not asked', async () => {
    const { network, asker } = pair(async () => 'right')
    const stranger = network.transport('c')
    const answer = asker.ask('b', 1, { timeoutMs: 1000 })
    for (const bytes of [
      Uint8Array.of(0xc1),
      encode({ kind: 'answer', id: 7 }),
      encode('x'),
      encode({ kind: 'answer', id: 'x', body: 'wrong', more: 1 }),
    ])
      stranger.send('a', 'q', bytes)
    expect(await answer).toBe('right')
  })

  test('says so when an answer is too long to be sent', async () => {
    const { asker } = pair(async () => new Uint8Array(2 << 20))
    await expect(asker.ask('b', 1, { timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'ERR_MIGRATION_REFUSED',
      message: 'the answer is too long to be sent',
    })
  })

  test('rejects a question that cannot be sent at once, and leaves no timer that throws later', async () => {
    const timers: (() => void)[] = []
    const clock = {
      ...systemClock,
      after: (_delayMs: number, callback: () => void) => (timers.push(callback), { [Symbol.dispose]: () => undefined }),
    }
    const transport = createMemoryNetwork().transport('a')
    const asker = createAsker({ transport, channel: 'q', clock, answer: async () => 1 })
    open.push(asker)
    await expect(asker.ask('b', new Uint8Array(2 << 20), { timeoutMs: 10 })).rejects.toThrow(RangeError)
    await expect(asker.ask('a', 1, { timeoutMs: 10 })).rejects.toThrow(RangeError)
    for (const callback of timers) callback()
  })

  test('tells what kind of refusal it was', async () => {
    const { asker } = pair(() => Promise.reject(new DwcpError('ERR_MIGRATION_BUSY', 'full', { retryable: true })))
    await expect(asker.ask('b', 1, { timeoutMs: 1000 })).rejects.toMatchObject({
      retryable: true,
      details: { peerCode: 'ERR_MIGRATION_BUSY' },
    })
  })

  test('answers a bounded number of questions at once, of one peer and of all, and none of them twice', async () => {
    const network = createMemoryNetwork()
    const asked: string[] = []
    const limits = { maxRemembered: 5, maxAnsweringPerPeer: 3 }
    open.push(
      createAsker({
        transport: network.transport('b'),
        channel: 'q',
        clock: systemClock,
        answer: (from, question) => {
          asked.push(`${from}${String(question)}`)
          return new Promise(() => undefined)
        },
        ...limits,
      }),
    )
    for (const name of ['x', 'y']) {
      const peer = network.transport(name)
      for (let n = 0; n < 12; n++) peer.send('b', 'q', encode({ kind: 'ask', id: `${n % 6}`, body: n % 6 }))
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(asked).toEqual(['x0', 'x1', 'x2', 'y0', 'y1'])
  })

  test('asks nothing any more once it is closed', async () => {
    const { asker } = pair(async () => 1)
    asker[Symbol.dispose]()
    await expect(asker.ask('b', 1, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'ERR_MIGRATION_CLOSED' })
  })
})
