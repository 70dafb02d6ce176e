import type { IncomingObject, MessageTransport, NodeId } from '@dwcp/interface'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bytesOf, noise, once, until } from './transport-probes.js'

/** Transports that can reach one another, as {@link transportCompliance} needs them. */
export interface TransportFixture {
  /** In the order of the names asked for. */
  readonly transports: readonly MessageTransport[]
  close(): Promise<void>
  /** Cuts two off from each other until the result is called. Absent: not tested. */
  readonly partition?: (a: NodeId, b: NodeId) => () => void
}

/** The rules of MessageTransport, as tests. `create` makes a fresh set for each test. */
export function transportCompliance(name: string, create: (ids: readonly NodeId[]) => Promise<TransportFixture>): void {
  const open = async (): Promise<{ a: MessageTransport; b: MessageTransport; c: MessageTransport; fixture: TransportFixture }> => {
    const fixture = await create(['a', 'b', 'c'])
    onTestFinished(() => fixture.close())
    const [a, b, c] = fixture.transports
    if (!a || !b || !c) throw new TypeError('create() must make one transport for each name')
    return { a, b, c, fixture }
  }
  const bulk = { class: 'bulk' } as const
  const discard = async (_from: unknown, object: IncomingObject): Promise<void> => void (await bytesOf(object))

  describe(`${name}: messages`, () => {
    test('arrive once and in order on each channel, with the name of their sender', async () => {
      const { a, b, c } = await open()
      const got: string[] = []
      for (const channel of ['x', 'y']) b.receive(channel, (from, payload) => got.push(`${from.nodeId} ${channel} ${payload[0]}`))
      for (let n = 0; n < 200; n += 1)
        for (const from of [a, c]) for (const channel of ['x', 'y']) expect(from.send('b', channel, Uint8Array.of(n))).toBe(true)
      await until(() => got.length >= 800)
      for (const flow of ['a x', 'a y', 'c x', 'c y']) {
        expect(got.filter((line) => line.startsWith(`${flow} `))).toEqual(Array.from({ length: 200 }, (_, n) => `${flow} ${n}`))
      }
      expect(got).toHaveLength(800)
    })

    test('are each receiver’s to keep and to change', async () => {
      const { a, b, c } = await open()
      const payload = Uint8Array.of(1, 2, 3)
      const got: number[][] = []
      for (const receiver of [b, c]) {
        receiver.receive('x', (_from, bytes) => {
          got.push([...bytes])
          bytes.fill(0)
        })
      }
      a.send('b', 'x', payload)
      await until(() => got.length === 1)
      a.send('c', 'x', payload)
      await until(() => got.length === 2)
      expect(got).toEqual([
        [1, 2, 3],
        [1, 2, 3],
      ])
    })

    test('may be as long as maxMessageBytes and not a byte longer', async () => {
      const { a, b } = await open()
      const longest = noise(a.maxMessageBytes)
      const arrived = once<Uint8Array>((resolve) => b.receive('x', (_from, payload) => resolve(payload)))
      expect(() => a.send('b', 'x', new Uint8Array(a.maxMessageBytes + 1))).toThrow(RangeError)
      expect(a.send('b', 'x', longest)).toBe(true)
      expect(Buffer.compare(await arrived, longest)).toBe(0)
    })

    test('are dropped past a bound, at once, and flow again afterwards', async () => {
      const { a, b } = await open()
      let received = 0
      b.receive('x', () => {
        received += 1
      })
      const payload = new Uint8Array(Math.min(65_536, a.maxMessageBytes))
      let accepted = 0
      while (accepted < 100_000 && a.send('b', 'x', payload)) accepted += 1
      expect(accepted).toBeGreaterThan(0)
      expect(accepted).toBeLessThan(100_000)
      await until(() => received === accepted)
      expect(a.send('b', 'x', payload)).toBe(true)
    })

    test('are never delivered after they expired', async () => {
      const { a, b } = await open()
      const got: number[] = []
      b.receive('x', (_from, payload) => got.push(payload[0] ?? -1))
      a.send('b', 'x', Uint8Array.of(1), { expiresAtMs: Date.now() - 1 })
      a.send('b', 'x', Uint8Array.of(2), { expiresAtMs: Date.now() + 60_000 })
      await until(() => got.length > 0)
      expect(got).toEqual([2])
    })

    test('have one receiver for a channel, until it is disposed of', async () => {
      const { b } = await open()
      const receiver = b.receive('x', () => undefined)
      expect(() => b.receive('x', () => undefined)).toThrow(RangeError)
      receiver[Symbol.dispose]()
      b.receive('x', () => undefined)
      b.receiveObject('x', discard)
      expect(() => b.receiveObject('x', discard)).toThrow(RangeError)
    })

    test('to oneself are a mistake', async () => {
      const { a } = await open()
      expect(() => a.send('a', 'x', Uint8Array.of(1))).toThrow(RangeError)
    })
  })

  describe(`${name}: datagrams`, () => {
    test('are taken whether they are offered or not, and arrive at most once', async () => {
      const { a, b, c } = await open()
      const got: string[] = []
      b.receive('x', (from, payload) => got.push(`${from.nodeId} ${payload.byteLength}`))
      const lengthBytes = a.maxDatagramBytes > 0 ? a.maxDatagramBytes : 1000
      for (const from of [a, c]) expect(from.send('b', 'x', noise(lengthBytes), { datagram: true })).toBe(true)
      // Sent again as messages, which arrive: a datagram may be lost.
      for (const from of [a, c]) expect(from.send('b', 'x', noise(1))).toBe(true)
      await until(() => got.includes('a 1') && got.includes('c 1'))
      for (const from of ['a', 'c']) expect(got.filter((line) => line === `${from} ${lengthBytes}`).length).toBeLessThanOrEqual(1)
    })

    test('past maxDatagramBytes are a mistake where they are offered', async ({ skip }) => {
      const { a } = await open()
      if (a.maxDatagramBytes === 0) return skip('this transport offers none')
      expect(a.maxDatagramBytes).toBeLessThanOrEqual(a.maxMessageBytes)
      expect(() => a.send('b', 'x', noise(a.maxDatagramBytes + 1), { datagram: true })).toThrow(RangeError)
    })
  })

  describe(`${name}: objects`, () => {
    test.each([
      ['empty', 0],
      ['of one byte', 1],
      ['of 20 MB', 20_000_001],
    ])('%s arrive whole, with a digest of their bytes', async (_size, lengthBytes) => {
      const { a, b } = await open()
      const bytes = noise(lengthBytes)
      const arrived: { from: string; announced: number | undefined; bytes: Buffer }[] = []
      b.receiveObject('x', async (from, object) => {
        arrived.push({ from: from.nodeId, announced: object.lengthBytes, bytes: await bytesOf(object) })
      })
      const progress: number[] = []
      const receipt = await a.sendObject('b', 'x', bytes, { ...bulk, onProgress: ({ ackedBytes }) => progress.push(ackedBytes) })
      expect(arrived[0]).toMatchObject({ from: 'a', announced: lengthBytes })
      expect(arrived[0]?.bytes.equals(bytes)).toBe(true)
      expect(receipt).toMatchObject({ lengthBytes, digest: expect.stringMatching(/^[a-z0-9-]+:[0-9a-f]{32,}$/) })
      expect(progress).toEqual(progress.toSorted((x, y) => x - y))
      expect(progress.at(-1) ?? 0).toBe(lengthBytes)
      const other = Uint8Array.of(...bytes.subarray(0, 10), 99)
      expect((await a.sendObject('b', 'x', other, bulk)).digest).not.toBe(receipt.digest)
      expect((await a.sendObject('b', 'x', bytes, bulk)).digest).toBe(receipt.digest)
    })

    test('of a length that is not known arrive as they are made, before the source ends', async () => {
      const { a, b } = await open()
      let goOn = (): void => undefined
      const seen = new Promise<void>((resolve) => {
        goOn = resolve
      })
      let announced: number | undefined = -1
      b.receiveObject('x', async (_from, object) => {
        announced = object.lengthBytes
        for await (const piece of object.stream) if (piece.byteLength > 0) goOn()
      })
      const receipt = await a.sendObject('b', 'x', { stream: live(seen) }, bulk)
      expect(receipt.lengthBytes).toBe(7)
      expect(announced).toBeUndefined()
    })

    test('travel many at once', async () => {
      const { a, b } = await open()
      let arrivedBytes = 0
      b.receiveObject('x', async (_from, object) => {
        const bytes = await bytesOf(object)
        arrivedBytes += bytes.byteLength
      })
      const sizes = Array.from({ length: 32 }, (_, n) => n * 10_007)
      const receipts = await Promise.all(sizes.map((size) => a.sendObject('b', 'x', noise(size), bulk)))
      expect(receipts.map((receipt) => receipt.lengthBytes)).toEqual(sizes)
      expect(arrivedBytes).toBe(sizes.reduce((sum, size) => sum + size, 0))
    })

    test('are rejected with what the receiver threw', async () => {
      const { a, b } = await open()
      b.receiveObject('x', () => Promise.reject(new Error('the disk is full')))
      await expect(a.sendObject('b', 'x', noise(3_000_000), bulk)).rejects.toMatchObject({
        code: 'ERR_AMST_REJECTED',
        message: expect.stringContaining('the disk is full'),
      })
    })

    test('are rejected where the receiver leaves bytes unread', async () => {
      const { a, b } = await open()
      b.receiveObject('x', async (_from, object) => {
        for await (const piece of object.stream) if (piece.byteLength > 0) return
      })
      await expect(a.sendObject('b', 'x', noise(3_000_000), bulk)).rejects.toMatchObject({ code: 'ERR_AMST_REJECTED' })
    })

    test('on a channel without receiver are refused', async () => {
      const { a } = await open()
      await expect(a.sendObject('b', 'nobody', noise(10), bulk)).rejects.toMatchObject({ code: 'ERR_AMST_REJECTED' })
    })

    test('end on both sides when the sender cancels', async () => {
      const { a, b } = await open()
      const cancel = new AbortController()
      const reason = new Error('changed my mind')
      const broken = once<unknown>((resolve) => {
        b.receiveObject('x', async (_from, object) => {
          try {
            for await (const piece of object.stream) if (piece.byteLength > 0) cancel.abort(reason)
          } catch (error) {
            resolve(error)
            throw error
          }
        })
      })
      await expect(a.sendObject('b', 'x', { stream: endless() }, { ...bulk, signal: cancel.signal })).rejects.toBe(reason)
      await expect(broken).resolves.toMatchObject({ code: 'ERR_AMST_CANCELLED' })
      await expect(a.sendObject('b', 'x', noise(1), { ...bulk, signal: cancel.signal })).rejects.toBe(reason)
    })

    test('end on both sides when the source throws', async () => {
      const { a, b } = await open()
      const broken = once<unknown>((resolve) => {
        b.receiveObject('x', async (_from, object) => {
          await bytesOf(object).catch(resolve)
        })
      })
      await expect(a.sendObject('b', 'x', { stream: breaking() }, bulk)).rejects.toThrow('the source broke')
      await expect(broken).resolves.toMatchObject({ code: 'ERR_AMST_CANCELLED' })
    })

    test.each([4, 6])('whose source does not give the 5 bytes it announced but %i are not sent', async (given) => {
      const { a, b } = await open()
      b.receiveObject('x', discard)
      await expect(a.sendObject('b', 'x', { lengthBytes: 5, stream: pieces([given]) }, bulk)).rejects.toMatchObject({
        code: 'ERR_AMST_SOURCE_LENGTH',
      })
    })

    test('wait for a slow reader, and others do not wait with them', async () => {
      const { a, b } = await open()
      let givenBytes = 0
      const counted = async function* (): AsyncGenerator<Uint8Array> {
        for (let n = 0; n < 256; n += 1) {
          givenBytes += 1_048_576
          yield noise(1_048_576)
        }
      }
      let release = (): void => undefined
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const started = once<void>((resolve) => {
        b.receiveObject('slow', async (_from, object) => {
          for await (const piece of object.stream) {
            if (piece.byteLength > 0) resolve()
            await released
          }
        })
      })
      b.receiveObject('fast', discard)
      const stop = new AbortController()
      const slow = a.sendObject('b', 'slow', { stream: counted() }, { ...bulk, signal: stop.signal })
      await started
      const told = once<void>((resolve) => b.receive('m', () => resolve()))
      expect(a.send('b', 'm', Uint8Array.of(1))).toBe(true)
      await told
      await a.sendObject('b', 'fast', noise(10_000_000), bulk)
      expect(givenBytes).toBeLessThanOrEqual(64 * 1_048_576)
      stop.abort(new Error('enough'))
      await expect(slow).rejects.toThrow('enough')
      release()
    })
  })

  describe(`${name}: peers`, () => {
    test('are up for both sides after the first message, and first of all for a later watcher', async () => {
      const { a, b } = await open()
      const changes = a.peers()[Symbol.asyncIterator]()
      const arrived = once<void>((resolve) => b.receive('x', () => resolve()))
      a.send('b', 'x', Uint8Array.of(1))
      expect((await changes.next()).value).toMatchObject({ kind: 'up', peer: { nodeId: 'b' } })
      await arrived
      expect((await b.peers()[Symbol.asyncIterator]().next()).value).toMatchObject({ kind: 'up', peer: { nodeId: 'a' } })
    })

    test('end with the signal', async () => {
      const { a } = await open()
      const stop = new AbortController()
      const step = a.peers({ signal: stop.signal })[Symbol.asyncIterator]().next()
      stop.abort()
      expect((await step).done).toBe(true)
    })

    test('that are cut off go down, break what is under way, and come back', async ({ skip }) => {
      const { a, b, fixture } = await open()
      if (!fixture.partition) return skip('this fixture cannot cut links')
      const { partition } = fixture
      const changes = a.peers()[Symbol.asyncIterator]()
      const up = changes.next()
      // Once: pieces that were already there may still be read after the link has come back.
      let heal: (() => void) | undefined
      b.receiveObject('x', async (_from, object) => {
        for await (const piece of object.stream) if (piece.byteLength > 0) heal ??= partition('a', 'b')
      })
      const order: string[] = []
      b.receive('m', (_from, payload) => order.push(`got ${payload[0]}`))
      await expect(a.sendObject('b', 'x', { stream: endless() }, bulk)).rejects.toMatchObject({
        code: 'ERR_AMST_PEER_LOST',
        retryable: true,
      })
      expect((await up).value).toMatchObject({ kind: 'up' })
      expect((await changes.next()).value).toMatchObject({ kind: 'down', peer: { nodeId: 'b' }, reason: expect.any(String) })
      heal?.()
      expect((await changes.next()).value).toMatchObject({ kind: 'up', peer: { nodeId: 'b' } })
      expect(a.send('b', 'm', Uint8Array.of(5))).toBe(true)
      await until(() => order.length > 0)
      expect(order).toEqual(['got 5'])
    })
  })
}

async function* live(goOn: Promise<void>): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(1, 2, 3)
  await goOn
  yield Uint8Array.of(4, 5, 6, 7)
}

async function* endless(): AsyncGenerator<Uint8Array> {
  // Until the transport stops pulling.
  for (;;) yield noise(100_000)
}

async function* breaking(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(1)
  throw new Error('the source broke')
}

async function* pieces(sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield noise(size)
}
