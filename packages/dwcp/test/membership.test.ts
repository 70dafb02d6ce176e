import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AmstTransport, createTransport } from '@dwcp/amst'
import type { ByteSource } from '@dwcp/interface'
import { expect, onTestFinished, test, vi } from 'vitest'
import {
  type DwcpNode,
  enroll,
  foundCluster,
  installBundle,
  loadWorkload,
  type NodeIdentity,
  type NodeTrust,
  openIdentity,
  openTrustStore,
  revokeMember,
  rotateAuthority,
  startNode,
} from '../src/index.ts'

interface Party {
  readonly home: string
  readonly identity: NodeIdentity
  readonly trust: NodeTrust
}

/** A cluster of "op", which has the authority, and others in their order: each knows those before it only. */
async function party(lifetimeMs: number, ...names: readonly string[]): Promise<readonly Party[]> {
  const root = await mkdtemp(join(tmpdir(), 'dwcp-membership-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  await foundCluster(join(root, 'op'), { cluster: 'lab', nodeId: 'op' })
  for (const nodeId of names) {
    using identity = await openIdentity(join(root, nodeId), { nodeId })
    const { bundle } = await enroll(join(root, 'op'), await identity.request(), { lifetimeMs })
    await installBundle(join(root, nodeId), bundle)
  }
  return Promise.all(
    ['op', ...names].map(async (name) => {
      const home = join(root, name)
      const [identity, trust] = [await openIdentity(home), await openTrustStore(home)]
      onTestFinished(() => {
        identity[Symbol.dispose]()
        trust[Symbol.dispose]()
      })
      return { home, identity, trust }
    }),
  )
}

async function node({ home, identity, trust }: Party): Promise<DwcpNode> {
  const started = await startNode({ id: identity.nodeId, dataDirectory: join(home, 'node'), tls: identity, trust, membership: home })
  onTestFinished(() => started.close())
  return started
}

/** A member that says what it likes. */
async function stranger({ identity, trust }: Party, at: DwcpNode): Promise<AmstTransport> {
  const directory = { lookup: () => [at.address], async *changes(): AsyncGenerator<string> {} }
  const transport = await createTransport({ self: identity.nodeId, directory, tls: identity, trust })
  onTestFinished(() => transport.close())
  return transport
}

const members = ({ trust }: Party): readonly string[] => trust.list().members.map(({ nodeId }) => nodeId)
const revoked = ({ trust }: Party): readonly string[] => trust.list().revoked.map(({ nodeId }) => nodeId)
const DAY_MS = 24 * 3600 * 1000
const POLL = { timeout: 10_000, interval: 20 }

test('who is admitted, revoked or a new authority is known to nodes that never met the operator, and the revoked are cut off', async () => {
  const [op, a, b, c] = await party(7 * DAY_MS, 'a', 'b', 'c')
  if (!op || !a || !b || !c) throw new RangeError('four')
  expect(members(a)).toEqual(['op', 'a'])
  const [first, second, third] = [await node(op), await node(a), await node(b)]
  await first.run(await loadWorkload('kv'), { id: 'w' })
  await first.migrate('w', second.address)
  await vi.waitFor(() => expect(members(a)).toEqual(['op', 'a', 'b', 'c']), POLL)
  await second.migrate('w', third.address)
  await vi.waitFor(() => expect(members(b)).toContain('c'), POLL)
  const met = await stranger(c, third)
  expect(met.send('b', 'hello', Uint8Array.of(1))).toBe(true)
  await vi.waitFor(() => expect(third.links().find(({ peer }) => peer === 'c')).toMatchObject({ up: true }), POLL)

  await revokeMember(op.home, 'c')
  await vi.waitFor(() => expect(revoked(b)).toEqual(['c']), POLL)
  await vi.waitFor(() => expect(third.links().find(({ peer }) => peer === 'c')).toMatchObject({ up: false }), POLL)
  expect(third.links().map(({ peer }) => peer)).not.toContain('op')

  await rotateAuthority(op.home)
  // Another change, since that of an authority alone is told with the next.
  using late = await openIdentity(join(op.home, '..', 'd'), { nodeId: 'd' })
  await enroll(op.home, await late.request())
  await vi.waitFor(() => expect(b.trust.authorities()).toEqual(op.trust.authorities()), POLL)
  expect(b.trust.authorities()).toHaveLength(2)
  expect(second.links().every(({ peer, up }) => up || peer === 'c')).toBe(true)
})

test('a certificate is renewed by the peer that has the authority, before it ends, and no link goes down', async () => {
  const [op, a] = await party(60_000, 'a')
  if (!op || !a) throw new RangeError('two')
  const [first, second] = [await node(op), await node(a)]
  const former = a.identity.certificate()
  await first.run(await loadWorkload('kv'), { id: 'w' })
  await first.migrate('w', second.address)
  // The session on which its name was asked is over.
  const downs: string[] = []
  const watching = (async () => {
    for await (const change of second.changes()) if (change.kind === 'link' && second.links().some(({ up }) => !up)) downs.push(change.peer)
  })()
  await vi.waitFor(() => expect(a.identity.certificate()?.serial).not.toBe(former?.serial), POLL)
  expect((a.identity.certificate()?.notAfterMs ?? 0) - Date.now()).toBeGreaterThan(6 * DAY_MS)
  await second.migrate('w', 'op')
  expect(downs).toEqual([])
  await second.close()
  await watching
})

test('a member that lies, floods or asks for what is not its own gets nothing, and harms nobody', { timeout: 60_000 }, async () => {
  const [op, a, b] = await party(60_000, 'a', 'b')
  if (!op || !a || !b) throw new RangeError('three')
  const first = await node(op)
  const liar = await stranger(b, first)
  const before = { statements: op.trust.statements(), issued: op.trust.list() }
  const say = (channel: string, object: ByteSource): Promise<unknown> => liar.sendObject('op', channel, object, { class: 'sync' })
  const [statement = ''] = op.trust.statements()
  for (const forged of [
    Buffer.from('no statement'),
    Buffer.from(`${statement.slice(0, -4)}AAAA`),
    Buffer.from(Array.from({ length: 20_001 }, () => statement).join('\n')),
    Buffer.alloc((8 << 20) + 1),
  ]) {
    await expect(say('trust-statements', forged)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_AMST_/) })
  }
  await expect(say('certificate-request', Buffer.from(await a.identity.request()))).rejects.toThrow('not your own')
  await expect(say('certificate-request', Buffer.alloc(5000))).rejects.toThrow('rejected the object')
  await expect(say('certificate', Buffer.from('a bundle'))).rejects.toThrow('nobody asked')
  // Its own, once: the next is not due.
  await say('certificate-request', Buffer.from(await b.identity.request()))
  await expect(say('certificate-request', Buffer.from(await b.identity.request()))).rejects.toThrow('long enough')
  let told = 0
  liar.receiveObject('trust-statements', async (_from, object) => {
    for await (const piece of object.stream) told += Math.sign(piece.byteLength)
  })
  for (let n = 0; n < 2000; n += 1) liar.send('op', 'trust-state', Buffer.alloc(n % 64, n))
  await say('trust-statements', Buffer.alloc(0))
  await vi.waitFor(() => expect(told).toBe(1), POLL)
  expect(op.trust.statements()).toEqual(before.statements)
  expect(op.trust.list()).toEqual(before.issued)
  expect(first.links().find(({ peer }) => peer === 'b')).toMatchObject({ up: true })
})
