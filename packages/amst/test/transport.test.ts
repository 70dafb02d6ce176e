import { randomBytes } from 'node:crypto'
import type { Address, LinkSample, NodeId, PeerDirectory } from '@dwcp/interface'
import { tcpInfo } from '@dwcp/native-rdma/socket'
import { expect, onTestFinished, test } from 'vitest'
import { type AmstTransport, createTransport, type TransportOptions } from '../src/index.ts'
import { until } from './pair.ts'

/** A directory that is written by hand. */
function book(): PeerDirectory & { readonly entries: Map<NodeId, Address[]>; tell: (node: NodeId) => void } {
  const entries = new Map<NodeId, Address[]>()
  let tell: (node: NodeId) => void = () => undefined
  return {
    entries,
    lookup: (node) => entries.get(node) ?? [],
    async *changes() {
      for (;;)
        yield await new Promise<NodeId>((resolve) => {
          tell = resolve
        })
    },
    tell: (node) => tell(node),
  }
}

async function open(self: NodeId, directory: PeerDirectory, options: Partial<TransportOptions> = {}): Promise<AmstTransport> {
  const transport = await createTransport({ self, directory, plaintext: true, ...options })
  onTestFinished(() => transport.close())
  return transport
}

test('a client is answered over the session it opened, and needs no address', async () => {
  const directory = book()
  const node = await open('node', directory, { listen: {} })
  if (node.address) directory.entries.set('node', [node.address])
  const client = await open('client', directory)
  expect(client.address).toBeUndefined()
  node.receive('ask', (from, payload) => node.send(from.nodeId, 'answer', payload))
  const got: number[] = []
  client.receive('answer', (_from, payload) => got.push(payload[0] ?? -1))
  client.send('node', 'ask', Uint8Array.of(9))
  await until(() => got.length === 1)
  expect(client.sessionStats('node')).toMatchObject({ peer: 'node', security: 'plaintext' })
  await client.close()
  await until(() => node.sessionStats('client') === undefined)
  expect(node.send('client', 'answer', Uint8Array.of(1))).toBe(false)
  await expect(node.sendObject('client', 'x', new Uint8Array(1), { class: 'bulk' })).rejects.toMatchObject({ code: 'ERR_AMST_UNREACHABLE' })
})

test('two that call each other at once keep one session, and lose no message', async () => {
  for (let round = 0; round < 20; round += 1) {
    const directory = book()
    const [a, b] = await Promise.all([open('a', directory, { listen: {} }), open('b', directory, { listen: {} })])
    for (const node of [a, b]) if (node.address) directory.entries.set(node.self, [node.address])
    const got: string[] = []
    for (const node of [a, b]) node.receive('x', (from, payload) => got.push(`${from.nodeId} ${payload[0]}`))
    for (let n = 0; n < 5; n += 1) {
      a.send('b', 'x', Uint8Array.of(n))
      b.send('a', 'x', Uint8Array.of(n))
    }
    await until(() => got.length >= 10)
    for (const name of ['a', 'b']) expect(got.filter((line) => line.startsWith(name))).toEqual([0, 1, 2, 3, 4].map((n) => `${name} ${n}`))
    await Promise.all([a.close(), b.close()])
  }
})

test('every address of a peer is tried, and news of it ends the pause between attempts', async () => {
  const directory = book()
  const node = await open('node', directory, { listen: {} })
  directory.entries.set('node', [{ host: '127.0.0.1', port: 1 }])
  const client = await open('client', directory)
  const got: number[] = []
  node.receive('x', (_from, payload) => got.push(payload[0] ?? -1))
  expect(client.send('node', 'x', Uint8Array.of(1))).toBe(true)
  if (node.address) directory.entries.set('node', [{ host: '127.0.0.1', port: 1 }, node.address])
  directory.tell('node')
  await until(() => got.length === 1)
  expect(client.send('nobody', 'x', Uint8Array.of(1))).toBe(false)
})

test('an object for a peer that does not answer fails in bounded time, or with its signal', async () => {
  const directory = book()
  directory.entries.set('gone', [{ host: '127.0.0.1', port: 1 }])
  const client = await open('client', directory, { dialTimeoutMs: 60 })
  await expect(client.sendObject('gone', 'x', new Uint8Array(1), { class: 'bulk' })).rejects.toMatchObject({
    code: 'ERR_AMST_UNREACHABLE',
    retryable: true,
  })
  const stop = new AbortController()
  const waiting = client.sendObject('gone', 'x', new Uint8Array(1), { class: 'bulk', signal: stop.signal })
  stop.abort(new Error('no more'))
  await expect(waiting).rejects.toThrow('no more')
  const left = client.sendObject('gone', 'x', new Uint8Array(1), { class: 'bulk' })
  await Promise.all([expect(left).rejects.toMatchObject({ code: 'ERR_AMST_CLOSED' }), client.close()])
})

test('the advisor gets what the kernel measured of each object sent', async () => {
  const directory = book()
  const samples: LinkSample[] = []
  const node = await open('node', directory, { listen: {} })
  if (node.address) directory.entries.set('node', [node.address])
  const client = await open('client', directory, { advisor: { observe: (sample) => samples.push(sample) } })
  node.receiveObject('x', async (_from, object) => {
    for await (const chunk of object.stream) if (chunk.byteLength === 0) throw new Error('an empty chunk')
  })
  await client.sendObject('node', 'x', randomBytes(60_000_000), { class: 'bulk' })
  // Linux with the addon measures; where neither is, nothing may be made up.
  if (client.sessionStats('node')?.streams[0]?.rttSource !== 'tcp-info') return expect(samples).toEqual([])
  expect(tcpInfo(-1)).toBeUndefined()
  const sample = samples.at(-1)
  expect(sample).toMatchObject({ link: 'node', limitedBy: expect.stringMatching(/^(network|sender|receiver)$/) })
  expect(sample?.deliveredBytesPerSecond).toBeGreaterThan(1_000_000)
  expect(sample?.minRttMs).toBeLessThanOrEqual(sample?.rttMs ?? 0)
  expect(sample?.lossRatio).toBeLessThan(0.5)
})
