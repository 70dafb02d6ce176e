import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type AmstLimits, type ConnectOptions, type IncomingTransfer, type ListenOptions, type Session, connect, listen } from '../src/index.ts'
import { createAuthority } from './certificates.ts'

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
    expect(a.stats()).toMatchObject({ peer: 'b', security: security === 'plaintext' ? 'plaintext' : 'tls1.3', objectsSent: 1, objectsOpen: 0 })
  })

  test('answers requests and passes notifications in order', async () => {
    const { a, b } = await pair(security)
    const got: number[] = []
    b.handle('echo', async (payload) => payload)
    b.handle('n', async (payload) => void got.push(payload[0] ?? -1))
    for (let n = 0; n < 100; n += 1) expect(a.notify('n', Uint8Array.of(n))).toBe(true)
    expect([...(await a.request('echo', Uint8Array.of(7)))]).toEqual([7])
    expect(got).toEqual(Array.from({ length: 100 }, (_, n) => n))
    await expect(a.request('nobody', new Uint8Array(0))).rejects.toMatchObject({ code: 'ERR_AMST_REQUEST_FAILED', details: { peerCode: 'ERR_AMST_NO_HANDLER' } })
  })

  test('ends on both sides after close(), without an error', async () => {
    const { a, b } = await pair(security)
    await a.close()
    expect(await a.closed).toBeUndefined()
    expect(await b.closed).toBeUndefined()
  })
})
