import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '@dwcp/interface'
import { expect, onTestFinished, test } from 'vitest'
import { connect, createTransport, listen, type Session } from '../src/index.ts'
import { createAuthority } from './certificates.ts'
import { until } from './pair.ts'
import { openProxy } from './proxy.ts'

const authority = await createAuthority()

/** Stands between a caller and a listener, over UDP: what it makes of a datagram is what goes on. */
interface UdpProxy {
  pass: (datagram: Buffer, toListener: boolean) => readonly Buffer[]
  /** From now on callers seem to be at another address. */
  move(): Promise<void>
}

async function openUdpProxy(port: number, listener: Address): Promise<UdpProxy> {
  const front = createSocket('udp4')
  const backs: Socket[] = []
  let caller: { readonly address: string; readonly port: number } | undefined
  const proxy: UdpProxy = {
    pass: (datagram) => [datagram],
    async move() {
      const back = createSocket('udp4')
      back.on('message', (datagram) => {
        for (const one of proxy.pass(datagram, false)) if (caller) front.send(one, caller.port, caller.address)
      })
      back.bind(0, '127.0.0.1')
      await once(back, 'listening')
      backs.push(back)
    },
  }
  await proxy.move()
  front.on('message', (datagram, from) => {
    caller = from
    for (const one of proxy.pass(datagram, true)) backs.at(-1)?.send(one, listener.port, listener.host)
  })
  front.bind(port, '127.0.0.1')
  await once(front, 'listening')
  onTestFinished(() => {
    for (const socket of [front, ...backs]) socket.close()
  })
  return proxy
}

interface Ends {
  readonly a: Session
  readonly b: Session
  readonly udp: UdpProxy
  readonly atA: string[]
  readonly atB: string[]
}

/** A session through a TCP proxy, and a UDP proxy under the same number. */
async function ends(security: 'tls' | 'plaintext'): Promise<Ends> {
  const of = async (name: string) => (security === 'tls' ? { tls: await authority.credentials(name) } : { plaintext: true })
  const server = await listen({ nodeId: 'b', ...(await of('b')), datagrams: true })
  const tcp = await openProxy(server.address)
  const udp = await openUdpProxy(tcp.address.port, server.address)
  const a = await connect(tcp.address, { nodeId: 'a', ...(await of('a')), datagrams: true })
  const b: Session = (await server[Symbol.asyncIterator]().next()).value
  onTestFinished(async () => {
    a.destroy()
    server.destroy()
    await tcp.close()
  })
  const atA = listenTo(a)
  const atB = listenTo(b)
  return { a, b, udp, atA, atB }
}

function listenTo(session: Session): string[] {
  const heard: string[] = []
  session.handle('x', async (payload) => void heard.push(Buffer.from(payload).toString()))
  return heard
}

const say = (session: Session, text: string): boolean => session.notify('x', Buffer.from(text), { datagram: true })
const isOpen = (session: Session): boolean => session.stats().datagrams?.carrier === 'udp'

test.each(['tls', 'plaintext'] as const)('datagrams go over UDP in both directions, in a session over %s', async (security) => {
  const { a, b, udp, atA, atB } = await ends(security)
  await until(() => isOpen(a) && isOpen(b))
  const seen: Buffer[] = []
  udp.pass = (datagram) => {
    seen.push(datagram)
    return [datagram]
  }
  expect(say(a, 'a secret')).toBe(true)
  expect(say(b, 'an answer')).toBe(true)
  await until(() => atA.length > 0 && atB.length > 0)
  expect([atA, atB]).toEqual([['an answer'], ['a secret']])
  expect(a.stats().datagrams).toMatchObject({ carrier: 'udp', sent: 1, received: 1, streamed: 0 })
  expect(Buffer.concat(seen).includes('a secret')).toBe(false)
  expect(() => a.notify('x', new Uint8Array(1165), { datagram: true })).toThrow(/1166/)
  expect(a.notify('x', new Uint8Array(1164), { datagram: true })).toBe(true)
  expect(a.notify('x', new Uint8Array(1), { datagram: true, expiresAtMs: 1 })).toBe(false)
})

test('what is lost stays lost, what comes late or twice comes once, what is changed never comes', async () => {
  const { a, b, udp, atB } = await ends('tls')
  await until(() => isOpen(a) && isOpen(b))
  const held: Buffer[] = []
  let count = 0
  udp.pass = (datagram, toListener) => {
    if (!toListener) return [datagram]
    count += 1
    if (count % 10 === 0) return []
    if (count % 10 === 1) {
      held.push(datagram)
      return held.length > 10 ? held.splice(0, 1) : []
    }
    const damaged = Buffer.from(datagram)
    damaged[count % damaged.byteLength] = (damaged[count % damaged.byteLength] ?? 0) ^ 1
    if (count % 10 === 2) return [datagram, datagram]
    return count % 10 === 3 ? [damaged, datagram] : [datagram]
  }
  for (let n = 0; n < 500; n += 1) {
    say(a, `${n}`)
    // Within what a session looks at a second, of what does not open.
    if (n % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  // All that comes from now on, again and again.
  const all: Buffer[] = []
  udp.pass = (datagram, toListener) => {
    if (toListener) all.push(datagram)
    return toListener ? [datagram, ...all] : [datagram]
  }
  // The last damaged ones may have used up what the session looks at for the moment.
  for (let n = 0; atB.filter((text) => text.startsWith('last')).length < 10; n += 1) {
    say(a, `last ${n}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(new Set(atB).size).toBe(atB.length)
  expect(atB.length).toBeGreaterThan(100)
  expect(b.stats().datagrams?.refused).toBeGreaterThan(80)
})

test('where UDP does not get through, datagrams go with the messages, and the session says so', async () => {
  const server = await listen({ nodeId: 'b', plaintext: true, datagrams: true })
  const tcp = await openProxy(server.address)
  const a = await connect(tcp.address, { nodeId: 'a', plaintext: true, datagrams: true })
  const b: Session = (await server[Symbol.asyncIterator]().next()).value
  onTestFinished(async () => {
    a.destroy()
    server.destroy()
    await tcp.close()
  })
  const [atA, atB] = [listenTo(a), listenTo(b)]
  expect(say(a, 'one')).toBe(true)
  expect(say(b, 'two')).toBe(true)
  await until(() => atA.length > 0 && atB.length > 0)
  for (const session of [a, b]) expect(session.stats().datagrams).toMatchObject({ carrier: 'stream', sent: 0, streamed: 1 })
})

test('a caller whose address changes is found there, once it has answered', async () => {
  const { a, b, udp, atA, atB } = await ends('tls')
  await until(() => isOpen(a) && isOpen(b))
  await udp.move()
  expect(say(a, 'I have moved, and this is long enough to be asked for a proof of it')).toBe(true)
  await until(() => atB.length > 0)
  for (let n = 0; atA.length === 0; n += 1) {
    expect(n).toBeLessThan(200)
    say(b, `found ${n}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(b.stats().datagrams?.carrier).toBe('udp')
})

test('a listener whose UDP port is taken tells another one', async () => {
  const probe = await listen({ nodeId: 'b', plaintext: true })
  const { port } = probe.address
  await probe.close()
  const taken = createSocket('udp4').bind(port, '127.0.0.1')
  await once(taken, 'listening')
  const server = await listen({ nodeId: 'b', plaintext: true, datagrams: true, port })
  const a = await connect(server.address, { nodeId: 'a', plaintext: true, datagrams: true })
  onTestFinished(() => {
    a.destroy()
    server.destroy()
    taken.close()
  })
  await until(() => isOpen(a))
})

test('ends that do not offer datagrams carry them as messages', async () => {
  for (const [atListener, atCaller] of [
    [false, true],
    [true, false],
  ]) {
    const server = await listen({ nodeId: 'b', plaintext: true, datagrams: atListener ?? false })
    const a = await connect(server.address, { nodeId: 'a', plaintext: true, datagrams: atCaller ?? false })
    const b: Session = (await server[Symbol.asyncIterator]().next()).value
    const heard = listenTo(b)
    expect(say(a, 'all the same')).toBe(true)
    await until(() => heard.length > 0)
    await a.close()
    await server.close()
  }
})

test('transports send datagrams over UDP by themselves, and refuse those that are too long', async () => {
  const none = { async *changes() {} }
  const node = await createTransport({ self: 'node', plaintext: true, listen: {}, directory: { lookup: () => [], ...none } })
  const lookup = () => (node.address ? [node.address] : [])
  const client = await createTransport({ self: 'client', plaintext: true, directory: { lookup, ...none } })
  onTestFinished(async () => {
    await Promise.all([client.close(), node.close()])
  })
  let heard = 0
  node.receive('x', () => {
    heard += 1
  })
  client.send('node', 'x', new Uint8Array(1), { datagram: true })
  await until(() => client.sessionStats('node')?.datagrams?.carrier === 'udp')
  expect(client.send('node', 'x', new Uint8Array(client.maxDatagramBytes), { datagram: true })).toBe(true)
  await until(() => heard === 2)
  expect(client.sessionStats('node')?.datagrams).toMatchObject({ sent: 1 })
  expect(() => client.send('node', 'x', new Uint8Array(client.maxDatagramBytes + 1), { datagram: true })).toThrow(RangeError)
  expect(() => client.send('node', 'x'.repeat(66), new Uint8Array(1100), { datagram: true })).toThrow(RangeError)
  const plain = await createTransport({ self: 'plain', plaintext: true, datagrams: false, directory: { lookup, ...none } })
  expect(plain.maxDatagramBytes).toBe(0)
  expect(plain.send('node', 'x', new Uint8Array(5000), { datagram: true })).toBe(true)
  await until(() => heard === 3)
  await plain.close()
})
