import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  connectClient,
  type DwcpNode,
  enroll,
  foundCluster,
  HashChainVerifier,
  hashChain,
  installBundle,
  loadWorkload,
  type NodeIdentity,
  type NodeTrust,
  openIdentity,
  openTrustStore,
  revokeMember,
  startNode,
} from '../src/index.ts'

interface Party {
  readonly home: string
  readonly identity: NodeIdentity
  readonly trust: NodeTrust
}

/** A cluster of an operator's node "op" and others, all of whom know all. */
async function party(...names: readonly string[]): Promise<readonly Party[]> {
  const root = await mkdtemp(join(tmpdir(), 'dwcp-trust-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  await foundCluster(join(root, 'op'), { cluster: 'lab', nodeId: 'op' })
  const install = async (nodeId: string): Promise<void> => {
    using identity = await openIdentity(join(root, nodeId), { nodeId })
    const { bundle } = await enroll(join(root, 'op'), await identity.request())
    await installBundle(join(root, nodeId), bundle)
  }
  for (const name of names) await install(name)
  // Once more: the first have not heard of the last.
  for (const name of names) await install(name)
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
  const started = await startNode({ id: identity.nodeId, dataDirectory: join(home, 'node'), tls: identity, trust })
  onTestFinished(() => started.close())
  return started
}

test('nodes with identities move a workload; certificates change meanwhile and no link is lost; who is revoked is cut off', async () => {
  const [op, b, client] = await party('b', 'client')
  if (op === undefined || b === undefined || client === undefined) throw new RangeError('three')
  const [first, second] = [await node(op), await node(b)]
  await first.run(await loadWorkload('hash-chain'), { id: 'chain', seed: 1 })
  await using questions = await connectClient({
    id: 'client',
    nodes: [`127.0.0.1:${first.address.port}`, `127.0.0.1:${second.address.port}`],
    tls: client.identity,
    trust: client.trust,
  })
  const verifier = new HashChainVerifier()
  const ask = async (): Promise<void> => {
    const { payload } = await questions.request('chain', hashChain.status())
    expect(verifier.verify(hashChain.decode(payload))).toBe(true)
  }
  await ask()
  await first.migrate('chain', second.address)
  await ask()
  expect(first.links().find(({ peer }) => peer === 'b')).toMatchObject({ up: true, security: 'tls1.3' })

  // The next certificate of the node that listens, installed by another process as far as it knows.
  const { bundle } = await enroll(op.home, await b.identity.request())
  const rotated = b.identity.rotations()[Symbol.asyncIterator]().next()
  await installBundle(b.home, bundle)
  await rotated
  await second.migrate('chain', 'op')
  await ask()
  expect(second.links().find(({ peer }) => peer === 'op')).toMatchObject({ up: true })

  const down = (async () => {
    for await (const change of first.changes())
      if (change.kind === 'link' && first.links().some(({ peer, up }) => peer === 'b' && !up)) return
  })()
  await revokeMember(op.home, 'b')
  await down
  await expect(first.migrate('chain', second.address)).rejects.toMatchObject({ code: 'ERR_AMST_UNTRUSTED' })
  await ask()
})
