import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { type AddressInfo, connect, createServer, Socket } from 'node:net'
import { expect, test } from 'vitest'
import {
  descriptorOf,
  getCongestionControl,
  setCongestionControl,
  setMaxPacingRate,
  setNotSentLowWater,
  socketBackend,
  tcpInfo,
} from './index.ts'

const isNative = socketBackend().kind === 'native'

async function withConnection(use: (client: Socket, peer: Socket) => Promise<void>): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect(port, '127.0.0.1')
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[Socket], unknown]
  try {
    await use(client, peer)
  } finally {
    client.destroy()
    peer.destroy()
    server.close()
    await once(server, 'close')
  }
}

test('finds the descriptor of a connected socket, and none before and after', async () => {
  expect(descriptorOf(new Socket())).toBeUndefined()
  await withConnection(async (client, peer) => {
    expect(descriptorOf(client)).toBeGreaterThan(2)
    expect(descriptorOf(peer)).not.toBe(descriptorOf(client))
    client.destroy()
    await once(client, 'close')
    expect(descriptorOf(client)).toBeUndefined()
  })
})

test('changes congestion control on a live connection and reads it back', async () => {
  await withConnection(async (client) => {
    const fd = descriptorOf(client) ?? -1
    expect(setCongestionControl(fd, 'reno')).toBe(isNative)
    expect(getCongestionControl(fd)).toBe(isNative ? 'reno' : undefined)
    expect(setCongestionControl(fd, 'no-such-thing')).toBe(false)
    expect(getCongestionControl(fd)).toBe(isNative ? 'reno' : undefined)
  })
})

test('reports what the connection did, and obeys a pacing rate', async () => {
  await withConnection(async (client, peer) => {
    const fd = descriptorOf(client) ?? -1
    const rate = 40_000_000
    const bytes = 8_000_000
    expect(setNotSentLowWater(fd, 131_072)).toBe(isNative)
    expect(setMaxPacingRate(fd, rate)).toBe(isNative)
    let received = 0
    const startedMs = performance.now()
    await new Promise<void>((done) => {
      peer.on('data', (part) => {
        received += part.length
        if (received === bytes) done()
      })
      client.write(new Uint8Array(bytes))
    })
    const elapsedMs = performance.now() - startedMs
    const info = tcpInfo(fd)
    expect(received).toBe(bytes)
    if (!isNative || info === undefined) return expect(info).toBeUndefined()
    // Unpaced, loopback takes a few milliseconds for this; paced 200. The first bursts are not held back.
    expect(elapsedMs).toBeGreaterThan((bytes / rate) * 1_000 * 0.7)
    expect(info.bytesSent).toBeGreaterThanOrEqual(bytes)
    expect(info.bytesAcked).toBeGreaterThan(bytes * 0.9)
    expect(info.deliveredSegments).toBeGreaterThanOrEqual(Math.floor(info.bytesAcked / 65_536))
    expect(info.rttMs).toBeGreaterThan(0)
    expect(info.rttMs).toBeLessThan(1_000)
    expect(info.minRttMs).toBeLessThanOrEqual(info.rttMs)
    expect(info.cwndBytes).toBeGreaterThanOrEqual(info.mss)
    expect(info.mss).toBeGreaterThan(500)
    expect(info.pacingRateBytesPerSecond).toBeLessThanOrEqual(rate)
    expect(info.deliveryRateBytesPerSecond).toBeGreaterThan(0)
    expect(info.busyMs).toBeGreaterThan(0)
    expect(Object.values(info).every((value) => typeof value === 'boolean' || value >= 0)).toBe(true)
    expect(setMaxPacingRate(fd, Number.POSITIVE_INFINITY)).toBe(true)
  })
})

test('a descriptor that is no socket gives false and undefined', () => {
  const file = openSync('/dev/null', 'r')
  for (const fd of [-1, file, 1_000_000]) {
    expect(setCongestionControl(fd, 'reno')).toBe(false)
    expect(getCongestionControl(fd)).toBeUndefined()
    expect(setMaxPacingRate(fd, 1_000_000)).toBe(false)
    expect(setNotSentLowWater(fd, 1_000_000)).toBe(false)
    expect(tcpInfo(fd)).toBeUndefined()
  }
  closeSync(file)
})

test('a rate of zero and a negative mark are programmer mistakes', () => {
  expect(() => setMaxPacingRate(1, 0)).toThrow(RangeError)
  expect(() => setNotSentLowWater(1, -1)).toThrow(RangeError)
})
