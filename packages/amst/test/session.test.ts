import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type AmstLimits,
  type ConnectOptions,
  connect,
  type IncomingTransfer,
  type ListenOptions,
  listen,
  type Session,
} from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { until } from './pair.ts'

const authority = await createAuthority()
const securities: Record<string, (name: string) => Promise<Pick<ListenOptions, 'tls' | 'plaintext'>>> = {
  plaintext: async () => ({ plaintext: true }),
  'TLS 1.3': async (name) => ({ tls: await authority.credentials(name) }),
}

interface Pair {
  readonly a: Session
  readonly b: Session
}

async function pair(security: string, options: { streams?: number; limits?: Partial<AmstLimits> } = {}): Promise<Pair> {
  const secure = securities[security] ?? Promise.reject
  const limits = options.limits ?? {}
  const server = await listen({ nodeId: 'b', ...(await secure('b')), limits })
  const dialling: ConnectOptions = { nodeId: 'a', ...(await secure('a')), limits, streams: options.streams ?? 4 }
  const a = await connect(server.address, dialling)
  const accepted = await server[Symbol.asyncIterator]().next()
  onTestFinished(() => {
    a.destroy()
    server.destroy()
  })
  return { a, b: accepted.value }
}

async function first(session: Session): Promise<IncomingTransfer> {
  for await (const transfer of session.incoming) return transfer
  throw new Error('the session ended')
}

async function bytesOf(transfer: { stream: AsyncIterable<Uint8Array> }): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of transfer.stream) parts.push(part)
  return Buffer.concat(parts)
}

describe.each(Object.keys(securities))('a session over %s', (security) => {
  test.each([1, 4])('carries an object over %i streams, and the receipt comes after the receiver completed it', async (streams) => {
    const { a, b } = await pair(security, { streams })
    const bytes = randomBytes(10_000_003)
    const order: string[] = []
    const sending = a.send(bytes, { name: 'disk', metadata: Uint8Array.of(1, 2), class: 'migration' }).then((receipt) => {
      order.push('receipt')
      return receipt
    })
    const transfer = await first(b)
    expect(transfer).toMatchObject({ name: 'disk', class: 'migration', lengthBytes: bytes.byteLength })
    expect([...transfer.metadata]).toEqual([1, 2])
    expect(bytes.equals(await bytesOf(transfer))).toBe(true)
    await new Promise(setImmediate)
    order.push('complete')
    transfer.complete()
    expect((await sending).lengthBytes).toBe(bytes.byteLength)
    expect(order).toEqual(['complete', 'receipt'])
    expect(a.stats()).toMatchObject({
      peer: 'b',
      security: security === 'plaintext' ? 'plaintext' : 'tls1.3',
      objectsSent: 1,
      objectsOpen: 0,
    })
  })

  test('answers requests and passes notifications in order', async () => {
    const { a, b } = await pair(security)
    const got: number[] = []
    b.handle('echo', async (payload) => payload)
    b.handle('n', async (payload) => void got.push(payload[0] ?? -1))
    for (let n = 0; n < 100; n += 1) expect(a.notify('n', Uint8Array.of(n))).toBe(true)
    expect([...(await a.request('echo', Uint8Array.of(7)))]).toEqual([7])
    expect(got).toEqual(Array.from({ length: 100 }, (_, n) => n))
    await expect(a.request('nobody', new Uint8Array(0))).rejects.toMatchObject({
      code: 'ERR_AMST_REQUEST_FAILED',
      details: { peerCode: 'ERR_AMST_NO_HANDLER' },
    })
  })

  test('reports progress, and a callback that throws ends its object only', async () => {
    const { a, b } = await pair(security)
    b.handle('echo', async (payload) => payload)
    const seen: number[] = []
    const sending = a.send(randomBytes(9_000_000), { onProgress: ({ ackedBytes }) => void seen.push(ackedBytes) })
    const transfer = await first(b)
    await bytesOf(transfer)
    transfer.complete()
    await sending
    expect(seen.length).toBeGreaterThan(1)
    expect(seen.at(-1)).toBe(9_000_000)
    const mistake = new Error('a mistake')
    const broken = a.send(randomBytes(9_000_000), {
      onProgress: () => {
        throw mistake
      },
    })
    const ended = broken.catch((error: unknown) => error)
    const other = await bytesOf(await first(b)).catch((error: unknown) => error)
    expect(await ended).toBe(mistake)
    expect(other).toMatchObject({ code: 'ERR_AMST_CANCELLED' })
    expect([...(await a.request('echo', Uint8Array.of(3)))]).toEqual([3])
  })

  test('rejects an object with the receiver’s code, and a request with its timeout or signal', async () => {
    const { a, b } = await pair(security)
    const sending = a.send(randomBytes(100)).catch((error: unknown) => error)
    const transfer = await first(b)
    expect(() => transfer.complete()).toThrow(expect.objectContaining({ code: 'ERR_AMST_INCOMPLETE' }))
    transfer.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
    expect(await sending).toMatchObject({
      code: 'ERR_AMST_REJECTED',
      details: { peerCode: 'ENOSPC' },
      message: expect.stringContaining('no space'),
    })
    b.handle('never', () => new Promise(() => undefined))
    b.handle('throws', () => Promise.reject(Object.assign(new Error('not now'), { code: 'ERR_APP_BUSY' })))
    await expect(a.request('never', new Uint8Array(0), { timeoutMs: 20 })).rejects.toMatchObject({ code: 'ERR_AMST_TIMEOUT' })
    const stop = new AbortController()
    const waiting = a.request('never', new Uint8Array(0), { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(a.request('throws', new Uint8Array(0))).rejects.toMatchObject({
      code: 'ERR_AMST_REQUEST_FAILED',
      details: { peerCode: 'ERR_APP_BUSY' },
    })
    expect(() => a.request('never', new Uint8Array(1_048_577))).toThrow(RangeError)
  })

  test('takes as many objects at once as the peer allows, and one more is refused here', async () => {
    const { a, b } = await pair(security, { limits: { openObjects: 3 } })
    const sending = [1, 2, 3].map((n) => a.send(Uint8Array.of(n)))
    await expect(a.send(Uint8Array.of(4))).rejects.toMatchObject({ code: 'ERR_AMST_LIMIT', retryable: true })
    for (const _each of sending) {
      const transfer = await first(b)
      await bytesOf(transfer)
      transfer.complete()
    }
    expect((await Promise.all(sending)).map((receipt) => receipt.lengthBytes)).toEqual([1, 1, 1])
  })

  test('ends on both sides after close(), without an error', async () => {
    const { a, b } = await pair(security)
    await a.close()
    expect(await a.closed).toBeUndefined()
    expect(await b.closed).toBeUndefined()
  })
})

test('the number of streams follows what is wanted while the session is open, and no byte is lost', async () => {
  let wanted = 4
  const server = await listen({ nodeId: 'b', plaintext: true })
  const a = await connect(server.address, { nodeId: 'a', plaintext: true, streams: () => wanted })
  const accepted = await server[Symbol.asyncIterator]().next()
  onTestFinished(() => {
    a.destroy()
    server.destroy()
  })
  const b: Session = accepted.value
  const receiving = (async () => {
    const digests: string[] = []
    for await (const transfer of b.incoming) {
      const hash = createHash('sha256')
      for await (const piece of transfer.stream) hash.update(piece)
      transfer.complete()
      digests.push(hash.digest('hex'))
      if (digests.length === 3) return digests
    }
    return digests
  })()
  const bytes = randomBytes(3_000_000)
  for (const count of [4, 16, 2]) {
    wanted = count
    await until(() => a.stats().streams.length === count && b.stats().streams.length === count)
    await a.send(bytes)
  }
  const digest = createHash('sha256').update(bytes).digest('hex')
  expect(await receiving).toEqual([digest, digest, digest])
})
