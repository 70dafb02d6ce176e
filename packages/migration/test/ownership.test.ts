import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryNetwork, type MemoryTransport, type OwnershipLab, ownershipCompliance } from '@dwcp/compliance'
import type { NodeId, Ownership } from '@dwcp/interface'
import { createJournalOwnership, type Journal, openJournal } from '../src/index.ts'

ownershipCompliance('journals', openLab)

async function openLab(): Promise<OwnershipLab> {
  const root = await mkdtemp(join(tmpdir(), 'dwcp-ownership-'))
  const network = createMemoryNetwork()
  const nodes = new Map<NodeId, { ownership: Ownership & Disposable; journal: Journal; transport: MemoryTransport }>()
  const start = async (id: NodeId): Promise<void> => {
    const transport = network.transport(id)
    const journal = await openJournal(join(root, id))
    nodes.set(id, { ownership: createJournalOwnership(id, { journal, transport, inquiryTimeoutMs: 300 }), journal, transport })
  }
  const stop = async (id: NodeId): Promise<void> => {
    const node = nodes.get(id)
    node?.ownership[Symbol.dispose]()
    await node?.transport.close()
    await node?.journal.close()
    nodes.delete(id)
  }
  for (const id of ['a', 'b', 'c']) await start(id)
  return {
    of(id) {
      const node = nodes.get(id)
      if (node === undefined) throw new RangeError(`no node ${id}`)
      return node.ownership
    },
    cut: network.cut,
    heal: network.heal,
    async restart(id) {
      await stop(id)
      await start(id)
    },
    async close() {
      for (const id of [...nodes.keys()]) await stop(id)
      await rm(root, { recursive: true })
    },
  }
}
