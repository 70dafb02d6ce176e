import type { PeerChange } from '@dwcp/interface'
import { expect, test } from 'vitest'
import { createMemoryNetwork } from './memory-network.ts'

test('a link that was cut comes back by itself once healed', async () => {
  const network = createMemoryNetwork()
  const [a, b] = [network.transport('a'), network.transport('b')]
  const got: number[] = []
  b.receive('n', (_from, payload) => got.push(payload[0] ?? -1))
  const seen: string[] = []
  const watch = new AbortController()
  const watching = (async () => {
    for await (const change of a.peers({ signal: watch.signal })) if (note(seen, change) === 3) watch.abort()
  })()
  expect(a.send('b', 'n', Uint8Array.of(1))).toBe(true)
  await new Promise(setImmediate)
  network.cut('a', 'b')
  expect(a.send('b', 'n', Uint8Array.of(2))).toBe(false)
  await expect(a.sendObject('b', 'o', new Uint8Array(1), { class: 'bulk' })).rejects.toMatchObject({
    code: 'ERR_AMST_PEER_LOST',
    retryable: true,
  })
  await new Promise(setImmediate)
  network.heal('a', 'b')
  await watching
  expect(seen).toEqual(['up b', 'down b', 'up b'])
  expect(got).toEqual([1])
})

test('a name can be taken once, and again after its holder has closed', async () => {
  const network = createMemoryNetwork()
  const a = network.transport('a')
  expect(() => network.transport('a')).toThrow(RangeError)
  await a.close()
  expect(network.transport('a').self).toBe('a')
})

const note = (seen: string[], change: PeerChange): number => seen.push(`${change.kind} ${change.peer.nodeId}`)
