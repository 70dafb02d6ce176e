import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { startPeer } from '../../harness/process.ts'
import { labObstacle } from '../../wanlab/host.ts'
import { openWanLab } from '../../wanlab/lab.ts'
import { certificatesFor } from '../transport/certificates.ts'
import type { WanSent } from './end-process.ts'

const END = new URL('../../dist/suites/wan/end-process.js', import.meta.url)
const BYTES = 120_000_000
const obstacle = await labObstacle()
if (obstacle !== undefined) console.warn(`\nLIVE CHANGES NOT TESTED: ${obstacle.message}\n`)

describe.skipIf(obstacle !== undefined && process.env['CI'] !== 'true')('a path that becomes long while an object is on it', () => {
  test.each(['caller', 'listener'])('gets fresh streams of the kind for it, where the %s sends, and every byte arrives', async (who) => {
    await using lab = await openWanLab({ rttMs: 1, rateBitsPerSecond: 300e6, queueMs: 4 })
    await using caller = startPeer(END, (command) => lab.command('a', command))
    await using listener = startPeer(END, (command) => lab.command('b', command))
    const certificates = await certificatesFor(['sender', 'receiver'])
    const host = lab.address('b')
    const listening = { method: 'listen', argument: { host, tls: certificates.get('receiver') } }
    const { port } = await listener.ask<{ readonly port: number }>(listening)
    const argument = { host, port, tls: certificates.get('sender') }
    await caller.ask({ method: 'connect', argument })
    const [sender, receiver] = who === 'caller' ? [caller, listener] : [listener, caller]
    const sent = sender.ask<WanSent>({ method: 'send', argument: { bytes: BYTES } })
    await sleep(800)
    await lab.set({ rttMs: 60 })
    const { congestionControl, streams } = await sent
    // Each block was verified as it came, and all of them at the end.
    expect(await receiver.ask<number>({ method: 'received' })).toBe(BYTES)
    expect(streams).toBe(17)
    expect(congestionControl).toBe('bbr')
  })
})
