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
})

interface Ends extends AsyncDisposable {
  readonly where: (sends: string) => { readonly sender: Peer; readonly receiver: Peer }
}

/** Two processes in the lab, with a session between them. */
async function connected(lab: WanLab): Promise<Ends> {
  const [caller, listener] = [
    startPeer(END, (command) => lab.command('a', command)),
    startPeer(END, (command) => lab.command('b', command)),
  ]
  const certificates = await certificatesFor(['sender', 'receiver'])
  const host = lab.address('b')
  const listening = { method: 'listen', argument: { host, tls: certificates.get('receiver') } }
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
