import { randomBytes } from 'node:crypto'
import type { Clock } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { encodeLabelled } from '../body.ts'
import { TokenBucket } from '../token-bucket.ts'
import { DatagramPath, MESSAGE_BODY_MAX } from './path.ts'
import { DATAGRAM_BYTES_MAX, DatagramOpener, DatagramSealer, type DatagramSecret, SEAL_BYTES, sessionTagOf } from './seal.ts'
import type { UdpAddress } from './socket.ts'

const secretOf = (isCaller: boolean): DatagramSecret => ({
  shared: new Uint8Array(32).fill(3),
  tag: new Uint8Array(8).fill(1),
  isCaller,
})

/** Time that passes when told. */
class ManualClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): Disposable {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) }
  }

  pass(ms: number): void {
    for (const endMs = this.#nowMs + ms; ; ) {
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
      this.#nowMs = next?.atMs ?? endMs
      if (!next) return
      this.#timers.delete(next)
      next.callback()
    }
  }
}

const CALLER = { address: '192.0.2.1', port: 1000 }
const MOVED = { address: '192.0.2.9', port: 9 }
const LISTENER = { address: '192.0.2.2', port: 2000 }

interface Sent {
  readonly datagram: Buffer
  readonly from: UdpAddress
  readonly to: UdpAddress
}

/** Two ends; what they send waits until it is carried. */
class Wire {
  readonly clock = new ManualClock()
  readonly sent: Sent[] = []
  readonly heard: { readonly atCaller: Buffer[]; readonly atListener: Buffer[] } = { atCaller: [], atListener: [] }
  callerAt: UdpAddress = CALLER
  readonly listener: DatagramPath
  readonly caller: DatagramPath

  constructor() {
    const put = (datagram: Buffer, from: UdpAddress, to: UdpAddress): boolean => this.sent.push({ datagram, from, to }) > 0
    this.listener = new DatagramPath({
      clock: this.clock,
      secret: secretOf(false),
      sharedForged: new TokenBucket(5000, 0),
      transmit: (datagram, to) => put(datagram, LISTENER, to),
      deliver: (body) => this.heard.atListener.push(body),
    })
    this.caller = new DatagramPath({
      clock: this.clock,
      secret: secretOf(true),
      remote: LISTENER,
      sharedForged: new TokenBucket(5000, 0),
      transmit: (datagram, to) => put(datagram, this.callerAt, to),
      deliver: (body) => this.heard.atCaller.push(body),
    })
  }

  carryOne(sent = this.sent.shift()): void {
    if (sent?.to === LISTENER) this.listener.take(sent.datagram, sent.from)
    else if (sent && sent.to.address === this.callerAt.address) this.caller.take(sent.datagram, sent.from)
  }

  carry(): void {
    for (let budget = 100; this.sent.length > 0; budget -= 1) {
      expect(budget).toBeGreaterThan(0)
      this.carryOne()
    }
  }
}

test('a datagram opens once, at the other end of its session, and not with a bit changed anywhere', () => {
  const sealer = new DatagramSealer(secretOf(true))
  const opener = new DatagramOpener(secretOf(false))
  const body = Buffer.from('hello')
  const datagram = sealer.seal(body)
  expect(datagram.byteLength).toBe(body.byteLength + SEAL_BYTES)
  for (let bit = 0; bit < datagram.byteLength * 8; bit += 1) {
    const damaged = Buffer.from(datagram)
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    // The first nine bytes say whose it is: such a one is handed to nobody, or to another session.
    if (sessionTagOf(damaged) === sessionTagOf(datagram) && opener.isFresh(damaged)) expect(opener.open(damaged)).toBeUndefined()
    else expect(bit).toBeLessThan(17 * 8)
  }
  expect(new DatagramOpener(secretOf(true)).open(datagram)).toBeUndefined()
  expect(new DatagramOpener({ ...secretOf(false), shared: new Uint8Array(32) }).open(datagram)).toBeUndefined()
  expect(opener.isFresh(datagram)).toBe(true)
  expect(opener.open(datagram)).toEqual({ body, isNewest: true })
  expect(opener.isFresh(datagram)).toBe(false)
})

test('both ends find the path, and messages of any length up to the bound go both ways', () => {
  const wire = new Wire()
  expect(wire.caller.isOpen).toBe(false)
  wire.carry()
  expect([wire.caller.isOpen, wire.listener.isOpen]).toEqual([true, true])
  for (const lengthBytes of [1, 50, MESSAGE_BODY_MAX]) {
    const body = randomBytes(lengthBytes)
    for (const [path, heard] of [
      [wire.caller, wire.heard.atListener],
      [wire.listener, wire.heard.atCaller],
    ] as const) {
      expect(path.send(body)).toBe(true)
      expect(wire.sent[0]?.datagram.byteLength).toBeLessThanOrEqual(DATAGRAM_BYTES_MAX)
      wire.carry()
      expect(heard.at(-1)).toEqual(body)
    }
  }
  wire.clock.pass(60_000)
  expect(wire.caller.stats).toMatchObject({ carrier: 'stream', sent: 3, received: 3, refused: 0 })
})

test('a path that is lost is noticed at both ends, and found again', () => {
  const wire = new Wire()
  wire.carry()
  for (let second = 0; second < 60; second += 1) {
    wire.clock.pass(1000)
    wire.carry()
    expect([wire.caller.isOpen, wire.listener.isOpen]).toEqual([true, true])
  }
  for (let second = 0; second < 16; second += 1) {
    wire.clock.pass(1000)
    wire.sent.length = 0
  }
  expect([wire.caller.isOpen, wire.listener.isOpen]).toEqual([false, false])
  wire.clock.pass(5000)
  wire.carry()
  expect([wire.caller.isOpen, wire.listener.isOpen]).toEqual([true, true])
})

test('nothing longer than what came goes to an address that has not answered, and one answer to each at most', () => {
  const wire = new Wire()
  wire.carry()
  wire.callerAt = MOVED
  for (const lengthBytes of [1, 10, 16, 17, 40, 500]) {
    wire.caller.send(encodeLabelled('x', randomBytes(lengthBytes)))
    const [came] = wire.sent
    wire.carryOne()
    expect(wire.sent.length).toBeLessThanOrEqual(1)
    for (const { datagram, to } of wire.sent.splice(0)) {
      expect(to).toEqual(MOVED)
      expect(datagram.byteLength).toBeLessThanOrEqual(came?.datagram.byteLength ?? 0)
    }
    // What the listener has to say goes where the peer answered last.
    wire.listener.send(Buffer.from('still there'))
    expect(wire.sent.splice(0).map(({ to }) => to)).toEqual([CALLER])
  }
})

test('an address counts once its owner answers from it; what comes from it without is delivered, and changes nothing', () => {
  const wire = new Wire()
  wire.carry()
  const stray = wire.caller
  wire.callerAt = MOVED
  stray.send(encodeLabelled('x', new Uint8Array(100)))
  const [, came] = [wire.carryOne(), wire.sent.shift()]
  expect(wire.heard.atListener).toHaveLength(1)
  expect(came?.to).toEqual(MOVED)
  // The answer from another address than the one that was asked.
  if (came) wire.caller.take(came.datagram, LISTENER)
  const answer = wire.sent.shift()
  if (answer) wire.listener.take(answer.datagram, { ...MOVED, port: 10 })
  wire.listener.send(Buffer.from('where'))
  expect(wire.sent.shift()?.to).toEqual(CALLER)
  stray.send(encodeLabelled('x', new Uint8Array(100)))
  wire.carry()
  wire.listener.send(Buffer.from('here'))
  expect(wire.sent.shift()?.to).toEqual(MOVED)
})

test('hundreds of thousands of random, mutated and repeated datagrams pass nothing and hold nothing', () => {
  const wire = new Wire()
  wire.carry()
  wire.caller.send(encodeLabelled('x', Buffer.from('once')))
  const { datagram } = wire.sent.shift() ?? { datagram: Buffer.alloc(0) }
  wire.listener.take(datagram, CALLER)
  const before = process.memoryUsage().external
  // The least of the last third: what the collector has not come to yet is not held.
  let least = Number.POSITIVE_INFINITY
  for (let n = 0; n < 300_000; n += 1) {
    const forged = n % 3 === 0 ? randomBytes(34 + (n % 1000)) : Buffer.from(datagram)
    if (n % 3 === 1) forged[n % forged.byteLength] = (forged[n % forged.byteLength] ?? 0) ^ (1 + (n % 255))
    if (n % 1000 === 0) wire.clock.pass(1)
    if (n > 200_000 && n % 1000 === 0) least = Math.min(least, process.memoryUsage().external)
    wire.listener.take(forged, { address: '203.0.113.7', port: n & 0xffff })
  }
  expect(wire.heard.atListener).toHaveLength(1)
  expect(wire.sent.filter(({ to }) => to !== LISTENER)).toEqual([])
  expect(wire.listener.stats.refused).toBe(300_000)
  expect(least - before).toBeLessThan(32 * 2 ** 20)
  // What was refused was not counted against the peer: it is heard again.
  wire.sent.length = 0
  wire.clock.pass(1000)
  wire.caller.send(encodeLabelled('x', Buffer.from('again')))
  wire.carry()
  expect(wire.heard.atListener).toHaveLength(2)
})
