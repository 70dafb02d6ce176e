import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ConnectOptions, connect, type ListenOptions, listen, type Session } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { firstOf, until } from './pair.ts'

const authority = await createAuthority()

interface Pair {
  readonly a: Session
  readonly b: Session
}

async function pair(security: string, listening: Partial<ListenOptions>, dialling: Partial<ConnectOptions> = {}): Promise<Pair> {
  const secure = async (name: string) =>
    security === 'plaintext' ? ({ plaintext: 'trusted-network' } as const) : { tls: await authority.credentials(name) }
  const server = await listen({ nodeId: 'b', host: '0.0.0.0', ...(await secure('b')), ...listening })
  const { port } = server.address
  const a = await connect({ host: '127.0.0.1', port }, { nodeId: 'a', ...(await secure('a')), ...dialling })
  const { value: b } = await server[Symbol.asyncIterator]().next()
  onTestFinished(() => {
    a.destroy()
    server.destroy()
  })
  return { a, b }
}

/** How many streams go to each address of the other end. */
const hostsOf = (session: Session): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const { remoteHost } of session.stats().streams) counts[remoteHost] = (counts[remoteHost] ?? 0) + 1
  return counts
}

async function carry(from: Session, to: Session): Promise<void> {
  const bytes = randomBytes(30_000_000)
  const sending = from.send(bytes)
  const parts: Uint8Array[] = []
  const transfer = await firstOf(to)
  for await (const part of transfer.stream) parts.push(part)
  transfer.complete()
  await sending
  expect(Buffer.concat(parts).equals(bytes)).toBe(true)
}

describe.each(['plaintext', 'TLS 1.3'])('a listener with another address, over %s', (security) => {
  test('gets streams to both, and objects go over both, whoever sends', async () => {
    const { a, b } = await pair(security, { addresses: ['127.0.0.2'] })
    const isThere = (): boolean => hostsOf(a)['127.0.0.1'] === 4 && hostsOf(a)['127.0.0.2'] === 3
    await until(isThere)
    // A stream may be slower than others for the length of an object, and get little of it.
    for (const [from, to, ofStream] of [
      [a, b, 'sentBytes'],
      [b, a, 'receivedBytes'],
    ] as const) {
      const second = a.stats().streams.filter(({ remoteHost }) => remoteHost === '127.0.0.2')
      const hasCarried = (index: number): boolean => (a.stats().streams.find((one) => one.index === index)?.[ofStream] ?? 0) > 1_000_000
      while (!second.every(({ index }) => hasCarried(index))) await carry(from, to)
    }
    expect(isThere()).toBe(true)
  })

  test('has none where its caller wants none', async () => {
    const { a, b } = await pair(security, { addresses: ['127.0.0.2'] }, { paths: false })
    await carry(a, b)
    expect(hostsOf(a)).toEqual({ '127.0.0.1': 4 })
  })

  test('is used without those that cannot be reached, or where somebody else answers', async () => {
    const stranger = createServer((socket) => socket.on('error', () => undefined).end('hello')).listen(0, '127.0.0.3')
    onTestFinished(() => void stranger.close())
    await new Promise((resolve) => stranger.once('listening', resolve))
    const address = stranger.address()
    if (address === null || typeof address === 'string') throw new RangeError('it has no port')
    const { a, b } = await pair(security, { addresses: ['127.0.0.2:1', `127.0.0.3:${address.port}`, '127.0.0.4'] })
    await until(() => hostsOf(a)['127.0.0.4'] === 3)
    await carry(a, b)
    expect(hostsOf(a)).toEqual({ '127.0.0.1': 4, '127.0.0.4': 3 })
  })

  test('follows the number that is asked for, on each', async () => {
    let wanted = 2
    const { a } = await pair(security, { addresses: ['127.0.0.2'] }, { streams: () => wanted })
    await until(() => hostsOf(a)['127.0.0.1'] === 2 && hostsOf(a)['127.0.0.2'] === 1)
    wanted = 5
    await until(() => hostsOf(a)['127.0.0.1'] === 5 && hostsOf(a)['127.0.0.2'] === 4)
    wanted = 1
    await until(() => hostsOf(a)['127.0.0.1'] === 1 && hostsOf(a)['127.0.0.2'] === undefined)
  })
})

test.each([[['example.org:7400']], [['127.0.0.1:0']], [['127.0.0.1:70000']], [Array.from({ length: 9 }, () => '127.0.0.1')]])(
  'a listener refuses to tell %j',
  async (addresses) => {
    await expect(listen({ nodeId: 'b', plaintext: true, addresses })).rejects.toThrow(RangeError)
  },
)
