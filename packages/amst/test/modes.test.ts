import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, listen, type Session, type SessionMode, type SessionStats } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { firstOf, until } from './pair.ts'

const authority = await createAuthority()
const hasBbr = (await readFile('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8')).includes('bbr')
const host = (await readFile('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8')).trim()

interface Kind {
  readonly streams: number
  readonly congestionControl: string
}
// How many there are on a near path is found out while they are used.
const KINDS: Readonly<Record<'datacenter' | 'internet', Kind>> = {
  datacenter: { streams: 4, congestionControl: host },
  internet: { streams: 17, congestionControl: hasBbr ? 'bbr' : host },
}

const isOf = ({ streams }: SessionStats, kind: Kind): boolean =>
  (kind === KINDS.internet ? streams.length === kind.streams : streams.length < KINDS.internet.streams) &&
  streams.every((stream) => stream.congestionControl === kind.congestionControl)

async function pair(security: string, mode?: SessionMode): Promise<{ readonly a: Session; readonly b: Session }> {
  const secure = async (name: string) => (security === 'plaintext' ? { plaintext: true } : { tls: await authority.credentials(name) })
  const server = await listen({ nodeId: 'b', ...(await secure('b')) })
  const a = await connect(server.address, { nodeId: 'a', ...(await secure('a')), ...(mode ? { mode } : {}) })
  const { value: b } = await server[Symbol.asyncIterator]().next()
  onTestFinished(() => {
    a.destroy()
    server.destroy()
  })
  return { a, b }
}

describe.each(['plaintext', 'TLS 1.3'])('a session over %s', (security) => {
  test('changes its mode while objects go both ways, at the word of either end, and nothing is lost', { timeout: 60_000 }, async () => {
    const { a, b } = await pair(security)
    const block = randomBytes(1 << 20)
    let isDone = false
    const flow = async (from: Session, to: Session): Promise<void> => {
      const [sent, received] = [createHash('sha256'), createHash('sha256')]
      async function* source(): AsyncGenerator<Uint8Array> {
        for (let number = 0; !isDone; number += 1) {
          const bytes = Buffer.concat([Buffer.from(String(number)), block])
          sent.update(bytes)
          yield bytes
          // Other tests run beside this one.
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      }
      const receipt = from.send(source())
      const transfer = await firstOf(to)
      for await (const bytes of transfer.stream) received.update(bytes)
      transfer.complete()
      expect((await receipt).lengthBytes).toBeGreaterThan(block.byteLength)
      expect(received.digest('hex')).toBe(sent.digest('hex'))
    }
    const flows = Promise.all([flow(a, b), flow(b, a)])
    await until(() => isOf(a.stats(), KINDS.datacenter))
    for (const [teller, mode] of [
      [a, 'internet'],
      [a, 'datacenter'],
      [b, 'internet'],
      [b, 'auto'],
    ] as const) {
      teller.setMode(mode)
      const kind = KINDS[mode === 'auto' ? 'datacenter' : mode]
      await until(() => isOf(a.stats(), kind) && isOf(b.stats(), kind))
      expect(a.stats().mode).toBe(b.stats().mode)
    }
    isDone = true
    await flows
  })

  test('begins in the mode that its caller names', async () => {
    const { a, b } = await pair(security, 'internet')
    await until(() => isOf(a.stats(), KINDS.internet) && isOf(b.stats(), KINDS.internet))
    expect(b.stats().mode).toBe('internet')
    expect(() => a.setMode('moon' as SessionMode)).toThrow(RangeError)
  })
})
