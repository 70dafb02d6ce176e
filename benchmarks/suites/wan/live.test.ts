import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type Peer, startPeer } from '../../harness/process.ts'
import { labObstacle } from '../../wanlab/host.ts'
import { openWanLab, type WanLab } from '../../wanlab/lab.ts'
import { certificatesFor } from '../transport/certificates.ts'
import type { WanSent } from './end-process.ts'

const END = new URL('../../dist/suites/wan/end-process.js', import.meta.url)
const BYTES = 120_000_000
const obstacle = await labObstacle()
if (obstacle !== undefined) console.warn(`\nLIVE CHANGES NOT TESTED: ${obstacle.message}\n`)

describe.skipIf(obstacle !== undefined && process.env['CI'] !== 'true')('while an object is on its way', () => {
  test.each(['caller', 'listener'])(
    'a path that becomes long gets fresh streams of the kind for it, where the %s sends, and every byte arrives',
    async (who) => {
      await using lab = await openWanLab({ rttMs: 1, rateBitsPerSecond: 300e6, queueMs: 4 })
      await using ends = await connected(lab)
      const { sender, receiver } = ends.where(who)
      const sent = sender.ask<WanSent>({ method: 'send', argument: { bytes: BYTES } })
      await sleep(800)
      await lab.set({ rttMs: 60 })
      const { congestionControl, streams } = await sent
      // Each block was verified as it came, and all of them at the end.
      expect(await receiver.ask<number>({ method: 'received' })).toBe(BYTES)
      expect(streams).toBe(17)
      expect(congestionControl).toBe('bbr')
    },
  )

  test.each(['caller', 'listener'])('its mode changes, where the %s sends, and every byte arrives', async (who) => {
    await using lab = await openWanLab({ rttMs: 60, rateBitsPerSecond: 300e6, queueMs: 30 })
    await using ends = await connected(lab)
    const { sender, receiver } = ends.where(who)
    const sent = sender.ask<WanSent>({ method: 'send', argument: { bytes: BYTES } })
    await sleep(800)
    await sender.ask({ method: 'setMode', argument: { mode: 'datacenter' } })
    await sleep(800)
    await sender.ask({ method: 'setMode', argument: { mode: 'auto' } })
    await receiver.ask({ method: 'setMode', argument: { mode: 'internet' } })
    const { congestionControl, streams } = await sent
    expect(await receiver.ask<number>({ method: 'received' })).toBe(BYTES)
    expect(streams).toBe(17)
    expect(congestionControl).toBe('bbr')
  })

  test('a near path that holds each connection back gets more of them', { timeout: 60_000 }, async () => {
    await using lab = await openWanLab({ rttMs: 1, rateBitsPerSecond: 200e6, queueMs: 10, flowRateBitsPerSecond: 20e6 })
    await using ends = await connected(lab)
    const { sender } = ends.where('caller')
    const sent = sender.ask({ method: 'sendOn' })
    while ((await sender.ask<number>({ method: 'streams' })) < 9) await sleep(100)
    await sender.ask({ method: 'stop' })
    await sent
  })

  test('another address of the listener takes its share', async () => {
    await using lab = await openWanLab({ rttMs: 40, rateBitsPerSecond: 100e6, queueMs: 50 })
    await lab.addPath(1, { rttMs: 60, rateBitsPerSecond: 60e6, queueMs: 50 })
    await using ends = await connected(lab, [lab.address('b', 1)])
    const { sender, receiver } = ends.where('caller')
    await sender.ask<WanSent>({ method: 'send', argument: { bytes: BYTES / 4 } })
    expect(await receiver.ask<number>({ method: 'received' })).toBe(BYTES / 4)
    expect((await lab.stats(1)).ab.outBytes).toBeGreaterThan(BYTES / 40)
  })
})

interface Ends extends AsyncDisposable {
  readonly where: (sends: string) => { readonly sender: Peer; readonly receiver: Peer }
}

/** Two processes in the lab, with a session between them. */
async function connected(lab: WanLab, addresses: readonly string[] = []): Promise<Ends> {
  const [caller, listener] = [
    startPeer(END, (command) => lab.command('a', command)),
    startPeer(END, (command) => lab.command('b', command)),
  ]
  const certificates = await certificatesFor(['sender', 'receiver'])
  const host = lab.address('b')
  const listening = { method: 'listen', argument: { host, tls: certificates.get('receiver'), addresses } }
  const { port } = await listener.ask<{ readonly port: number }>(listening)
  await caller.ask({ method: 'connect', argument: { host, port, tls: certificates.get('sender') } })
  return {
    where: (sends) => (sends === 'caller' ? { sender: caller, receiver: listener } : { sender: listener, receiver: caller }),
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]()
      await caller[Symbol.asyncDispose]()
    },
  }
}
