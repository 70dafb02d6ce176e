import { setTimeout as sleep } from 'node:timers/promises'
import type { AmstTransport } from '@dwcp/amst'
import { type Clock, type NetworkMode, type PeerChange, silentLogger } from '@dwcp/interface'
import { expect, onTestFinished, test } from 'vitest'
import { createLinks, type Links } from './links.ts'

/** Links to one peer, on which `tookMs` says how long each probe takes. */
function near(tookMs: (probe: number) => number): {
  readonly links: Links
  readonly steered: NetworkMode[]
  readonly probes: () => number
} {
  let nowMs = 0
  let probes = 0
  const steered: NetworkMode[] = []
  const transport = {
    async *peers({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<PeerChange> {
      yield { kind: 'up', peer: { nodeId: 'b', roles: [], domain: 'trusted' } }
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
    receiveObject: () => ({ [Symbol.dispose]: () => undefined }),
    sendObject: async () => {
      await sleep(0)
      nowMs += tookMs(probes++)
    },
    sessionStats: () => ({ rttMs: 0.1, minRttMs: 0.1, retransmittedRatio: 0, objectsOpen: 0, streams: [] }),
    setMode: (_peer: string, mode: NetworkMode) => steered.push(mode),
  }
  const links = createLinks({
    forced: undefined,
    isV1: () => false,
    clock: { monotonicMs: () => nowMs } as Clock,
    logger: silentLogger,
    onChange: () => undefined,
  })
  onTestFinished(() => links[Symbol.dispose]())
  links.follow(transport as unknown as AmstTransport)
  return { links, steered, probes: () => probes }
}

test('a near link that one probe found slow is probed until it is sure', async () => {
  const { links, steered } = near((probe) => (probe === 0 ? 500 : 1))
  await expect.poll(() => links.mode('b')).toBe('datacenter')
  expect(steered).toEqual(['hybrid', 'internet', 'datacenter'])
})

test('a near link that is slow is probed ten times', async () => {
  const { links, probes } = near(() => 500)
  await expect.poll(probes).toBe(10)
  await sleep(20)
  expect([probes(), links.mode('b')]).toEqual([10, 'internet'])
})
